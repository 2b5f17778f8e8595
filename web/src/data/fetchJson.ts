import { DataError, MissingError } from "./guards";

/** GET without a hidden cache: a re-exported file must show after a reload. */
export async function fetchFile(
  address: string,
  file: string,
  options: { signal?: AbortSignal; accept?: string } = {},
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, {
      signal: options.signal,
      cache: "no-cache",
      headers: { Accept: options.accept ?? "application/json" },
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new DataError(file, "The server did not answer.", "Is it still running? Then reload.");
  }
  if (response.ok) return response;
  const message = await serverMessage(response);
  if (response.status === 404) throw new MissingError(file, message ?? undefined);
  throw new DataError(file, message ?? `The server answered ${response.status}.`);
}

export async function fetchJson(
  address: string,
  file: string,
  signal?: AbortSignal,
): Promise<unknown> {
  const response = await fetchFile(address, file, { signal });
  return parseJson(await response.text(), file);
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
