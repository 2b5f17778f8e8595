import { useState } from "react";
import type { Experiment, LatentPage, LatentTable } from "../data/model";
import { useLatentPage } from "../state/queries";
import type { ViewState } from "../state/viewState";
import { ExampleList } from "./ExampleList";
import { Histogram } from "./Histogram";
import { LatentNav } from "./LatentNav";
import { NeighbourList } from "./NeighbourList";
import { Boundary, Empty, Failure, Loading } from "./Notice";
import { Segmented } from "./Segmented";
import { Statistics } from "./Statistics";

interface Props {
  experiment: Experiment;
  table: LatentTable;
  id: number;
  view: ViewState;
}

type Part = "examples" | "activations" | "neighbours";

const PARTS: readonly { value: Part; label: string }[] = [
  { value: "examples", label: "Examples" },
  { value: "activations", label: "Activations" },
  { value: "neighbours", label: "Neighbours" },
];

/**
 * Everything about one latent; the browser's page and the explorer's right side. Where it is wide,
 * all parts show side by side; where it is narrow, the style sheet shows one part at a time.
 */
export function LatentPanel({ experiment, table, id, view }: Props) {
  const [part, setPart] = useState<Part>("examples");
  const exists = id < table.nLatents;
  const query = useLatentPage(experiment, exists ? id : null);
  return (
    <article className="latent-panel" aria-label={`Latent ${id}`}>
      <LatentNav table={table} id={id} skipSilent={view.skipSilent} />
      {!exists && (
        <Empty title={`There is no latent ${id}`}>
          The ids of this experiment go from 0 to {table.nLatents - 1}.
        </Empty>
      )}
      {exists && query.isPending && <Loading what={`latent ${id}`} />}
      {query.isError && (
        <Failure what={`Latent ${id}`} error={query.error} onRetry={() => query.refetch()} />
      )}
      {query.data && (
        <Boundary key={id} what={`Latent ${id}`}>
          <div className="latent-body" data-part={part}>
            <div className="latent-parts">
              <Segmented name="Part of the panel" choices={PARTS} value={part} onChange={setPart} />
            </div>
            <aside className="facts">
              <Statistics page={query.data} table={table} />
              {!isSilent(query.data, table) && query.data.histogram && (
                <Histogram
                  histogram={query.data.histogram}
                  stats={query.data.stats}
                  scale={view.counts}
                />
              )}
              <NeighbourList {...{ experiment, table, id }} wanted={view.neighbours} />
            </aside>
            {isSilent(query.data, table) ? (
              <Empty title="This latent never fires">
                No token of this corpus activates it, so there are no examples. Its decoder
                direction still has a place on the map.
              </Empty>
            ) : (
              <ExampleList page={query.data} view={view} />
            )}
          </div>
        </Boundary>
      )}
    </article>
  );
}

function isSilent(page: LatentPage, table: LatentTable): boolean {
  return (page.totalFirings ?? table.totalFirings[page.id]) === 0;
}
