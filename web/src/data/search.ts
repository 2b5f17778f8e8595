/** Order vocabulary tokens by how well they match a search text. */

export function rankTokens(tokens: Iterable<string>, text: string, limit: number): string[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "" && text === "") return [];
  const hits: { token: string; rank: number }[] = [];
  for (const token of tokens) {
    const rank = matchRank(token, text, wanted);
    if (rank !== null) hits.push({ token, rank });
  }
  hits.sort((a, b) => a.rank - b.rank || a.token.length - b.token.length || compare(a, b));
  return hits.slice(0, limit).map((hit) => hit.token);
}

function compare(a: { token: string }, b: { token: string }): number {
  if (a.token === b.token) return 0;
  return a.token < b.token ? -1 : 1;
}

/** 0 = the very text, 1 = but for case and edge spaces, 2 = starts with it, 3 = contains it. */
function matchRank(token: string, text: string, wanted: string): number | null {
  if (token === text) return 0;
  if (wanted === "") return null;
  const plain = token.trim().toLowerCase();
  if (plain === wanted) return 1;
  if (plain.startsWith(wanted)) return 2;
  return plain.includes(wanted) ? 3 : null;
}

/** A search text that is a latent id of this experiment ("42" or "#42"). */
export function parseLatentId(text: string, nLatents: number): number | null {
  const match = /^#?(\d{1,9})$/.exec(text.trim());
  if (!match) return null;
  const id = Number(match[1]);
  return id < nLatents ? id : null;
}
