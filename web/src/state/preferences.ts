import { useCallback, useSyncExternalStore } from "react";

/** Choices of this browser, not of a link: theme and panel size. Storage may be blocked. */
type Name = "fmi.theme" | "fmi.panelWidth" | "fmi.panelOpen";

const fallback = new Map<Name, string>();
const listeners = new Set<() => void>();

function readPreference(name: Name): string | null {
  try {
    return localStorage.getItem(name) ?? fallback.get(name) ?? null;
  } catch {
    return fallback.get(name) ?? null;
  }
}

function writePreference(name: Name, value: string): void {
  fallback.set(name, value);
  try {
    localStorage.setItem(name, value);
  } catch {
    // Blocked or full: the choice lasts until the page is left.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("storage", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}

export function usePreference(name: Name): [string | null, (value: string) => void] {
  const value = useSyncExternalStore(subscribe, () => readPreference(name));
  const set = useCallback((next: string) => writePreference(name, next), [name]);
  return [value, set];
}
