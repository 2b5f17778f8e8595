import { parseJson } from "./fetchJson";
import { asArray, asCount, asRecord, asString, DataError } from "./guards";

const MAGIC = "FMI1";
const FLOAT32 = "<f4";
const ITEM_BYTES = 4;

/**
 * Read one float32 array from the API's binary body, without a copy:
 * "FMI1", uint32 header length, JSON header padded to a multiple of 8, then the arrays.
 */
export function readFloat32(
  file: string,
  body: ArrayBuffer,
  name: string,
): { values: Float32Array; shape: readonly number[] } {
  const { header, dataStart } = readHeader(file, body);
  const rows = asArray(file, "arrays", header.arrays).map((v, i) =>
    asRecord(file, `arrays[${i}]`, v),
  );
  const entry = rows.find((row) => row.name === name);
  if (!entry) throw new DataError(file, `The binary body has no array "${name}".`);
  const dtype = asString(file, `${name}.dtype`, entry.dtype);
  if (dtype !== FLOAT32) throw new DataError(file, `${name} has the unexpected type ${dtype}.`);
  const shape = asArray(file, `${name}.shape`, entry.shape).map((v) => asCount(file, "shape", v));
  const length = shape.reduce((a, b) => a * b, 1);
  const offset = dataStart + asCount(file, `${name}.offset`, entry.offset);
  if (offset % ITEM_BYTES !== 0 || offset + ITEM_BYTES * length > body.byteLength) {
    throw new DataError(file, `The binary body is cut short at the array "${name}".`);
  }
  return { values: new Float32Array(body, offset, length), shape };
}

function readHeader(file: string, body: ArrayBuffer) {
  const bytes = new Uint8Array(body);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic !== MAGIC || bytes.length < 8) {
    throw new DataError(file, "The binary body does not start with FMI1.");
  }
  const length = new DataView(body).getUint32(4, true);
  const dataStart = 8 + length;
  if (dataStart > bytes.length) throw new DataError(file, "The binary header is cut short.");
  const text = new TextDecoder().decode(bytes.subarray(8, dataStart));
  return { header: asRecord(file, "The header", parseJson(text, file)), dataStart };
}
