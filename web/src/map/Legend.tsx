import { useMemo } from "react";
import { VisibleText } from "../components/VisibleText";
import type { LatentTable } from "../data/model";
import { formatCompact, formatCount, formatShare } from "../format/numbers";
import type { Theme } from "../state/useTheme";
import { changeView } from "../state/useViewState";
import type { ViewState } from "../state/viewState";
import { commonLabels, firingRange, type LabelClass } from "./paint";
import { css, labelColour, OTHER, rateColour } from "./palette";

interface Props {
  table: LatentTable;
  view: ViewState;
  theme: Theme;
}

export function Legend(props: Props) {
  return (
    <section className="legend map-card" aria-label="Legend">
      {props.view.colour === "label" ? <LabelLegend {...props} /> : <RateLegend {...props} />}
    </section>
  );
}

const STOPS = Array.from({ length: 24 }, (_, i) => i / 23);

function RateLegend({ table, theme }: Props) {
  const range = useMemo(() => firingRange(table), [table]);
  if (!range) return <p className="quiet">No latent fires.</p>;
  const text = (count: number) =>
    table.nTokens ? formatShare(count / table.nTokens) : formatCompact(count);
  return (
    <>
      <h2>{table.nTokens ? "Firing rate (log)" : "Firings (log)"}</h2>
      <div className="ramp" aria-hidden="true">
        {STOPS.map((stop) => (
          <span key={stop} style={{ backgroundColor: css(rateColour(theme, stop)) }} />
        ))}
      </div>
      <div className="ramp-ends">
        <span>{text(range.min)}</span>
        <span>{text(range.max)}</span>
      </div>
    </>
  );
}

function LabelLegend({ table, view, theme }: Props) {
  const classes = useMemo(() => commonLabels(table), [table]);
  const toggle = (label: string) => {
    const only = view.only.includes(label)
      ? view.only.filter((item) => item !== label)
      : [...view.only, label];
    changeView({ only }, "replace");
  };
  // A narrowed label may come from a link and be none of the common ones.
  const extra: LabelClass[] = view.only
    .filter((label) => !classes.some((item) => item.label === label))
    .map((label) => ({ label, count: table.labels.filter((item) => item === label).length }));
  return (
    <>
      <div className="legend-head">
        <h2>Label</h2>
        {view.only.length > 0 && (
          <button
            type="button"
            className="link-button"
            onClick={() => changeView({ only: [] }, "replace")}
          >
            show all
          </button>
        )}
      </div>
      <ul>
        {[...classes, ...extra].map(({ label, count }, rank) => (
          <li key={label}>
            <button
              type="button"
              aria-pressed={view.only.includes(label)}
              title="Show only latents with this label"
              onClick={() => toggle(label)}
            >
              <Swatch colour={css(labelColour(theme, rank))} />
              <span className="label">
                <VisibleText text={label} edges />
              </span>
              <span className="quiet">{formatCount(count)}</span>
            </button>
          </li>
        ))}
        <li className="other">
          <Swatch colour={css(OTHER[theme])} /> other labels
        </li>
      </ul>
    </>
  );
}

function Swatch({ colour }: { colour: string }) {
  return <span className="swatch" style={{ backgroundColor: colour }} aria-hidden="true" />;
}
