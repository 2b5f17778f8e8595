import { type PointerEvent, type ReactNode, useState } from "react";
import { formatShare } from "../format/numbers";
import { VisibleText } from "./VisibleText";

interface Pointed {
  readonly token: string;
  readonly activation: number;
  readonly left: number;
  readonly top: number;
}

/** Half of the widest tooltip, with a little room to the edge. */
const HALF_WIDTH = 136;

/** One tooltip for thousands of tokens: the exact activation of the firing token pointed at. */
export function TokenTooltip({ max, children }: { max: number; children: ReactNode }) {
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const over = (event: PointerEvent) => {
    const token = (event.target as Element).closest<HTMLElement>("[data-activation]");
    if (!token) {
      setPointed(null);
      return;
    }
    const box = token.getClientRects()[0];
    setPointed({
      token: token.dataset.token ?? "",
      activation: Number(token.dataset.activation),
      left: Math.min(
        window.innerWidth - HALF_WIDTH,
        Math.max(HALF_WIDTH, (box.left + box.right) / 2),
      ),
      top: box.top,
    });
  };
  return (
    <div className="tooltip-area" onPointerOver={over} onPointerLeave={() => setPointed(null)}>
      {children}
      {pointed && (
        <div className="tooltip" role="tooltip" style={{ left: pointed.left, top: pointed.top }}>
          <span className="label">
            <VisibleText text={pointed.token} edges />
          </span>
          <b>{pointed.activation}</b>
          {max > 0 && (
            <span className="quiet">{formatShare(pointed.activation / max)} of maximum</span>
          )}
        </div>
      )}
    </div>
  );
}
