import type { TokenHit } from "../data/model";
import { parseLatentId } from "../data/search";

/** One line of the search's list. */
export type SearchOption =
  | { readonly kind: "id"; readonly id: number }
  | {
      readonly kind: "hit";
      readonly id: number;
      readonly token: string;
      readonly count: number | null;
    };

export interface SearchGroup {
  readonly token: string;
  readonly options: readonly SearchOption[];
  /** Latents of this token that the list leaves out. */
  readonly more: number;
}

const MAX_GROUPS = 12;
const MAX_PER_GROUP = 8;

export function searchGroups(
  text: string,
  hits: readonly TokenHit[],
  nLatents: number,
): { byId: SearchOption | null; groups: readonly SearchGroup[]; moreTokens: number } {
  const id = parseLatentId(text, nLatents);
  const groups = hits.slice(0, MAX_GROUPS).map(({ token, latents }) => ({
    token,
    options: latents
      .slice(0, MAX_PER_GROUP)
      .map((latent) => ({ kind: "hit" as const, token, ...latent })),
    more: Math.max(0, latents.length - MAX_PER_GROUP),
  }));
  return {
    byId: id === null ? null : { kind: "id", id },
    groups,
    moreTokens: Math.max(0, hits.length - MAX_GROUPS),
  };
}

/** All latents that a search lights on the map. */
export function hitLatents(hits: readonly TokenHit[]): ReadonlySet<number> {
  return new Set(hits.flatMap((hit) => hit.latents.map((latent) => latent.id)));
}
