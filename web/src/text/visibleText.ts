/**
 * Corpus text made visible: every character that would be invisible, would move the line or would
 * turn the reading direction becomes a mark. Pure: returns pieces, draws nothing.
 */

export interface TextPiece {
  readonly text: string;
  /** "mark" stands for a character that cannot be seen; "text" is drawn as it is. */
  readonly kind: "text" | "mark";
  /** What the mark stands for ("line feed, U+000A"); null for text. */
  readonly title: string | null;
}

const NAMES: ReadonlyMap<number, readonly [mark: string, name: string]> = new Map([
  [0x09, ["⇥", "tab"]],
  [0x0a, ["⏎", "line feed"]],
  [0x7f, ["DEL", "delete"]],
  [0x85, ["NEL", "next line"]],
  [0xa0, ["NBSP", "no-break space"]],
  [0xad, ["SHY", "soft hyphen"]],
  [0x61c, ["ALM", "Arabic letter mark"]],
  [0x180e, ["MVS", "Mongolian vowel separator"]],
  [0x200b, ["ZWSP", "zero-width space"]],
  [0x200c, ["ZWNJ", "zero-width non-joiner"]],
  [0x200d, ["ZWJ", "zero-width joiner"]],
  [0x200e, ["LRM", "left-to-right mark"]],
  [0x200f, ["RLM", "right-to-left mark"]],
  [0x2028, ["LSEP", "line separator"]],
  [0x2029, ["PSEP", "paragraph separator"]],
  [0x202a, ["LRE", "left-to-right embedding"]],
  [0x202b, ["RLE", "right-to-left embedding"]],
  [0x202c, ["PDF", "pop directional formatting"]],
  [0x202d, ["LRO", "left-to-right override"]],
  [0x202e, ["RLO", "right-to-left override"]],
  [0x2060, ["WJ", "word joiner"]],
  [0x2066, ["LRI", "left-to-right isolate"]],
  [0x2067, ["RLI", "right-to-left isolate"]],
  [0x2068, ["FSI", "first strong isolate"]],
  [0x2069, ["PDI", "pop directional isolate"]],
  [0xfeff, ["BOM", "byte order mark"]],
]);

// Abbreviations, because many systems have no font with the pictures U+2400 to U+241F.
const C0_NAMES =
  "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(
    " ",
  );

// Joiners inside emoji and Indic or Persian words are part of one drawn character.
const JOINERS = new Set([0x200c, 0x200d]);
// Fillers and other ignorable letters too, and the Braille pattern without dots.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u;
const VARIATION_SELECTOR = /\p{Variation_Selector}/u;
const JOINS = /[\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}]/u;
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

export function isRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(text);
}

/** The pieces of `text`, in order. With `edges`, spaces at both ends become visible too. */
export function visiblePieces(text: string, options: { edges?: boolean } = {}): TextPiece[] {
  const pieces: TextPiece[] = [];
  const characters = Array.from(text);
  const [first, last] = innerRange(characters);
  let plain = "";
  characters.forEach((character, i) => {
    const atEdge = character === " " && (i < first || i > last);
    const mark = atEdge && (options.edges || last < 0) ? SPACE : markOf(character, characters, i);
    if (mark === null) {
      plain += character;
      return;
    }
    if (plain !== "") pieces.push({ text: plain, kind: "text", title: null });
    plain = "";
    pieces.push(mark);
  });
  if (plain !== "") pieces.push({ text: plain, kind: "text", title: null });
  return pieces;
}

/** The same as one string, for places that hold no marks (a tooltip, an option, a title). */
export function visibleString(text: string): string {
  if (text === "") return "(empty)";
  return visiblePieces(text, { edges: true })
    .map((piece) =>
      piece.kind === "mark" && piece.text.length > 1 ? `[${piece.text}]` : piece.text,
    )
    .join("");
}

const SPACE: TextPiece = { text: "␣", kind: "mark", title: "space, U+0020" };

/** Positions of the first and last character that is no space; last is -1 if there is none. */
function innerRange(characters: readonly string[]): readonly [number, number] {
  const first = characters.findIndex((character) => character !== " ");
  const last = characters.findLastIndex((character) => character !== " ");
  return first < 0 ? [characters.length, -1] : [first, last];
}

function markOf(character: string, all: readonly string[], i: number): TextPiece | null {
  const code = character.codePointAt(0) ?? 0;
  if (character === " " || !INVISIBLE.test(character)) return null;
  if (JOINERS.has(code) && joins(all[i - 1]) && joins(all[i + 1])) return null;
  if (VARIATION_SELECTOR.test(character) && isDrawn(all[i - 1])) return null;
  const hex = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  const named = NAMES.get(code);
  if (named) return { text: named[0], kind: "mark", title: `${named[1]}, ${hex}` };
  if (code < 0x20) return { text: C0_NAMES[code], kind: "mark", title: `control, ${hex}` };
  return { text: hex, kind: "mark", title: hex };
}

function joins(neighbour: string | undefined): boolean {
  return neighbour !== undefined && JOINS.test(neighbour);
}

function isDrawn(neighbour: string | undefined): boolean {
  return neighbour !== undefined && neighbour !== " " && !INVISIBLE.test(neighbour);
}
