import { useState } from "react";
import type { ActivationHistogram, ActivationStats } from "../data/model";
import { formatActivation, formatCompact, formatCount } from "../format/numbers";
import { changeView } from "../state/useViewState";
import { axisTicks, axisTop, heightOf, histogramBars } from "./histogramScale";
import { Segmented } from "./Segmented";
import { useWidth } from "./useSize";

interface Props {
  histogram: ActivationHistogram;
  stats: ActivationStats | null;
  scale: "linear" | "log";
}

const HEIGHT = 132;
const PAD = { left: 38, right: 8, top: 8, bottom: 20 };

const AXIS_TEXTS = [
  { anchor: "start", at: 0 },
  { anchor: "middle", at: 0.5 },
  { anchor: "end", at: 1 },
] as const;

/** How strongly the latent fires, over all its firings. */
export function Histogram({ histogram, stats, scale }: Props) {
  const [ref, width] = useWidth<HTMLDivElement>();
  return (
    <section className="facts-block part-activations" aria-label="Histogram of activations">
      <div className="block-head">
        <h2>Activations</h2>
        <Segmented
          name="Histogram scale"
          choices={[
            { value: "linear", label: "Linear" },
            { value: "log", label: "Log" },
          ]}
          value={scale}
          onChange={(counts) => changeView({ counts }, "replace")}
        />
      </div>
      <div ref={ref} className="histogram">
        {width > 0 && <Bars histogram={histogram} stats={stats} scale={scale} width={width} />}
      </div>
    </section>
  );
}

function Bars({ histogram, stats, scale, width }: Props & { width: number }) {
  const [pointed, setPointed] = useState<number | null>(null);
  const { bins, counts } = histogram;
  const bars = histogramBars(bins, counts, scale);
  const max = Math.max(...counts);
  const top = axisTop(max, scale);
  const [low, high] = [bins[0], bins[bins.length - 1]];
  const plotWidth = width - PAD.left - PAD.right;
  const plotHeight = HEIGHT - PAD.top - PAD.bottom;
  const barWidth = plotWidth / bars.length;
  const base = PAD.top + plotHeight;
  const x = (value: number) => PAD.left + ((value - low) / (high - low || 1)) * plotWidth;
  const bar = pointed === null ? null : bars[pointed];
  return (
    <>
      <svg
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={`${formatCount(counts.reduce((a, b) => a + b, 0))} firings between ${formatActivation(low)} and ${formatActivation(high)}, ${scale} scale`}
        onPointerLeave={() => setPointed(null)}
      >
        {axisTicks(max, scale).map((tick) => {
          const y = base - heightOf(tick, top, scale) * plotHeight;
          return (
            <g key={tick} className="tick">
              <line x1={PAD.left} x2={width - PAD.right} y1={y} y2={y} />
              <text x={PAD.left - 6} y={y} dy="0.35em" textAnchor="end">
                {formatCompact(tick)}
              </text>
            </g>
          );
        })}
        {bars.map((item, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place.
          <g key={i} onPointerEnter={() => setPointed(i)}>
            <rect
              className="hit"
              x={PAD.left + i * barWidth}
              y={PAD.top}
              width={barWidth}
              height={plotHeight}
            />
            <rect
              className={i === pointed ? "bar pointed" : "bar"}
              x={PAD.left + i * barWidth + 0.5}
              y={base - item.height * plotHeight}
              width={Math.max(1, barWidth - 1)}
              height={item.height * plotHeight}
            />
          </g>
        ))}
        {stats && <Median x={x(stats.p50)} top={PAD.top} base={base} />}
        <line className="axis" x1={PAD.left} x2={width - PAD.right} y1={base} y2={base} />
        <g className="tick">
          {AXIS_TEXTS.map(({ anchor, at }) => (
            <text key={anchor} x={PAD.left + at * plotWidth} y={HEIGHT - 5} textAnchor={anchor}>
              {formatActivation(low + at * (high - low))}
            </text>
          ))}
        </g>
      </svg>
      <p className="readout" aria-live="off">
        {bar
          ? `${formatActivation(bar.from)} to ${formatActivation(bar.to)}: ${formatCount(bar.count)} firings`
          : "Firings by activation; dashed: median"}
      </p>
    </>
  );
}

function Median({ x, top, base }: { x: number; top: number; base: number }) {
  return <line className="median" x1={x} x2={x} y1={top} y2={base} />;
}
