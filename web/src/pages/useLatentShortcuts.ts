import { JUMP_BOX } from "../components/LatentNav";
import { SEARCH_BOX } from "../components/SearchBox";
import type { LatentTable } from "../data/model";
import { stepLatent } from "../state/stepLatent";
import { type Shortcuts, useShortcuts } from "../state/useShortcuts";
import { changeView } from "../state/useViewState";

/** The keys that both pages share: arrows, g and /. */
export function useLatentShortcuts(
  table: LatentTable,
  id: number | null,
  skipSilent: boolean,
  more: Shortcuts = {},
): void {
  const step = (direction: 1 | -1) => {
    const next = id === null ? null : stepLatent(table, id, direction, skipSilent);
    // Leafing through a hundred latents is not a hundred steps back.
    if (next !== null) changeView({ latent: next }, "replace");
  };
  useShortcuts({
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    // With no latent shown there is no box for its id; the search takes ids too.
    g: () => (document.getElementById(JUMP_BOX) ?? document.getElementById(SEARCH_BOX))?.focus(),
    "/": () => document.getElementById(SEARCH_BOX)?.focus(),
    ...more,
  });
}
