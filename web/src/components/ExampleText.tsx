import { Fragment, useMemo, useState } from "react";
import type { Example } from "../data/model";
import { formatCount } from "../format/numbers";
import { gapsBefore } from "../text/alignTokens";
import { WINDOW, windowAround } from "./exampleWindow";
import { VisibleText } from "./VisibleText";

interface Props {
  example: Example;
  /** The latent's largest activation: a full highlight. */
  max: number;
  /** Show so many tokens and no way to more; without it, long examples open on demand. */
  size?: number;
}

/** The tokens of one example, each firing token shaded by its activation. */
export function ExampleText({ example, max, size }: Props) {
  const [whole, setWhole] = useState(false);
  const { tokens, activations, context } = example;
  const gaps = useMemo(() => gapsBefore(context, tokens), [context, tokens]);
  const { start, stop, peak } = windowAround(activations, whole ? Infinity : (size ?? WINDOW));
  const cut = tokens.length - (stop - start);
  return (
    <p className="example-text">
      {start > 0 && <span className="cut">… </span>}
      {tokens.slice(start, stop).map((token, k) => {
        const i = start + k;
        return (
          <Fragment key={i}>
            {k > 0 && <Gap text={gaps[i]} />}
            <Token
              text={token}
              activation={activations[i]}
              max={max}
              isPeak={i === peak}
              isFirst={k === 0}
            />
          </Fragment>
        );
      })}
      {stop < tokens.length && <span className="cut"> …</span>}
      {size === undefined && (cut > 0 || whole) && (
        <button type="button" className="link-button" onClick={() => setWhole(!whole)}>
          {whole ? "show less" : `show all ${formatCount(tokens.length)} tokens`}
        </button>
      )}
    </p>
  );
}

/** What stands between two tokens: spaces as they are, line ends and tabs as marks. */
function Gap({ text }: { text: string }) {
  return /^ *$/.test(text) ? text : <VisibleText text={text} />;
}

interface TokenProps {
  text: string;
  activation: number;
  max: number;
  isPeak: boolean;
  isFirst: boolean;
}

function Token({ text, activation, max, isPeak, isFirst }: TokenProps) {
  // The space that leads a word separates it: shaded, it would dangle at the end of a broken line.
  const [space, word] = /^ (?=\S)/.test(text) ? [" ", text.slice(1)] : ["", text];
  const gap = isFirst ? "" : space;
  if (activation <= 0) return <VisibleText text={gap + word} />;
  const share = max > 0 ? Math.min(1, activation / max) : 0;
  const shaded = (
    <span
      className={isPeak ? "fires peak" : "fires"}
      style={{ "--a": share.toFixed(3) }}
      data-activation={activation}
      data-token={text}
    >
      {text === "" ? <span className="mark">empty</span> : <VisibleText text={word} />}
    </span>
  );
  return (
    <>
      {gap}
      {shaded}
    </>
  );
}
