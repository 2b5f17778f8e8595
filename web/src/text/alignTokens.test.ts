import { expect, test } from "vitest";
import { gapsBefore } from "./alignTokens";

test("tokens that carry their spaces have nothing between them", () => {
  expect(gapsBefore(" on Monday", [" on", " Monday"])).toEqual(["", ""]);
});

test("word-level tokens take their spaces from the context", () => {
  expect(gapsBefore("on Monday, then", ["on", "Monday", ",", "then"])).toEqual(["", " ", "", " "]);
});

test("newline tokens are found, not skipped as space", () => {
  expect(gapsBefore("a \n b", ["a", "\n", "b"])).toEqual(["", " ", " "]);
});

test("a context that does not fit changes nothing", () => {
  expect(gapsBefore("something else", ["a", "b"])).toEqual(["", ""]);
  expect(gapsBefore("", ["a", "b"])).toEqual(["", ""]);
});

test("the first token has no gap", () => {
  expect(gapsBefore("  a b", ["a", "b"])).toEqual(["", " "]);
});
