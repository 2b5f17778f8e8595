import { QueryClientProvider, useQuery } from "@tanstack/react-query";
import { type ComponentType, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Header, type PageName } from "./components/Header";
import { Boundary, Empty, Failure, Loading } from "./components/Notice";
import { ShortcutSheet } from "./components/ShortcutSheet";
import { DataError } from "./data/guards";
import type { Experiment, LatentTable } from "./data/model";
import { openSource } from "./data/openSource";
import { createQueryClient, SourceContext, useExperiments, useLatents } from "./state/queries";
import { useShortcuts } from "./state/useShortcuts";
import { changeView, useViewState, viewHref } from "./state/useViewState";
import "./styles/index.css";

export interface PageProps {
  readonly experiment: Experiment;
  readonly table: LatentTable;
}

interface AppProps {
  name: PageName;
  page: ComponentType<PageProps>;
}

/** Mount one page of the app. */
export function start(name: PageName, page: ComponentType<PageProps>): void {
  const root = document.getElementById("root");
  if (!root) throw new Error("The page has no element with the id root.");
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={createQueryClient()}>
        <Boundary what="The page">
          <Opener name={name} page={page} />
        </Boundary>
      </QueryClientProvider>
    </StrictMode>,
  );
}

/** Server or exported files? Asked once. */
function Opener({ name, page }: AppProps) {
  const source = useQuery({
    queryKey: ["source"],
    queryFn: () => openSource(window.location.search),
  });
  if (source.data) {
    return (
      <SourceContext.Provider value={source.data}>
        <Shell name={name} page={page} />
      </SourceContext.Provider>
    );
  }
  return (
    <div className="app">
      <Header page={name} experiments={[]} experiment={null} table={null} onHelp={null} />
      <main className="page-notice">
        {source.isError ? (
          <Failure what="The data" error={source.error} onRetry={() => source.refetch()} />
        ) : (
          <Loading what="experiments" />
        )}
      </main>
    </div>
  );
}

/** The frame round both pages: header, shortcuts, and the choice of the experiment. */
function Shell({ name, page: Page }: AppProps) {
  const view = useViewState();
  const query = useExperiments();
  const [help, setHelp] = useState(false);
  useShortcuts({ "?": () => setHelp(true) });
  const experiments = query.data ?? [];
  const experiment =
    view.experiment === null
      ? (experiments[0] ?? null)
      : (experiments.find(({ id }) => id === view.experiment) ?? null);
  const frame = { name, experiments, onHelp: () => setHelp(true) };
  return (
    <>
      {experiment ? (
        <Opened key={experiment.id} experiment={experiment} page={Page} {...frame} />
      ) : (
        <div className="app">
          <Header page={name} experiment={null} table={null} {...frame} />
          <main className="page-notice">
            {query.isPending && <Loading what="experiments" />}
            {query.isError && (
              <Failure what="The experiments" error={query.error} onRetry={() => query.refetch()} />
            )}
            {query.data && <NoExperiment wanted={view.experiment} experiments={query.data} />}
          </main>
        </div>
      )}
      {help && <ShortcutSheet page={name} onClose={() => setHelp(false)} />}
    </>
  );
}

interface OpenedProps extends AppProps {
  experiment: Experiment;
  experiments: readonly Experiment[];
  onHelp: () => void;
}

function Opened({ name, page: Page, experiment, experiments, onHelp }: OpenedProps) {
  const table = useLatents(experiment);
  const problem = experiment.problem ? new DataError(experiment.id, experiment.problem) : null;
  return (
    <div className="app">
      <Header
        page={name}
        experiments={experiments}
        experiment={experiment}
        table={table.data ?? null}
        onHelp={onHelp}
      />
      {table.data ? (
        <Boundary what="The page">
          <Page experiment={experiment} table={table.data} />
        </Boundary>
      ) : (
        <main className="page-notice">
          {table.isError ? (
            <Failure
              what={experiment.id}
              error={problem ?? table.error}
              onRetry={() => table.refetch()}
            />
          ) : (
            <Loading what={`the latents of ${experiment.id}`} />
          )}
        </main>
      )}
    </div>
  );
}

interface NoExperimentProps {
  wanted: string | null;
  experiments: readonly Experiment[];
}

function NoExperiment({ wanted, experiments }: NoExperimentProps) {
  if (wanted === null || experiments.length === 0) {
    return (
      <Empty title="There is no experiment yet">
        Make one with <code>fmi demo</code>, or run your own with <code>fmi run CONFIG.yaml</code>.
      </Empty>
    );
  }
  return (
    <Empty title={`There is no experiment “${wanted}” here`}>
      <ul>
        {experiments.map(({ id }) => (
          <li key={id}>
            <a
              href={viewHref({ experiment: id, latent: null })}
              onClick={(event) => {
                event.preventDefault();
                changeView({ experiment: id, latent: null });
              }}
            >
              {id}
            </a>
          </li>
        ))}
      </ul>
    </Empty>
  );
}
