import { DataError, MissingError } from "./guards";

const RELOAD = "Is it still running? Then reload.";

/** `fetch` without a hidden cache (a re-exported file must show after a reload); says who is silent. */
export async function ask(
  address: string,
  file: string,
  options: RequestInit = {},
): Promise<Response> {
  try {
    return await fetch(address, { cache: "no-cache", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new DataError(file, "The server did not answer.", RELOAD);
  }
}

/** GET a file that has to be there. */
export async function fetchFile(
  address: string,
  file: string,
  options: { signal?: AbortSignal; accept?: string } = {},
): Promise<Response> {
  const headers = { Accept: options.accept ?? "application/json" };
  const response = await ask(address, file, { signal: options.signal, headers });
  if (response.ok) return response;
  throw await failure(response, file);
}

/** What a status that is no success means. */
export async function failure(response: Response, file: string): Promise<DataError> {
  const message = await serverMessage(response);
  if (response.status === 404) return new MissingError(file, message ?? undefined);
  if (message !== null) return new DataError(file, message);
  const remedy = response.status >= 500 ? "Its log, or its terminal, says why." : null;
  return new DataError(file, `The server answered ${response.status}.`, remedy);
}

/** The body of an answer; a connection that breaks half-way is an error of this file. */
export async function readWhole<T>(
  body: Promise<T>,
  file: string,
  signal?: AbortSignal,
): Promise<T> {
  try {
    return await body;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new DataError(file, "The answer was cut short.", RELOAD);
  }
}

export async function fetchJson(
  address: string,
  file: string,
  signal?: AbortSignal,
): Promise<unknown> {
  const response = await fetchFile(address, file, { signal });
  return parseJson(await readWhole(response.text(), file, signal), file);
}

export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new DataError(file, `This file is not valid JSON (${detail}).`);
  }
}

/** The `{"error": {"message"}}` that the API sends with a failure, if this is one. */
async function serverMessage(response: Response): Promise<string | null> {
  if (!isJson(response)) return null;
  try {
    const body: unknown = await response.json();
    const error = (body as { error?: { message?: unknown } } | null)?.error;
    return typeof error?.message === "string" ? error.message : null;
  } catch {
    // The body is cut short; the status line already says that the request failed.
    return null;
  }
}

export function isJson(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").includes("application/json");
}
