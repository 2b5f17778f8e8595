import type { Neighbour } from "../data/model";
import type { Theme } from "../state/useTheme";
import { ACCENT, HIT } from "./palette";
import type { Lines, Mark } from "./scene";

/** Rings round search hits, the selection and its neighbours, and lines to the neighbours. */
export function selectionMarks(
  selected: number | null,
  neighbours: readonly Neighbour[],
  hits: ReadonlySet<number>,
  theme: Theme,
): { marks: readonly Mark[]; lines: Lines } {
  const hitMarks = Array.from(hits, (latent) => ({
    latent,
    colour: HIT[theme],
    diameter: 10,
    filled: true,
  }));
  if (selected === null) return { marks: hitMarks, lines: [] };
  const accent = ACCENT[theme];
  const around = neighbours.map(({ id }) => ({
    latent: id,
    colour: accent,
    diameter: 13,
    filled: false,
  }));
  const self = { latent: selected, colour: accent, diameter: 20, filled: false };
  return {
    marks: [...hitMarks, ...around, self],
    lines: neighbours.map(({ id }) => [selected, id] as const),
  };
}
