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

/** Where everything lies, in pixels. */
function layOut(histogram: ActivationHistogram, width: number) {
  const { bins, counts } = histogram;
  const [low, high] = [bins[0], bins[bins.length - 1]];
  const plotWidth = width - PAD.left - PAD.right;
  const plotHeight = HEIGHT - PAD.top - PAD.bottom;
  return {
    low,
    high,
    plotWidth,
    plotHeight,
    right: width - PAD.right,
    base: PAD.top + plotHeight,
    barWidth: plotWidth / counts.length,
    x: (value: number) => PAD.left + ((value - low) / (high - low || 1)) * plotWidth,
  };
}

function Bars({ histogram, stats, scale, width }: Props & { width: number }) {
  const [pointed, setPointed] = useState<number | null>(null);
  const bars = histogramBars(histogram.bins, histogram.counts, scale);
  const { low, high, plotHeight, barWidth, base, x } = layOut(histogram, width);
  const total = histogram.counts.reduce((sum, count) => sum + count, 0);
  const bar = pointed === null ? null : bars[pointed];
  return (
    <>
      <svg
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={`${formatCount(total)} firings between ${formatActivation(low)} and ${formatActivation(high)}, ${scale} scale`}
        onPointerLeave={() => setPointed(null)}
      >
        <Axes histogram={histogram} scale={scale} width={width} />
        {bars.map((item, i) => {
          const left = PAD.left + i * barWidth;
          const height = item.height * plotHeight;
          const name = i === pointed ? "bar pointed" : "bar";
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place.
            <g key={i} onPointerEnter={() => setPointed(i)}>
              <rect className="hit" x={left} y={PAD.top} width={barWidth} height={plotHeight} />
              <rect
                className={name}
                x={left + 0.5}
                y={base - height}
                width={Math.max(1, barWidth - 1)}
                height={height}
              />
            </g>
          );
        })}
        {stats && (
          <line className="median" x1={x(stats.p50)} x2={x(stats.p50)} y1={PAD.top} y2={base} />
        )}
      </svg>
      <p className="readout">
        {bar
          ? `${formatActivation(bar.from)} to ${formatActivation(bar.to)}: ${formatCount(bar.count)} firings`
          : "Firings by activation; dashed: median"}
      </p>
    </>
  );
}

type AxesProps = Pick<Props, "histogram" | "scale"> & { width: number };

function Axes({ histogram, scale, width }: AxesProps) {
  const { low, high, plotWidth, plotHeight, right, base } = layOut(histogram, width);
  const max = Math.max(...histogram.counts);
  const top = axisTop(max, scale);
  return (
    <g className="tick">
      {axisTicks(max, scale).map((tick) => {
        const y = base - heightOf(tick, top, scale) * plotHeight;
        return (
          <g key={tick}>
            <line x1={PAD.left} x2={right} y1={y} y2={y} />
            <text x={PAD.left - 6} y={y} dy="0.35em" textAnchor="end">
              {formatCompact(tick)}
            </text>
          </g>
        );
      })}
      <line className="axis" x1={PAD.left} x2={right} y1={base} y2={base} />
      {AXIS_TEXTS.map(({ anchor, at }) => (
        <text key={anchor} x={PAD.left + at * plotWidth} y={HEIGHT - 5} textAnchor={anchor}>
          {formatActivation(low + at * (high - low))}
        </text>
      ))}
    </g>
  );
}
