/**
 * What stands between the tokens of an example.
 *
 * Byte-level and SentencePiece vocabularies carry their spaces inside the tokens; word-level ones do
 * not, and only the joined `context` shows them. Returns the text before each token, found by
 * walking through the context; when the two do not match, the tokens are drawn as they are.
 */
export function gapsBefore(context: string, tokens: readonly string[]): readonly string[] {
  const none = tokens.map(() => "");
  const gaps: string[] = [];
  let at = 0;
  for (const token of tokens) {
    let space = at;
    while (
      space < context.length &&
      /\s/.test(context[space]) &&
      !context.startsWith(token, space)
    ) {
      space += 1;
    }
    if (!context.startsWith(token, space)) return none;
    gaps.push(at === 0 ? "" : context.slice(at, space));
    at = space + token.length;
  }
  return gaps;
}
