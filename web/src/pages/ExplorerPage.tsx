import { useMemo, useRef } from "react";
import type { PageProps } from "../App";
import { LatentPanel } from "../components/LatentPanel";
import { Empty, Failure, Loading } from "../components/Notice";
import { SplitView } from "../components/SplitView";
import { hitLatents } from "../components/searchOptions";
import type { MapController } from "../map/controller";
import { MapPanel } from "../map/MapPanel";
import { usePositions, useTokenSearch } from "../state/queries";
import { useViewState } from "../state/useViewState";
import { useLatentShortcuts } from "./useLatentShortcuts";
import { useTitle } from "./useTitle";

/** The map of all latents, and the one selected. */
export function ExplorerPage({ experiment, table }: PageProps) {
  const view = useViewState();
  const controller = useRef<MapController | null>(null);
  const { layouts } = experiment;
  const layout = view.layout && layouts.includes(view.layout) ? view.layout : (layouts[0] ?? null);
  const positions = usePositions(experiment, layout);
  const search = useTokenSearch(experiment, view.query);
  const hits = useMemo(() => (search.data ? hitLatents(search.data) : null), [search.data]);
  useTitle("UMAP explorer", view.latent);
  useLatentShortcuts(table, view.latent, view.skipSilent, {
    r: () => controller.current?.reset(),
    "+": () => controller.current?.zoomBy(1.35),
    "=": () => controller.current?.zoomBy(1.35),
    "-": () => controller.current?.zoomBy(1 / 1.35),
  });
  return (
    <main className="explorer">
      <SplitView
        left={
          <section className="map-side" aria-label="Map of all latents">
            {layout === null && (
              <Empty title="This experiment has no map">
                Make one with <code>fmi graph</code> or scripts/export_umap_json.py.
              </Empty>
            )}
            {layout !== null && positions.isPending && <Loading what="the map" />}
            {positions.isError && (
              <Failure what="The map" error={positions.error} onRetry={() => positions.refetch()} />
            )}
            {positions.data && (
              <MapPanel
                experiment={experiment}
                table={table}
                positions={positions.data}
                view={view}
                hits={hits}
                controller={controller}
              />
            )}
          </section>
        }
        right={
          view.latent === null ? (
            <Empty title="No latent selected">
              <p>Click a point on the map, search a token, or type an id into the search box.</p>
              <p>
                Drag to pan, turn the wheel to zoom, press <kbd>r</kbd> to see everything again;{" "}
                <kbd>?</kbd> lists all keys.
              </p>
            </Empty>
          ) : (
            <LatentPanel experiment={experiment} table={table} id={view.latent} view={view} />
          )
        }
      />
    </main>
  );
}
