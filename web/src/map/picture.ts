import type { LatentTable } from "../data/model";
import { labelText } from "./labelLayer";
import type { PlacedLabel } from "./regionLabels";

/** The drawn map with its labels, as they stand on the page, in the pixels of the canvas. */
export function paintPicture(
  map: HTMLCanvasElement,
  labels: readonly PlacedLabel[],
  table: LatentTable,
): HTMLCanvasElement {
  const picture = document.createElement("canvas");
  picture.width = map.width;
  picture.height = map.height;
  const context = picture.getContext("2d");
  if (!context) throw new Error("This browser cannot draw a picture (no 2D canvas).");
  context.drawImage(map, 0, 0);
  const ratio = map.width / map.clientWidth;
  const style = getComputedStyle(map);
  context.scale(ratio, ratio);
  context.font = `600 11.5px ${style.fontFamily}`;
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = style.getPropertyValue("--map");
  context.fillStyle = style.getPropertyValue("--text");
  for (const { id, x, y } of labels) {
    context.strokeText(labelText(table, id), x, y - 6);
    context.fillText(labelText(table, id), x, y - 6);
  }
  return picture;
}
