/** Mouse, pen and touch on the map, told apart: drag = pan, wheel or pinch = zoom, tap = click. */
export interface Gestures {
  readonly pan: (dx: number, dy: number) => void;
  readonly zoom: (px: number, py: number, factor: number) => void;
  readonly hover: (px: number, py: number) => void;
  readonly leave: () => void;
  readonly click: (px: number, py: number) => void;
}

/** A press that moves less than this is a click. */
const SLOP = 4;
const LINE_PIXELS = 16;

export function listenToGestures(element: HTMLElement, gestures: Gestures): () => void {
  const fingers = new Map<number, readonly [number, number]>();
  let travelled = 0;
  const at = (event: MouseEvent): [number, number] => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    if (fingers.size === 1) travelled = 0;
  };
  const move = (event: PointerEvent) => {
    const [px, py] = at(event);
    const last = fingers.get(event.pointerId);
    if (!last) {
      if (event.pointerType !== "touch") gestures.hover(px, py);
      return;
    }
    travelled += Math.hypot(px - last[0], py - last[1]);
    const other = Array.from(fingers).find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, [px, py]);
    if (other) {
      const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
      const after = Math.hypot(px - other[0], py - other[1]);
      if (before > 0) gestures.zoom((px + other[0]) / 2, (py + other[1]) / 2, after / before);
    } else if (travelled > SLOP) {
      gestures.pan(px - last[0], py - last[1]);
    }
  };
  const up = (event: PointerEvent) => {
    if (!fingers.delete(event.pointerId) || event.type === "pointercancel") return;
    if (travelled <= SLOP && fingers.size === 0) gestures.click(...at(event));
  };
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? LINE_PIXELS : 1);
    // A pinch on a trackpad arrives as a wheel with ctrl and small steps.
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    gestures.zoom(...at(event), Math.exp(-Math.max(-400, Math.min(400, pixels)) * speed));
  };
  const leave = () => gestures.leave();

  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", leave);
  element.addEventListener("wheel", wheel, { passive: false });
  return () => {
    element.removeEventListener("pointerdown", down);
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", up);
    element.removeEventListener("pointercancel", up);
    element.removeEventListener("pointerleave", leave);
    element.removeEventListener("wheel", wheel);
  };
}
