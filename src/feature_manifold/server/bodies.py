"""Long answers: JSON or the binary body, whichever the client asks for, with a validator."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from fastapi import Request
from starlette.responses import Response

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.server.binary import MEDIA_TYPE, encode_arrays

JSON = "application/json"
BINARY_ANSWER: dict[str, Any] = {
    "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
}
"""Documents, in ``responses``, that a route also sends the binary body."""


def wants_binary(request: Request) -> bool:
    """Return whether the Accept header names the binary body and does not like JSON better."""
    liking = _liking(request.headers.get("accept", ""))
    binary = liking.get(MEDIA_TYPE, 0.0)
    return binary > 0 and binary >= liking.get(JSON, 0.0)


def _liking(accept: str) -> dict[str, float]:
    liking = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        try:
            liking[name] = float(quality)
        except ValueError:
            liking[name] = 0.0
    return liking


def json_body(values: Mapping[str, Any]) -> Response:
    """Send a JSON object that no browser keeps; numpy arrays in it become JSON arrays."""
    return Response(
        orjson.dumps(values, default=_packed, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON
    )


def _packed(value: object) -> Array:
    """Lay out an array as orjson needs it."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value)
    raise TypeError


def binary_body(arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Response:
    """Send arrays and facts as one binary body that no browser keeps."""
    return Response(encode_arrays(arrays, facts), media_type=MEDIA_TYPE)


def json_answer(request: Request, digest: str, make: Callable[[], dict[str, Any]]) -> Response:
    """Send a JSON object; numpy arrays in it become JSON arrays.

    Parameters
    ----------
    digest
        Names the content: a browser that has it already is told so, and ``make`` is not called.
    """
    return _answer(
        request,
        f"{digest}-json",
        lambda: orjson.dumps(make(), option=orjson.OPT_SERIALIZE_NUMPY),
        media_type=JSON,
    )


def binary_answer(
    request: Request, digest: str, make: Callable[[], Mapping[str, Array]]
) -> Response:
    """Send arrays as one binary body; see ``json_answer``."""
    return _answer(
        request, f"{digest}-binary", lambda: encode_arrays(make()), media_type=MEDIA_TYPE
    )


def _answer(request: Request, name: str, make: Callable[[], bytes], *, media_type: str) -> Response:
    # The browser may keep the answer but must ask: a re-run experiment has another tag.
    headers = {"ETag": f'W/"{name}"', "Cache-Control": "no-cache", "Vary": "Accept"}
    known = (tag.strip() for tag in request.headers.get("if-none-match", "").split(","))
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    return Response(make(), headers=headers, media_type=media_type)


def finite(name: str, array: Array) -> Array:
    """Return the array: JSON would turn NaN into null, so that a bad value would look missing.

    Raises
    ------
    CorruptArtifactError
        If a value is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise CorruptArtifactError(
            f"{name} holds {bad.size:,} values that are not finite, first at {int(bad[0])}. "
            "Make it again with: fmi run CONFIG.yaml --force"
        )
    return array
