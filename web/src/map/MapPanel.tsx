import { type KeyboardEvent, type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { Failure } from "../components/Notice";
import { DataError } from "../data/guards";
import type { Experiment, LatentTable, Positions } from "../data/model";
import { useNeighbours } from "../state/queries";
import { useTheme } from "../state/useTheme";
import { changeView } from "../state/useViewState";
import type { ViewState } from "../state/viewState";
import { type Hover, MapController } from "./controller";
import { HoverCard } from "./HoverCard";
import { Legend } from "./Legend";
import { drawLabels } from "./labelLayer";
import { MapStatus } from "./MapStatus";
import { MapTools } from "./MapTools";
import { selectionMarks } from "./marks";
import { paintLatents } from "./paint";

interface Props {
  experiment: Experiment;
  table: LatentTable;
  positions: Positions;
  view: ViewState;
  hits: ReadonlySet<number>;
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

/** Draws the map. Frames, panning and picking happen in the controller, outside of React. */
function MapView({ experiment, table, positions, view, hits, controller }: Props) {
  const surface = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const labels = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<Hover | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [theme] = useTheme();
  const opened = useRef(view.latent);
  const { colour, only, silent, latent } = view;
  const onlyKey = JSON.stringify(only);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `only` is compared by its content.
  const paint = useMemo(
    () => paintLatents(table, { colour, only, silent, theme }),
    [table, colour, onlyKey, silent, theme],
  );
  const selected = latent !== null && latent < table.nLatents ? latent : null;
  const neighbours = useNeighbours(experiment, selected, experiment.edges[0] ?? null);

  useEffect(() => {
    if (!surface.current || !canvas.current) return;
    try {
      controller.current = new MapController(surface.current, canvas.current, {
        onHover: (next) => setHover((now) => (now?.latent === next?.latent ? now : next)),
        onSelect: (id) => changeView({ latent: id }),
        onCamera: (camera) => changeView({ camera }, "replace"),
        onLabels: (placed) => drawLabels(labels.current, placed, table),
      });
    } catch (error) {
      setFailure(error);
    }
    return () => {
      controller.current?.dispose();
      controller.current = null;
    };
  }, [controller, table]);

  useEffect(() => controller.current?.setTheme(theme), [controller, theme]);
  useEffect(
    () => controller.current?.setPoints(positions.xy, table),
    [controller, positions, table],
  );
  useEffect(() => {
    // New points need their paint again.
    if (positions) controller.current?.setPaint(paint);
  }, [controller, positions, paint]);
  useEffect(() => {
    // Other points have another extent, so "everything" is elsewhere.
    if (positions) controller.current?.setCamera(view.camera);
  }, [controller, positions, view.camera]);
  useEffect(() => {
    if (!positions) return;
    const { marks, lines } = selectionMarks(
      selected,
      neighbours.data?.neighbours ?? [],
      hits,
      theme,
    );
    controller.current?.setMarks(marks, lines);
  }, [controller, positions, selected, neighbours.data, hits, theme]);
  useEffect(() => {
    // A link shows its own view, even when the selection lies outside of it.
    if (selected !== null && selected !== opened.current) controller.current?.reveal(selected);
    if (selected !== opened.current) opened.current = null;
  }, [controller, selected]);

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
      <MapTools
        experiment={experiment}
        layout={positions.layout}
        view={view}
        controller={controller}
      />
      <Legend table={table} view={view} theme={theme} />
      <MapStatus
        table={table}
        paint={paint}
        hits={hits}
        zoom={view.camera?.zoom ?? 1}
        query={view.query}
      />
      {hover && <HoverCard experiment={experiment} table={table} hover={hover} />}
    </>
  );
}
