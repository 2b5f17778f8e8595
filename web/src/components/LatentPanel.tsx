import type { Experiment, LatentTable } from "../data/model";
import { useLatentPage } from "../state/queries";
import type { ViewState } from "../state/viewState";
import { ExampleList } from "./ExampleList";
import { Histogram } from "./Histogram";
import { LatentNav } from "./LatentNav";
import { NeighbourList } from "./NeighbourList";
import { Boundary, Empty, Failure, Loading } from "./Notice";
import { Statistics } from "./Statistics";

interface Props {
  experiment: Experiment;
  table: LatentTable;
  id: number;
  view: ViewState;
}

/** Everything about one latent; the browser's page and the explorer's right side. */
export function LatentPanel({ experiment, table, id, view }: Props) {
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
          <div className="latent-body">
            <aside className="facts">
              <Statistics page={query.data} table={table} />
              {query.data.histogram && (
                <Histogram
                  histogram={query.data.histogram}
                  stats={query.data.stats}
                  scale={view.counts}
                />
              )}
              <NeighbourList experiment={experiment} table={table} id={id} />
            </aside>
            {isSilent(query.data.totalFirings, table.totalFirings[id]) ? (
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

function isSilent(onPage: number | null, inTable: number): boolean {
  return (onPage ?? inTable) === 0;
}
