import { Fragment } from "react";
import { isRightToLeft, visiblePieces } from "../text/visibleText";

interface Props {
  text: string;
  /** Also mark spaces at both ends: for a token that stands alone. */
  edges?: boolean;
}

/** Corpus text, always as text: invisible characters become marks, right-to-left runs are isolated. */
export function VisibleText({ text, edges = false }: Props) {
  const pieces = visiblePieces(text, { edges }).map((piece, i) =>
    piece.kind === "mark" ? (
      <span
        // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one text never move.
        key={i}
        className={piece.text === "␣" ? "mark space" : "mark"}
        title={piece.title ?? undefined}
      >
        {piece.text}
      </span>
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one text never move.
      <Fragment key={i}>{piece.text}</Fragment>
    ),
  );
  return isRightToLeft(text) ? <bdi>{pieces}</bdi> : pieces;
}

/** A latent's label: the token on which it fires most. */
export function LatentLabel({ label }: { label: string | null }) {
  if (label === null) return <span className="label none">no label</span>;
  return (
    <span className="label">
      {label === "" ? <span className="mark">empty</span> : <VisibleText text={label} edges />}
    </span>
  );
}
