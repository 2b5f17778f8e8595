import { type RefObject, useEffect, useRef, useState } from "react";
import type { LatentTable, Neighbour, Positions } from "../data/model";
import type { Theme } from "../state/useTheme";
import { changeView } from "../state/useViewState";
import type { Camera } from "../state/viewState";
import { type Hover, MapController } from "./controller";
import { drawLabels } from "./labelLayer";
import { selectionMarks } from "./marks";
import type { Paint } from "./paint";

/** What the map is told to show. */
export interface MapContent {
  readonly table: LatentTable;
  readonly positions: Positions;
  readonly paint: Paint;
  readonly camera: Camera | null;
  readonly selected: number | null;
  readonly neighbours: readonly Neighbour[];
  readonly hits: ReadonlySet<number>;
  readonly theme: Theme;
}

/** The elements that the map draws into. */
export interface MapElements {
  readonly surface: RefObject<HTMLDivElement | null>;
  readonly canvas: RefObject<HTMLCanvasElement | null>;
  readonly labels: RefObject<HTMLDivElement | null>;
}

/** What the map tells back. */
export interface MapReports {
  readonly hover: Hover | null;
  /** Drawn latents outside of the window. */
  readonly outside: number;
  /** Why there is no map, when WebGL is missing. */
  readonly failure: unknown;
}

/** Makes the controller of these elements, and passes on what changes. */
export function useMapController(
  controller: RefObject<MapController | null>,
  elements: MapElements,
  content: MapContent,
): MapReports {
  const { surface, canvas, labels } = elements;
  const { table } = content;
  const [hover, setHover] = useState<Hover | null>(null);
  const [outside, setOutside] = useState(0);
  const [failure, setFailure] = useState<unknown>(null);
  useEffect(() => {
    if (!surface.current || !canvas.current) return;
    try {
      controller.current = new MapController(surface.current, canvas.current, table.nLatents, {
        onHover: (next) => setHover((now) => (now?.latent === next?.latent ? now : next)),
        onSelect: (id) => changeView({ latent: id }),
        onCamera: (camera) => changeView({ camera }, "replace"),
        onOutside: setOutside,
        onLabels: (placed, chosen) => drawLabels(labels.current, placed, table, chosen),
      });
    } catch (error) {
      setFailure(error);
    }
    return () => {
      controller.current?.dispose();
      controller.current = null;
    };
  }, [controller, surface, canvas, labels, table]);
  useMapContent(controller, content);
  return { hover, outside, failure };
}

/** Each change goes to the controller once; `positions` comes first, the rest lies on it. */
function useMapContent(controller: RefObject<MapController | null>, content: MapContent): void {
  const { table, positions, paint, camera, selected, neighbours, hits, theme } = content;
  // A link shows its own view, even when the selection lies outside of it.
  const linked = useRef(camera === null ? null : selected);
  useEffect(() => controller.current?.setTheme(theme), [controller, theme]);
  useEffect(() => {
    controller.current?.setPoints(positions.xy, table);
  }, [controller, positions, table]);
  useEffect(() => {
    if (positions) controller.current?.setPaint(paint);
  }, [controller, positions, paint]);
  useEffect(() => {
    if (positions) controller.current?.setCamera(camera);
  }, [controller, positions, camera]);
  useEffect(() => {
    if (!positions) return;
    const { marks, lines } = selectionMarks(selected, neighbours, hits, theme);
    controller.current?.setMarks(marks, lines, selected);
  }, [controller, positions, selected, neighbours, hits, theme]);
  useEffect(() => {
    if (selected === linked.current) return;
    linked.current = null;
    if (selected !== null) controller.current?.reveal(selected);
  }, [controller, selected]);
}
