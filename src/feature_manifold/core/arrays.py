"""Array types, and the checks that every reader of foreign arrays shares."""

from typing import Any

import numpy as np
import numpy.typing as npt

from feature_manifold.core.errors import CorruptArtifactError

Array = npt.NDArray[Any]
Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

FLOAT16_MAX = 65504.0
"""Largest finite float16: above it an activation would turn into infinity."""


BITS: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.float16): np.dtype(np.uint16),
    np.dtype(np.float32): np.dtype(np.uint32),
}
"""Unsigned numbers of the size of an activation: those of positive floats rise with their value."""


def infinity_bits(dtype: npt.DTypeLike) -> int:
    """Return the bits of infinity: those of finite positive numbers lie below, and above 0."""
    return int(np.array(np.inf, dtype=dtype).view(BITS[np.dtype(dtype)]))


def check_array(
    name: str, array: Array, *, dtypes: tuple[npt.DTypeLike, ...], shape: tuple[int | None, ...]
) -> None:
    """Check dtype and shape of an array that came from a file.

    Parameters
    ----------
    name
        How the array is called in the error, for instance its file.
    array
        Any array.
    dtypes
        Accepted dtypes, as numpy strings.
    shape
        Expected shape; None accepts any length along that axis.

    Raises
    ------
    CorruptArtifactError
        If either differs.
    """
    accepted = [np.dtype(dtype) for dtype in dtypes]
    if array.dtype not in accepted:
        raise CorruptArtifactError(
            f"{name}: dtype {array.dtype}, expected {' or '.join(map(str, accepted))}. "
            "The file is foreign or damaged; make it again."
        )
    fits = array.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = "(" + ", ".join("n" if size is None else str(size) for size in shape) + ")"
        raise CorruptArtifactError(
            f"{name}: shape {array.shape}, expected {wanted}. "
            "The file is foreign or damaged; make it again."
        )


def check_indptr(name: str, indptr: Array, *, n_entries: int) -> None:
    """Check that ``indptr`` (n + 1,) starts at 0, never falls, and ends at ``n_entries``.

    Raises
    ------
    CorruptArtifactError
        Naming the first row that is wrong.
    """
    if indptr.ndim != 1 or indptr.size == 0 or indptr[0] != 0 or indptr[-1] != n_entries:
        raise CorruptArtifactError(
            f"{name}: offsets must run from 0 to {n_entries:,}; the file is truncated or foreign."
        )
    falls = np.flatnonzero(np.diff(indptr) < 0)
    if falls.size:
        raise CorruptArtifactError(f"{name}: offsets fall after row {int(falls[0])}.")
