import { type KeyboardEvent, type PointerEvent, type ReactNode, useRef } from "react";
import { usePreference } from "../state/preferences";
import { Icon } from "./Icon";

interface Props {
  left: ReactNode;
  right: ReactNode;
}

const DEFAULT_WIDTH = 470;
const MIN_RIGHT = 340;
const MIN_LEFT = 360;
const KEY_STEP = 24;

function clampWidth(width: number): number {
  return Math.round(Math.max(MIN_RIGHT, Math.min(window.innerWidth - MIN_LEFT, width)));
}

/** Two panels with a handle between them; the right one can be put away. */
export function SplitView({ left, right }: Props) {
  const [stored, store] = usePreference("fmi.panelWidth");
  const [openText, storeOpen] = usePreference("fmi.panelOpen");
  const dragging = useRef(false);
  const open = openText !== "no";
  const width = clampWidth(Number(stored) || DEFAULT_WIDTH);

  const drag = (event: PointerEvent) => {
    if (dragging.current) store(String(clampWidth(window.innerWidth - event.clientX)));
  };
  const press = (event: PointerEvent<HTMLElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    dragging.current = true;
  };
  const key = (event: KeyboardEvent) => {
    const step = { ArrowLeft: KEY_STEP, ArrowRight: -KEY_STEP }[event.key];
    if (!step) return;
    event.preventDefault();
    store(String(clampWidth(width + step)));
  };
  return (
    <div className="split" style={{ "--panel-width": open ? `${width}px` : "0px" }}>
      <div className="split-left">
        {left}
        <button
          type="button"
          className="icon-button fold"
          aria-expanded={open}
          aria-label={open ? "Hide the panel" : "Show the panel"}
          title={open ? "Hide the panel" : "Show the panel"}
          onClick={() => storeOpen(open ? "no" : "yes")}
        >
          <Icon name="panel" />
        </button>
      </div>
      {open && (
        <>
          {/* biome-ignore lint/a11y/useSemanticElements: a splitter that can be moved is no rule. */}
          <div
            className="split-handle"
            role="separator"
            tabIndex={0}
            aria-orientation="vertical"
            aria-label="Width of the panel"
            aria-valuenow={width}
            aria-valuemin={MIN_RIGHT}
            aria-valuemax={clampWidth(Infinity)}
            onPointerDown={press}
            onPointerMove={drag}
            onPointerUp={() => {
              dragging.current = false;
            }}
            onKeyDown={key}
          />
          <div className="split-right">{right}</div>
        </>
      )}
    </div>
  );
}
