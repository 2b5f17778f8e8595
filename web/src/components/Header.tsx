import { useState } from "react";
import type { Experiment, LatentTable } from "../data/model";
import { useTheme } from "../state/useTheme";
import { changeView, useViewState, viewHref } from "../state/useViewState";
import { Icon } from "./Icon";
import { SearchBox } from "./SearchBox";

export type PageName = "browser" | "explorer";

const PAGES: readonly { name: PageName; file: string; title: string }[] = [
  { name: "browser", file: "index.html", title: "Browser" },
  { name: "explorer", file: "umap.html", title: "Map" },
];

interface Props {
  page: PageName;
  experiments: readonly Experiment[];
  experiment: Experiment | null;
  table: LatentTable | null;
  /** Null while there is no page to help with. */
  onHelp: (() => void) | null;
}

export function Header({ page, experiments, experiment, table, onHelp }: Props) {
  useViewState();
  return (
    <header className="site-header">
      <a className="brand" href={viewHref({}, "index.html")}>
        <img src="./favicon.svg" alt="" width="22" height="22" />
        <span>Feature Manifold Interface</span>
      </a>
      <nav aria-label="Pages">
        {PAGES.map(({ name, file, title }) => (
          <a key={name} href={viewHref({}, file)} aria-current={name === page ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      {experiment && <ExperimentSwitch experiments={experiments} experiment={experiment} />}
      <div className="spring" />
      {experiment && table && <SearchBox experiment={experiment} table={table} />}
      <CopyLink />
      {onHelp && (
        <button
          type="button"
          className="icon-button"
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
          onClick={onHelp}
        >
          ?
        </button>
      )}
      <ThemeToggle />
    </header>
  );
}

interface SwitchProps {
  experiments: readonly Experiment[];
  experiment: Experiment;
}

function ExperimentSwitch({ experiments, experiment }: SwitchProps) {
  return (
    <label className="experiment-switch">
      <span className="visually-hidden">Experiment</span>
      <select
        value={experiment.id}
        title={describe(experiment)}
        onChange={(event) =>
          // Ids, labels and places of one experiment mean nothing in another.
          changeView({
            experiment: event.target.value,
            latent: null,
            camera: null,
            layout: null,
            only: [],
          })
        }
      >
        {experiments.map(({ id }) => (
          <option key={id} value={id}>
            {id}
          </option>
        ))}
      </select>
    </label>
  );
}

function describe(experiment: Experiment): string {
  const parts = [
    experiment.model,
    experiment.layer === null ? null : `layer ${experiment.layer}`,
    experiment.saeWidth && `SAE width ${experiment.saeWidth}`,
    experiment.saeL0 && `L0 ${experiment.saeL0}`,
  ];
  return parts.filter(Boolean).join(", ") || experiment.id;
}

function ThemeToggle() {
  const [theme, setTheme] = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Switch to the ${other} theme`}
      title={`Switch to the ${other} theme`}
      onClick={() => setTheme(other)}
    >
      <Icon name={theme === "dark" ? "sun" : "moon"} />
    </button>
  );
}

function CopyLink() {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(window.location.href);
      setSaid("Link copied");
    } catch {
      // No clipboard without https or localhost: the address bar has the link.
      setSaid("Copy the address bar");
    }
    setTimeout(() => setSaid(""), 2500);
  };
  return (
    <span className="copy-link">
      <button
        type="button"
        className="icon-button"
        aria-label="Copy a link to this view"
        title="Copy a link to this view"
        onClick={copy}
      >
        <Icon name="link" />
      </button>
      <span className="said" role="status">
        {said}
      </span>
    </span>
  );
}
