import { useCallback, useLayoutEffect, useSyncExternalStore } from "react";
import { usePreference } from "./preferences";

export type Theme = "light" | "dark";

const system = window.matchMedia("(prefers-color-scheme: dark)");

function subscribe(listener: () => void): () => void {
  system.addEventListener("change", listener);
  return () => system.removeEventListener("change", listener);
}

/** The theme in force: the remembered choice, else the system's. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const [chosen, choose] = usePreference("fmi.theme");
  const systemDark = useSyncExternalStore(subscribe, () => system.matches);
  const known = chosen === "light" || chosen === "dark" ? chosen : null;
  const theme = known ?? (systemDark ? "dark" : "light");
  useLayoutEffect(() => {
    if (known) document.documentElement.dataset.theme = known;
  }, [known]);
  const set = useCallback((next: Theme) => choose(next), [choose]);
  return [theme, set];
}
