import { expect, test } from "vitest";
import { stepLatent } from "./stepLatent";
import { formatViewState, parseViewState } from "./viewState";

const parse = (text: string) => parseViewState(new URLSearchParams(text));
const format = (text: string, base = "") =>
  formatViewState(parse(text), new URLSearchParams(base)).toString();

test("an address parses back to itself", () => {
  const text =
    "experiment=toy_layer0&latent=42&layout=coactivation&colour=label&only=+Monday&only=a%2Cb&silent=hidden&view=0.25%2C0.75%2C4.5&show=grid&group=high&counts=log&q=%26%3D&neighbours=jaccard&skip=silent";
  expect(format(text)).toBe(text);
});

test("defaults are left out, foreign parameters stay", () => {
  expect(format("latent=1&show=list&counts=linear", "data=mine&show=grid")).toBe(
    "data=mine&latent=1",
  );
});

test.each([
  "latent=abc&layout=x&colour=x&view=1,2&show=x&group=x&counts=x&neighbours=x",
  "latent=-3&view=1,2,NaN",
  "latent=1e3&view=1,2,-4",
  "latent=99999999999&view=,,",
  "view=0.5,0.5,1e300",
  "view=0.5,0.5,0.001",
])("nonsense %s is the default view", (text) => {
  expect(parse(text)).toEqual(parse(""));
});

test("a deep zoom keeps enough digits of its centre", () => {
  const state = { ...parse(""), camera: { x: 0.123456789, y: 0.5, zoom: 1000 } };
  const back = parseViewState(formatViewState(state, new URLSearchParams()));
  // 800 px show 1/1000 of the map: 1e-6 is about a pixel.
  expect(Math.abs((back.camera?.x ?? 0) - 0.123456789)).toBeLessThan(1e-6);
});

test("stepping can skip what never fires, and ends at the ends", () => {
  const table = {
    nLatents: 4,
    nTokens: null,
    labels: [null, null, null, null],
    totalFirings: Float64Array.of(1, 0, 0, 5),
  };
  expect(stepLatent(table, 0, 1, false)).toBe(1);
  expect(stepLatent(table, 0, 1, true)).toBe(3);
  expect(stepLatent(table, 3, 1, true)).toBeNull();
  expect(stepLatent(table, 0, -1, false)).toBeNull();
});
