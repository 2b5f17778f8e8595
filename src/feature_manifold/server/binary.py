"""The binary body: typed arrays that a browser reads without copying.

===========  ===========================================================================
bytes        content
===========  ===========================================================================
0 to 3       ``FMI1``
4 to 7       uint32, little-endian: length h of the header
8 to 8 + h   UTF-8 JSON ``{"arrays": [{"name", "dtype", "shape", "offset"}, ...]}``, and
             ``"facts"`` if there is more to say; padded with spaces so that 8 + h is a
             multiple of 8
8 + h on     the arrays, little-endian, row by row; ``offset`` counts from 8 + h and is a
             multiple of 8
===========  ===========================================================================

``dtype`` is numpy's: ``<f4``, ``<u4``, ``<i8``, ``|u1`` and so on.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError

MAGIC = b"FMI1"
MEDIA_TYPE = "application/octet-stream"
ALIGNMENT = 8
PREFIX_BYTES = 8
KINDS = "fiu"


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def encode_arrays(arrays: Mapping[str, Array], facts: Mapping[str, Any] | None = None) -> bytes:
    """Pack arrays into one binary body.

    Parameters
    ----------
    arrays
        Floats and integers of any shape, by name, in the order in which they are packed.
    facts
        JSON values that travel in the header.

    Returns
    -------
    bytes
        The body.

    Raises
    ------
    ValueError
        If an array holds anything but floats and integers.
    """
    records, parts, offset = [], [], 0
    for name, array in arrays.items():
        if array.dtype.kind not in KINDS:
            raise ValueError(f"{name}: dtype {array.dtype} cannot travel in a binary body")
        data = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        record = {"name": name, "dtype": data.dtype.str, "shape": array.shape, "offset": offset}
        records.append(record)
        parts.append(data.tobytes().ljust(_aligned(data.nbytes), b"\0"))
        offset += _aligned(data.nbytes)
    header = orjson.dumps({"arrays": records} | ({} if facts is None else {"facts": dict(facts)}))
    header = header.ljust(_aligned(len(header)), b" ")
    return b"".join((MAGIC, len(header).to_bytes(4, "little"), header, *parts))


def decode_arrays(body: bytes) -> dict[str, Array]:
    """Read a binary body; the arrays are views of it.

    Raises
    ------
    CorruptArtifactError
        If the body is cut short or of another format.
    """
    header, start = _header(body)
    try:
        records = header["arrays"]
        return {record["name"]: _view(body, start, record) for record in records}
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifactError(f"The FMI1 body is damaged: {error}") from error


def decode_facts(body: bytes) -> dict[str, Any]:
    """Read what a binary body says beside its arrays; see ``decode_arrays``."""
    facts: dict[str, Any] = _header(body)[0].get("facts", {})
    return facts


def _header(body: bytes) -> tuple[dict[str, Any], int]:
    """Return the header, and where the arrays start."""
    start = PREFIX_BYTES + int.from_bytes(body[4:8], "little")
    if body[:4] != MAGIC or start > len(body) or start % ALIGNMENT:
        raise CorruptArtifactError("The body does not start with a whole FMI1 header.")
    try:
        header = orjson.loads(body[PREFIX_BYTES:start])
    except orjson.JSONDecodeError as error:
        raise CorruptArtifactError(f"The FMI1 body is damaged: {error}") from error
    return (header if isinstance(header, dict) else {}), start


def _view(body: bytes, start: int, record: dict[str, object]) -> Array:
    dtype = np.dtype(str(record["dtype"]))
    shape, offset = record["shape"], record["offset"]
    if not isinstance(shape, list) or not isinstance(offset, int) or dtype.kind not in KINDS:
        raise ValueError(f"array record {record}")
    length = math.prod(shape)
    if length == 0:
        return np.zeros(shape, dtype)
    return np.frombuffer(body, dtype, length, start + offset).reshape(shape)
