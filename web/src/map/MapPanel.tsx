import { type KeyboardEvent, type RefObject, useMemo, useRef } from "react";
import { Failure } from "../components/Notice";
import { DataError } from "../data/guards";
import {
  type Experiment,
  edgeKind,
  type LatentTable,
  type Neighbour,
  type Positions,
} from "../data/model";
import { useNeighbours } from "../state/queries";
import { type Theme, useTheme } from "../state/useTheme";
import type { ViewState } from "../state/viewState";
import type { MapController } from "./controller";
import { HoverCard } from "./HoverCard";
import { Legend } from "./Legend";
import { MapStatus } from "./MapStatus";
import { MapTools } from "./MapTools";
import { type Paint, paintLatents } from "./paint";
import { useMapController } from "./useMapController";

interface Props {
  experiment: Experiment;
  table: LatentTable;
  positions: Positions;
  view: ViewState;
  /** What the search lights; null while there is no answer. */
  hits: ReadonlySet<number> | null;
  controller: RefObject<MapController | null>;
}

export function MapPanel(props: Props) {
  const { table, positions } = props;
  const n = positions.xy.length / 2;
  if (n !== table.nLatents) {
    const message = `The map has ${n} positions, but the experiment has ${table.nLatents} latents.`;
    return <Failure what="The map" error={new DataError(`layout ${positions.layout}`, message)} />;
  }
  return <MapView {...props} />;
}

const NO_NEIGHBOURS: readonly Neighbour[] = [];
const NO_HITS: ReadonlySet<number> = new Set();

/** Draws the map. Frames, panning and picking happen in the controller, outside of React. */
function MapView({ experiment, table, positions, view, hits, controller }: Props) {
  const surface = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const labels = useRef<HTMLDivElement>(null);
  const [theme] = useTheme();
  const paint = usePaint(table, view, theme);
  const { latent, camera } = view;
  const selected = latent !== null && latent < table.nLatents ? latent : null;
  const edges = useNeighbours(experiment, selected, edgeKind(experiment, view.neighbours));
  const neighbours = edges.data?.neighbours ?? NO_NEIGHBOURS;
  const lit = hits ?? NO_HITS;
  const content = { table, positions, paint, camera, selected, neighbours, hits: lit, theme };
  const { hover, outside, failure } = useMapController(
    controller,
    { surface, canvas, labels },
    content,
  );
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (controller.current?.key(event.key)) event.preventDefault();
  };
  if (failure) return <Failure what="The map (it needs WebGL)" error={failure} />;
  return (
    <>
      <div
        ref={surface}
        className="map-surface"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keys pan, zoom and select.
        tabIndex={0}
        aria-label={`Map of ${table.nLatents} latents. Arrow keys pan, plus and minus zoom, Enter selects the latent nearest to the centre.`}
        onKeyDown={onKeyDown}
      >
        <canvas ref={canvas} />
        <div ref={labels} className="map-labels" aria-hidden="true" />
      </div>
      <MapTools {...{ experiment, view, controller }} layout={positions.layout} />
      <Legend table={table} view={view} theme={theme} />
      <MapStatus {...{ table, paint, hits, outside, view }} />
      {hover && <HoverCard experiment={experiment} table={table} hover={hover} />}
    </>
  );
}

const NO_LABELS: readonly string[] = [];

function usePaint(table: LatentTable, view: ViewState, theme: Theme): Paint {
  const { colour, silent } = view;
  // The legend of labels narrows; without it, nothing on the page would say that it does.
  const only = colour === "label" ? view.only : NO_LABELS;
  const onlyKey = JSON.stringify(only);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `only` is compared by its content.
  return useMemo(
    () => paintLatents(table, { colour, only, silent, theme }),
    [table, colour, onlyKey, silent, theme],
  );
}
