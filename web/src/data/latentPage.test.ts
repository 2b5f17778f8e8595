import { describe, expect, test } from "vitest";
import { DataError } from "./guards";
import { parseLatentPage } from "./latentPage";

const example = {
  max_activation: 2.5,
  context: "on Monday",
  tokens: ["on", " Monday"],
  token_activations: [0, 2.5],
  firing_positions: [1],
  n_firings: 1,
};
const page = {
  latent_id: 42,
  label: " Monday",
  total_firings: 7,
  activation_stats: { min: 0.1, max: 2.5, mean: 1, p10: 0.2, p50: 0.9, p90: 2 },
  histogram: { bins: [0, 1, 2.5], counts: [4, 3] },
  examples: { top: [example], high: [], medium: [example], low: [] },
};
const file = "latents/00042.json";

describe("a latent's file", () => {
  test("today's form is read whole", () => {
    const read = parseLatentPage(file, page, 42);
    expect(read.label).toBe(" Monday");
    expect(read.stats?.max).toBe(2.5);
    expect(read.histogram?.counts).toEqual([4, 3]);
    expect(read.examples.top[0].activations).toEqual([0, 2.5]);
    expect(read.examples.medium).toHaveLength(1);
  });

  test("the older form fills the top group", () => {
    const older = {
      latent_id: 42,
      label: "x",
      top_examples: [
        { activation: 3, context: "x", tokens: ["x"], token_activations: [3], center_idx: 0 },
      ],
    };
    const read = parseLatentPage(file, older, 42);
    expect(read.examples.top[0].maxActivation).toBe(3);
    expect(read.examples.high).toEqual([]);
    expect(read.totalFirings).toBeNull();
    expect(read.histogram).toBeNull();
  });

  test("a silent latent may have nulls for statistics", () => {
    const silent = { ...page, activation_stats: { min: null, max: null }, label: null };
    expect(parseLatentPage(file, silent, 42).stats).toBeNull();
  });

  test.each([
    ["another latent's file", { ...page, latent_id: 43 }, /latent 43, not latent 42/],
    ["a list", [], /should be an object/],
    ["no examples", { ...page, examples: undefined }, /examples should be an object/],
    [
      "tokens and activations of different length",
      { ...page, examples: { top: [{ ...example, token_activations: [1] }] } },
      /2 tokens but 1 token_activations/,
    ],
    [
      "a token that is no text",
      { ...page, examples: { top: [{ ...example, tokens: ["a", 7] }] } },
      /examples\.top\[0\]\.tokens\[1\] should be text, but is number 7/,
    ],
    ["one bin edge too few", { ...page, histogram: { bins: [0, 1], counts: [1, 2] } }, /one more/],
    ["a fractional count", { ...page, total_firings: 1.5 }, /whole number/],
  ])("%s is an error that names the place", (_name, json, message) => {
    expect(() => parseLatentPage(file, json, 42)).toThrow(message);
    try {
      parseLatentPage(file, json, 42);
    } catch (error) {
      expect(error).toBeInstanceOf(DataError);
      expect((error as DataError).file).toBe(file);
    }
  });
});
