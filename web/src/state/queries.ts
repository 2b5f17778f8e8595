import { QueryClient, skipToken, useQuery } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState } from "react";
import type { DataSource } from "../data/dataSource";
import { MissingError } from "../data/guards";
import type { EdgeKind, Experiment, Layout } from "../data/model";

export const SourceContext = createContext<DataSource | null>(null);

export function useSource(): DataSource {
  const source = useContext(SourceContext);
  if (!source) throw new Error("useSource is called outside of SourceContext.");
  return source;
}

/**
 * Answers never go stale by themselves: an experiment's artifacts do not change under a page.
 * "always": a laptop without a network still reaches its own server.
 */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        networkMode: "always",
        staleTime: Infinity,
        gcTime: 600_000,
        retry: false,
        refetchOnWindowFocus: false,
      },
    },
  });
}

/** Keys carry everything that affects an answer, so a late one can never show in a wrong place. */
export function useExperiments() {
  const source = useSource();
  return useQuery({
    queryKey: ["experiments"],
    queryFn: ({ signal }) => source.experiments(signal),
  });
}

export function useLatents(experiment: Experiment) {
  const source = useSource();
  return useQuery({
    queryKey: ["latents", experiment.id],
    queryFn: ({ signal }) => source.latents(experiment.id, signal),
    structuralSharing: false,
  });
}

export function usePositions(experiment: Experiment, layout: Layout | null) {
  const source = useSource();
  return useQuery({
    queryKey: ["positions", experiment.id, layout],
    queryFn: layout ? ({ signal }) => source.positions(experiment.id, layout, signal) : skipToken,
    structuralSharing: false,
  });
}

export function useLatentPage(experiment: Experiment, id: number | null) {
  const source = useSource();
  return useQuery({
    queryKey: ["latent", experiment.id, id],
    queryFn: id === null ? skipToken : ({ signal }) => source.latent(experiment.id, id, signal),
    retry: (failures, error) => failures < 1 && !(error instanceof MissingError),
  });
}

export function useNeighbours(experiment: Experiment, id: number | null, kind: EdgeKind | null) {
  const source = useSource();
  return useQuery({
    queryKey: ["neighbours", experiment.id, id, kind],
    queryFn:
      id === null || kind === null
        ? skipToken
        : ({ signal }) => source.neighbours(experiment.id, id, kind, signal),
  });
}

export function useTokenSearch(experiment: Experiment, text: string) {
  const source = useSource();
  return useQuery({
    queryKey: ["search", experiment.id, text],
    queryFn:
      text.trim() === "" ? skipToken : ({ signal }) => source.search(experiment.id, text, signal),
  });
}

/** `value`, once it has kept still for `delay` milliseconds. */
export function useSettled<T>(value: T, delay: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delay);
    return () => clearTimeout(timer);
  }, [value, delay]);
  return settled;
}
