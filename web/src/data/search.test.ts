import { expect, test } from "vitest";
import { parseLatentId, rankTokens } from "./search";

test("exact, then equal but for case and spaces, then prefix, then within", () => {
  const tokens = ["Good Monday", "Mondays", " monday", "Monday", "Tue"];
  expect(rankTokens(tokens, "Monday", 10)).toEqual(["Monday", " monday", "Mondays", "Good Monday"]);
});

test("the limit keeps the best", () => {
  expect(rankTokens(["abc", "ab", "a"], "a", 2)).toEqual(["a", "ab"]);
});

test("a newline can be searched, spaces alone match only themselves", () => {
  expect(rankTokens(["\n", "a"], "\n", 5)).toEqual(["\n"]);
  expect(rankTokens([" a", " "], " ", 5)).toEqual([" "]);
  expect(rankTokens(["a"], "", 5)).toEqual([]);
});

test("a number within the experiment is an id", () => {
  expect(parseLatentId(" #42 ", 100)).toBe(42);
  expect(parseLatentId("100", 100)).toBeNull();
  expect(parseLatentId("4x", 100)).toBeNull();
  expect(parseLatentId("-1", 100)).toBeNull();
});
