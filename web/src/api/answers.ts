import type { components, paths } from "./schema.gen";

/**
 * The API's shapes, as its OpenAPI document states them. Names of routes, parameters and keys are
 * checked when the app is compiled; values are checked when they arrive (`data/guards.ts`).
 */
export type Schemas = components["schemas"];

/** The keys of an answer, none of which has been checked yet. */
export type Unread<T> = { readonly [K in keyof T]?: unknown };

type Parameters<P extends keyof paths> = paths[P] extends { get: { parameters: infer Q } }
  ? Q
  : never;
type Part<T, K extends "query" | "path"> = T extends { [key in K]?: infer V }
  ? NonNullable<V>
  : never;

/** The address of a GET route below `base`. */
export function address<P extends keyof paths>(
  base: string,
  route: P,
  query: Part<Parameters<P>, "query"> = {} as Part<Parameters<P>, "query">,
  path?: Part<Parameters<P>, "path">,
): string {
  const filled = route.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String((path as Record<string, unknown> | undefined)?.[name])),
  );
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) params.set(name, String(value));
  const text = params.toString();
  return `${base}${filled}${text ? `?${text}` : ""}`;
}
