import { useEffect, useRef } from "react";
import type { PageName } from "./Header";
import { Icon } from "./Icon";

interface Props {
  page: PageName;
  onClose: () => void;
}

const EVERYWHERE: readonly (readonly [keys: string, meaning: string])[] = [
  ["← →", "Previous and next latent"],
  ["g", "Jump to a latent by its id"],
  ["/", "Search by token or id"],
  ["Esc", "Leave a box, close a list"],
  ["?", "This sheet"],
];

const ON_THE_MAP: readonly (readonly [keys: string, meaning: string])[] = [
  ["r", "Reset the view"],
  ["+ −", "Zoom in and out"],
  ["← → ↑ ↓", "Pan, while the map has the focus"],
  ["Enter", "Select the latent nearest to the centre, while the map has the focus"],
];

export function ShortcutSheet({ page, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const rows = page === "explorer" ? [...EVERYWHERE, ...ON_THE_MAP] : EVERYWHERE;
  return (
    <dialog ref={dialog} className="sheet" aria-labelledby="sheet-title" onClose={onClose}>
      <header>
        <h2 id="sheet-title">Keyboard shortcuts</h2>
        <button
          type="button"
          className="icon-button"
          aria-label="Close"
          onClick={() => dialog.current?.close()}
        >
          <Icon name="close" />
        </button>
      </header>
      <dl>
        {rows.map(([keys, meaning]) => (
          <div key={meaning}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </dialog>
  );
}
