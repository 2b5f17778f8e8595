import type { Unread } from "../api/answers";

/** Checks on JSON that others wrote. Each throws a `DataError` that names the file and the place. */

export class DataError extends Error {
  /** The file or address that could not be used. */
  readonly file: string;
  /** What the reader can do next, when there is something. */
  readonly remedy: string | null;

  constructor(file: string, message: string, remedy: string | null = null) {
    super(message);
    this.name = "DataError";
    this.file = file;
    this.remedy = remedy;
  }
}

/** The file or address does not exist (HTTP 404). */
export class MissingError extends DataError {
  constructor(file: string, message = "This file does not exist.", remedy: string | null = null) {
    super(file, message, remedy);
    this.name = "MissingError";
  }
}

export type JsonRecord = Readonly<Record<string, unknown>>;

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 40))}`;
  return typeof value === "object" ? "an object" : `${typeof value} ${String(value)}`;
}

function wrong(file: string, place: string, expected: string, value: unknown): DataError {
  return new DataError(file, `${place} should be ${expected}, but is ${describe(value)}.`);
}

export function asRecord(file: string, place: string, value: unknown): JsonRecord {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(file, place, "an object", value);
  }
  return value as JsonRecord;
}

/** The same for a body of the API: its keys are those of the schema. */
export function asBody<T>(file: string, place: string, value: unknown): Unread<T> {
  return asRecord(file, place, value) as Unread<T>;
}

export function asArray(file: string, place: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(file, place, "an array", value);
  return value;
}

export function asString(file: string, place: string, value: unknown): string {
  if (typeof value !== "string") throw wrong(file, place, "text", value);
  return value;
}

export function asNumber(file: string, place: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw wrong(file, place, "a finite number", value);
  }
  return value;
}

export function asCount(file: string, place: string, value: unknown): number {
  const number = asNumber(file, place, value);
  if (!Number.isInteger(number) || number < 0) {
    throw wrong(file, place, "a whole number, 0 or more", value);
  }
  return number;
}

export function optional<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === undefined || value === null ? null : read(value);
}

export function asNumbers(file: string, place: string, value: unknown): readonly number[] {
  return asArray(file, place, value).map((item, i) => asNumber(file, `${place}[${i}]`, item));
}

export function asStrings(file: string, place: string, value: unknown): readonly string[] {
  return asArray(file, place, value).map((item, i) => asString(file, `${place}[${i}]`, item));
}
