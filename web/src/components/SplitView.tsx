import { type KeyboardEvent, type PointerEvent, type ReactNode, useRef } from "react";
import { usePreference } from "../state/preferences";
import { Icon } from "./Icon";
import { useWindowWidth } from "./useSize";

interface Props {
  left: ReactNode;
  right: ReactNode;
}

const DEFAULT_WIDTH = 470;
const MIN_RIGHT = 340;
const MIN_LEFT = 360;
const KEY_STEP = 24;

function clampWidth(width: number, available: number): number {
  return Math.round(Math.max(MIN_RIGHT, Math.min(available - MIN_LEFT, width)));
}

/** Two panels with a handle between them; the right one can be put away. */
export function SplitView({ left, right }: Props) {
  const [stored, store] = usePreference("fmi.panelWidth");
  const [openText, storeOpen] = usePreference("fmi.panelOpen");
  const open = openText !== "no";
  const available = useWindowWidth();
  const widest = clampWidth(Infinity, available);
  const width = clampWidth(Number(stored) || DEFAULT_WIDTH, available);
  const name = open ? "Hide the panel" : "Show the panel";
  return (
    <div className="split" style={{ "--panel-width": open ? `${width}px` : "0px" }}>
      <div className="split-left">
        {left}
        <button
          type="button"
          className="icon-button fold"
          aria-expanded={open}
          aria-label={name}
          title={name}
          onClick={() => storeOpen(open ? "no" : "yes")}
        >
          <Icon name="panel" />
        </button>
      </div>
      {open && (
        <Handle
          width={width}
          widest={widest}
          onChange={(next) => store(String(clampWidth(next, available)))}
        />
      )}
      {open && <div className="split-right">{right}</div>}
    </div>
  );
}

interface HandleProps {
  width: number;
  widest: number;
  onChange: (width: number) => void;
}

/** Moved with the pointer or with the arrow keys. */
function Handle({ width, widest, onChange }: HandleProps) {
  const dragging = useRef(false);
  const press = (event: PointerEvent<HTMLElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    dragging.current = true;
  };
  const drag = (event: PointerEvent) => {
    if (dragging.current) onChange(window.innerWidth - event.clientX);
  };
  const key = (event: KeyboardEvent) => {
    const step = { ArrowLeft: KEY_STEP, ArrowRight: -KEY_STEP }[event.key];
    if (!step) return;
    event.preventDefault();
    onChange(width + step);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a splitter that can be moved is no rule.
    <div
      className="split-handle"
      role="separator"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label="Width of the panel"
      aria-valuenow={width}
      aria-valuemin={MIN_RIGHT}
      aria-valuemax={widest}
      onPointerDown={press}
      onPointerMove={drag}
      onPointerUp={() => {
        dragging.current = false;
      }}
      onKeyDown={key}
    />
  );
}
