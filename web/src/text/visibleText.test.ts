import { describe, expect, test } from "vitest";
import { isRightToLeft, visiblePieces, visibleString } from "./visibleText";

const drawn = (text: string, edges = false) =>
  visiblePieces(text, { edges }).map(({ text: t, kind }) => (kind === "mark" ? `[${t}]` : t));

describe("visible text", () => {
  test("plain text is one piece, as it is", () => {
    expect(drawn("Monday or perhaps Tuesday")).toEqual(["Monday or perhaps Tuesday"]);
  });

  test("markup stays text", () => {
    const hostile = "<img src=x onerror=alert(1)>&amp;";
    expect(drawn(hostile)).toEqual([hostile]);
  });

  test("line ends and tabs become marks", () => {
    expect(drawn("a\n\tb\r\n")).toEqual(["a", "[⏎]", "[⇥]", "b", "[CR]", "[⏎]"]);
  });

  test("control characters are named", () => {
    expect(drawn("\u0000\u001b[31m\u007f\u0085")).toEqual([
      "[NUL]",
      "[ESC]",
      "[31m",
      "[DEL]",
      "[NEL]",
    ]);
  });

  test("characters that turn the reading direction are shown and never pass through", () => {
    for (const code of [
      0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0x200e, 0x200f, 0x61c,
    ]) {
      const character = String.fromCodePoint(code);
      const [piece, ...rest] = visiblePieces(character);
      expect(rest).toEqual([]);
      expect(piece.kind).toBe("mark");
      expect(piece.text).not.toContain(character);
      expect(piece.title).toContain(`U+${code.toString(16).toUpperCase().padStart(4, "0")}`);
    }
    expect(drawn("\u202eevil")).toEqual(["[RLO]", "evil"]);
  });

  test("zero-width characters are shown", () => {
    expect(drawn("zero\u200bwidth\ufeff")).toEqual(["zero", "[ZWSP]", "width", "[BOM]"]);
  });

  test("a lone surrogate is a box with its code, a pair is a character", () => {
    expect(drawn("\ud800")).toEqual(["[U+D800]"]);
    expect(drawn("\ud83d\ude80")).toEqual(["🚀"]);
  });

  test("joiners inside an emoji or a word stay, alone they show", () => {
    expect(drawn("👩\u200d🚀")).toEqual(["👩\u200d🚀"]);
    expect(drawn("می\u200cخواهم")).toEqual(["می\u200cخواهم"]);
    expect(drawn("a \u200d b")).toEqual(["a ", "[ZWJ]", " b"]);
  });

  test("private, unassigned and odd spaces are boxes", () => {
    expect(drawn("\ue000")).toEqual(["[U+E000]"]);
    expect(drawn("\u{10ffff}")).toEqual(["[U+10FFFF]"]);
    expect(drawn("a\u00a0b")).toEqual(["a", "[NBSP]", "b"]);
    expect(drawn("\u2003")).toEqual(["[U+2003]"]);
  });

  test("letters that are never drawn are boxes, variation selectors belong to what they vary", () => {
    expect(drawn("a\u034fb\u3164\u115f\u2800")).toEqual([
      "a",
      "[U+034F]",
      "b",
      "[U+3164]",
      "[U+115F]",
      "[U+2800]",
    ]);
    expect(drawn("\u2764\ufe0f 1\ufe0f\u20e3")).toEqual(["\u2764\ufe0f 1\ufe0f\u20e3"]);
    expect(drawn("\ufe0f")).toEqual(["[U+FE0F]"]);
  });

  test("edge spaces show only when asked, spaces alone always", () => {
    expect(drawn(" Monday ")).toEqual([" Monday "]);
    expect(drawn(" Mon day ", true)).toEqual(["[␣]", "Mon day", "[␣]"]);
    expect(drawn("  ")).toEqual(["[␣]", "[␣]"]);
  });

  test("the string form names what it cannot draw", () => {
    expect(visibleString("\u202ex\n")).toBe("[RLO]x⏎");
    expect(visibleString(" the")).toBe("␣the");
    expect(visibleString("")).toBe("(empty)");
  });

  test("right-to-left text is recognised", () => {
    expect(isRightToLeft("שלום")).toBe(true);
    expect(isRightToLeft("مرحبا")).toBe(true);
    expect(isRightToLeft("Monday")).toBe(false);
  });
});
