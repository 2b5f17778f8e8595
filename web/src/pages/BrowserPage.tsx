import type { PageProps } from "../App";
import { LatentPanel } from "../components/LatentPanel";
import { Empty } from "../components/Notice";
import { firstLatent } from "../state/stepLatent";
import { useViewState } from "../state/useViewState";
import { useLatentShortcuts } from "./useLatentShortcuts";
import { useTitle } from "./useTitle";

/** One latent at a time: examples, histogram, statistics, neighbours. */
export function BrowserPage({ experiment, table }: PageProps) {
  const view = useViewState();
  const id = view.latent ?? firstLatent(table);
  useTitle("Latent browser", id);
  useLatentShortcuts(table, id, view.skipSilent);
  return (
    <main className="browser">
      {id === null ? (
        <Empty title="This experiment has no latents" />
      ) : (
        <LatentPanel experiment={experiment} table={table} id={id} view={view} />
      )}
    </main>
  );
}
