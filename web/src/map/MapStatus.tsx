import { useMemo } from "react";
import { VisibleText } from "../components/VisibleText";
import type { LatentTable } from "../data/model";
import { formatCount } from "../format/numbers";
import { changeView } from "../state/useViewState";
import type { ViewState } from "../state/viewState";
import type { Paint } from "./paint";

interface Props {
  table: LatentTable;
  paint: Paint;
  /** What the search lights; null while there is no answer. */
  hits: ReadonlySet<number> | null;
  outside: number;
  view: ViewState;
}

/** What the map shows, in numbers. */
export function MapStatus({ table, paint, hits, outside, view }: Props) {
  const { query } = view;
  const zoom = view.camera?.zoom ?? 1;
  const silent = useMemo(() => table.totalFirings.filter((count) => count === 0).length, [table]);
  return (
    <div className="map-status" role="status">
      {query.trim() !== "" && (
        <span className="hits">
          {hits === null ? "no answer yet" : counted(hits.size)} for “
          <VisibleText text={query} />”
          <button
            type="button"
            className="link-button"
            onClick={() => changeView({ query: "" }, "replace")}
          >
            clear
          </button>
        </span>
      )}
      <span>
        {formatCount(paint.order.length)} of {formatCount(table.nLatents)} latents shown,{" "}
        {formatCount(silent)} never fire
        {outside > 0 && `, ${formatCount(outside)} outside the view`}
      </span>
      <span className="zoom">{zoom < 10 ? zoom.toFixed(1) : zoom.toFixed(0)}×</span>
    </div>
  );
}

function counted(hits: number): string {
  return `${formatCount(hits)} ${hits === 1 ? "hit" : "hits"}`;
}
