import type { LatentTable } from "../data/model";
import { visibleString } from "../text/visibleText";
import type { PlacedLabel } from "./regionLabels";

/**
 * Names of regions, as HTML over the canvas. Elements are kept and moved; no React render in a frame.
 */
export function drawLabels(
  layer: HTMLElement | null,
  placed: readonly PlacedLabel[],
  table: LatentTable,
  selected: number | null,
): void {
  if (!layer) return;
  while (layer.children.length < placed.length) {
    const element = document.createElement("bdi");
    layer.append(element);
  }
  Array.from(layer.children).forEach((child, i) => {
    const element = child as HTMLElement;
    const label = placed.at(i);
    element.hidden = !label;
    if (!label) return;
    const text = labelText(table, label.id);
    element.classList.toggle("selected", label.id === selected);
    if (element.textContent !== text) element.textContent = text;
    element.style.transform = `translate(${label.x.toFixed(1)}px, ${label.y.toFixed(1)}px) translate(-50%, -140%)`;
  });
}

/** A label as a name on the map: without the space that leads many tokens. */
export function labelText(table: LatentTable, latent: number): string {
  const label = table.labels[latent];
  return label === null ? `latent ${latent}` : visibleString(label.trim() || label);
}
