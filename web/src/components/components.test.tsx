// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, test } from "vitest";
import type { Example } from "../data/model";
import { formatActivation, formatOneIn, formatShare } from "../format/numbers";
import { ExampleText } from "./ExampleText";
import { CARD_WINDOW, WINDOW, windowAround } from "./exampleWindow";
import { axisTicks, axisTop, histogramBars } from "./histogramScale";
import { Empty, Failure } from "./Notice";
import { hitLatents, searchGroups } from "./searchOptions";
import { VisibleText } from "./VisibleText";

afterEach(cleanup);

function example(tokens: string[], activations: number[]): Example {
  return { maxActivation: Math.max(...activations), context: tokens.join(""), tokens, activations };
}

describe("an example", () => {
  test("shades firing tokens by their share of the maximum", () => {
    render(<ExampleText example={example(["on", " Monday", " x"], [0, 4, 1])} max={8} />);
    const [strong, weak] = Array.from(document.querySelectorAll<HTMLElement>(".fires"));
    expect(strong.textContent).toBe("Monday");
    expect(strong.style.getPropertyValue("--a")).toBe("0.500");
    expect(strong.classList).toContain("peak");
    expect(weak.style.getPropertyValue("--a")).toBe("0.125");
    expect(weak.dataset.activation).toBe("1");
  });

  test("draws hostile tokens as text", () => {
    const hostile = "<img src=x onerror=alert(1)>";
    render(<ExampleText example={example([hostile, "\u202ex"], [1, 0.5])} max={1} />);
    expect(document.querySelector("img")).toBeNull();
    expect(document.body.textContent).toContain(hostile);
    expect(document.body.textContent).not.toContain("\u202e");
    expect(screen.getByText("RLO").title).toBe("right-to-left override, U+202E");
  });

  test("line ends that no token holds are marked, spaces are not", () => {
    const words = { ...example(["a", "b", "c"], [0, 1, 0]), context: "a\nb c" };
    render(<ExampleText example={words} max={1} />);
    expect(document.body.textContent).toBe("a\u23ceb c");
  });

  test("in a small card shows its peak, and no way to more", () => {
    const activations = Array.from({ length: 300 }, (_, i) => (i === 200 ? 5 : 0));
    const tokens = activations.map((_, i) => ` t${i}`);
    render(<ExampleText example={example(tokens, activations)} max={5} size={CARD_WINDOW} />);
    expect(document.body.textContent).toContain("t200");
    expect(document.body.textContent).not.toContain("t180 ");
    expect(screen.queryByRole("button")).toBeNull();
  });

  test("opens a long context round its peak, and whole on demand", () => {
    const activations = Array.from({ length: 300 }, (_, i) => (i === 200 ? 5 : 0));
    render(
      <ExampleText
        example={example(
          activations.map((_, i) => ` t${i}`),
          activations,
        )}
        max={5}
      />,
    );
    expect(document.body.textContent).toContain("t200");
    expect(document.body.textContent).not.toContain("t0 ");
    fireEvent.click(screen.getByRole("button", { name: "show all 300 tokens" }));
    expect(document.body.textContent).toContain("t0 ");
  });

  test("a window never leaves the context", () => {
    const at = (peak: number) =>
      windowAround(
        Array.from({ length: 200 }, (_, i) => (i === peak ? 1 : 0)),
        WINDOW,
      );
    expect(at(0)).toEqual({ start: 0, stop: WINDOW, peak: 0 });
    expect(at(199)).toEqual({ start: 200 - WINDOW, stop: 200, peak: 199 });
  });
});

test("right-to-left tokens are isolated", () => {
  render(<VisibleText text="שלום" />);
  expect(document.querySelector("bdi")?.textContent).toBe("שלום");
});

describe("the histogram's scales", () => {
  test("bars grow with their counts and end at the axis", () => {
    const bars = histogramBars([0, 1, 2, 3], [0, 10, 30], "linear");
    expect(bars.map(({ height }) => height)).toEqual([0, expect.closeTo(1 / 3), 1]);
  });

  test("a single firing shows on both scales", () => {
    for (const scale of ["linear", "log"] as const) {
      expect(histogramBars([0, 1, 2], [1, 1_000_000], scale)[0].height).toBeGreaterThan(0.01);
    }
  });

  test("axes end at or above the largest count, with whole ticks", () => {
    for (const max of [1, 2, 3, 7, 10, 42, 999, 123_456]) {
      expect(axisTop(max, "linear")).toBeGreaterThanOrEqual(max);
      expect(axisTop(max, "log")).toBeGreaterThanOrEqual(max);
      expect(axisTicks(max, "linear").every(Number.isInteger)).toBe(true);
      expect(axisTicks(max, "linear").length).toBeLessThanOrEqual(5);
      expect(axisTicks(max, "log").length).toBeLessThanOrEqual(6);
    }
  });
});

describe("numbers", () => {
  test("activations keep what can be seen", () => {
    expect([0, 12.345, 0.01234, 1234.5].map(formatActivation)).toEqual([
      "0",
      "12.35",
      "0.0123",
      "1,235",
    ]);
  });

  test("shares are never a false zero", () => {
    expect([0, 0.5, 0.0123, 0.00001, 1e-8].map(formatShare)).toEqual([
      "0 %",
      "50 %",
      "1.2 %",
      "0.001 %",
      "0.000001 %",
    ]);
    expect(formatOneIn(0.00012)).toBe("1 in 8,300 tokens");
  });
});

describe("search options", () => {
  const hits = [
    { token: "a", latents: Array.from({ length: 10 }, (_, id) => ({ id, count: 1 })) },
    { token: "7", latents: [{ id: 7, count: null }] },
  ];

  test("a number offers the latent first, then the tokens", () => {
    const found = searchGroups("7", hits, 100);
    expect(found.byId).toEqual({ kind: "id", id: 7 });
    expect(found.groups.map(({ options, more }) => [options.length, more])).toEqual([
      [8, 2],
      [1, 0],
    ]);
  });

  test("all latents are lit, each once", () => {
    expect(Array.from(hitLatents(hits))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

test("a failure says what is wrong in any case", () => {
  render(<Failure what="The map" error="odd" />);
  expect(screen.getByRole("alert").textContent).toContain("The map could not be shown");
});

test("a notice keeps a sentence with code in one block", () => {
  render(
    <Empty title="Nothing">
      Type <code>fmi demo</code>.
    </Empty>,
  );
  expect(screen.getByText("fmi demo").parentElement?.textContent).toBe("Type fmi demo.");
});
