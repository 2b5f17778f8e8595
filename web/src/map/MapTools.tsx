import type { RefObject } from "react";
import { Icon } from "../components/Icon";
import { Segmented } from "../components/Segmented";
import type { Experiment, Layout } from "../data/model";
import { changeView } from "../state/useViewState";
import type { ViewState } from "../state/viewState";
import type { MapController } from "./controller";

const LAYOUT_NAMES: Readonly<Record<Layout, { label: string; title: string }>> = {
  cosine: { label: "Cosine", title: "UMAP of the decoder directions" },
  coactivation: { label: "Cosine + co-firing", title: "UMAP of directions and shared tokens" },
};

interface Props {
  experiment: Experiment;
  layout: Layout;
  view: ViewState;
  controller: RefObject<MapController | null>;
}

export function MapTools({ experiment, layout, view, controller }: Props) {
  const save = () =>
    controller.current?.picture((blob) => {
      if (blob) download(blob, `${experiment.id}_${layout}.png`);
    });
  return (
    <>
      <div className="map-tools map-card">
        {experiment.layouts.length > 1 && (
          <Segmented
            name="Layout"
            choices={experiment.layouts.map((value) => ({ value, ...LAYOUT_NAMES[value] }))}
            value={layout}
            onChange={(next) => changeView({ layout: next, camera: null })}
          />
        )}
        <Segmented
          name="Colour by"
          choices={[
            { value: "rate", label: "Firing rate" },
            { value: "label", label: "Label" },
          ]}
          value={view.colour}
          onChange={(colour) => changeView({ colour, only: [] }, "replace")}
        />
        <label className="check">
          <input
            type="checkbox"
            checked={view.silent === "faint"}
            onChange={(event) =>
              changeView({ silent: event.target.checked ? "faint" : "hidden" }, "replace")
            }
          />
          Never firing
        </label>
      </div>
      <div className="map-zoom map-card">
        <ZoomButton icon="plus" name="Zoom in" onClick={() => controller.current?.zoomBy(1.5)} />
        <ZoomButton
          icon="minus"
          name="Zoom out"
          onClick={() => controller.current?.zoomBy(1 / 1.5)}
        />
        <ZoomButton
          icon="fit"
          name="Reset the view (r)"
          onClick={() => controller.current?.reset()}
        />
        <ZoomButton icon="camera" name="Save the map as a picture" onClick={save} />
      </div>
    </>
  );
}

interface ZoomProps {
  icon: "plus" | "minus" | "fit" | "camera";
  name: string;
  onClick: () => void;
}

function ZoomButton({ icon, name, onClick }: ZoomProps) {
  return (
    <button type="button" className="icon-button" aria-label={name} title={name} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
