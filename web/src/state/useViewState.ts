import { useSyncExternalStore } from "react";
import { formatViewState, parseViewState, type ViewState } from "./viewState";

type Change = Partial<ViewState>;

const listeners = new Set<() => void>();
let current: { readonly search: string; readonly state: ViewState } | null = null;

function read(): ViewState {
  const search = window.location.search;
  if (current?.search !== search) {
    current = { search, state: parseViewState(new URLSearchParams(search)) };
  }
  return current.state;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

/** The address of `page` (or of this one) with `change` applied. */
export function viewHref(change: Change, page = ""): string {
  const params = formatViewState({ ...read(), ...change }, new URLSearchParams(location.search));
  // Commas and slashes are legal in a query and far easier to read.
  const query = params.toString().replaceAll("%2C", ",").replaceAll("%2F", "/");
  return `${page || window.location.pathname}${query ? `?${query}` : ""}`;
}

/** Change the view. "push" makes a step that the back button undoes. */
export function changeView(change: Change, step: "push" | "replace" = "push"): void {
  const href = viewHref(change);
  const before = `${window.location.pathname}${window.location.search}`;
  if (href === before) return;
  if (step === "push") window.history.pushState(null, "", href);
  else window.history.replaceState(null, "", href);
  for (const listener of listeners) listener();
}

export function useViewState(): ViewState {
  return useSyncExternalStore(subscribe, read);
}
