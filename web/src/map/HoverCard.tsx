import { ExampleText } from "../components/ExampleText";
import { CARD_WINDOW } from "../components/exampleWindow";
import { LatentLabel } from "../components/VisibleText";
import type { Experiment, LatentTable } from "../data/model";
import { formatCount, formatShare } from "../format/numbers";
import { useLatentPage, useSettled } from "../state/queries";
import type { Hover } from "./controller";

interface Props {
  experiment: Experiment;
  table: LatentTable;
  hover: Hover;
}

const PAUSE_MS = 120;
const GAP = 16;
const WIDTH = 300;

/** Who is under the pointer, with its strongest example; beside the point, never over it. */
export function HoverCard({ experiment, table, hover }: Props) {
  const still = useSettled(hover.latent, PAUSE_MS);
  const fires = table.totalFirings[hover.latent] > 0;
  const page = useLatentPage(experiment, fires && still === hover.latent ? still : null);
  const best = page.data?.id === hover.latent ? page.data.examples.top.at(0) : undefined;
  const onLeft = hover.x > WIDTH + 2 * GAP;
  const above = hover.y > 220;
  const firings = table.totalFirings[hover.latent];
  return (
    <div
      className={`hover-card${onLeft ? " on-left" : ""}${above ? " above" : ""}`}
      role="tooltip"
      style={{ left: hover.x + (onLeft ? -GAP : GAP), top: hover.y + (above ? -GAP : GAP) }}
    >
      <div className="hover-head">
        <span className="id">{hover.latent}</span>
        <LatentLabel label={table.labels[hover.latent] ?? null} />
      </div>
      <p className="quiet">
        {fires ? `${formatCount(firings)} ${firings === 1 ? "firing" : "firings"}` : "never fires"}
        {fires && table.nTokens ? `, ${formatShare(firings / table.nTokens)} of tokens` : ""}
      </p>
      {best && <ExampleText example={best} max={best.maxActivation} size={CARD_WINDOW} />}
    </div>
  );
}
