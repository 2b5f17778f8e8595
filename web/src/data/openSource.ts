import type { DataSource } from "./dataSource";
import { ask, failure, isJson } from "./fetchJson";
import { HttpSource } from "./httpSource";
import { StaticSource } from "./staticSource";

/**
 * A server that answers `./api/experiments` with JSON is used; a plain file server answers 404 with
 * a page of HTML, and its exported files are read instead. `?data=` always means files.
 */
export async function openSource(search: string): Promise<DataSource> {
  const folder = new URLSearchParams(search).get("data");
  if (folder !== null) return new StaticSource(folder);
  const file = "/api/experiments";
  const probe = await ask(`.${file}`, file, { headers: { Accept: "application/json" } });
  if (isJson(probe)) return new HttpSource();
  // A broken server or the proxy before it, and no sign of files.
  if (probe.status >= 500) throw await failure(probe, file);
  return new StaticSource();
}
