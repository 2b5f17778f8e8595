import type { DataSource } from "./dataSource";
import { isJson } from "./fetchJson";
import { HttpSource } from "./httpSource";
import { StaticSource } from "./staticSource";

/**
 * A server that answers `./api/experiments` with JSON is used; a plain file server answers 404 with
 * a page of HTML, and its exported files are read instead. `?data=` always means files.
 */
export async function openSource(search: string): Promise<DataSource> {
  const folder = new URLSearchParams(search).get("data");
  if (folder !== null) return new StaticSource(folder);
  const probe = await fetch("./api/experiments", {
    cache: "no-cache",
    headers: { Accept: "application/json" },
  });
  return isJson(probe) ? new HttpSource() : new StaticSource();
}
