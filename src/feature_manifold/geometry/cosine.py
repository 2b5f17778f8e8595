"""Cosine similarity of decoder rows: products in float32, the answer exact."""

import numpy as np

from feature_manifold.core.arrays import Array, Float32Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.geometry.neighbours import Neighbours, no_neighbours, offer, settle

BLOCK_BYTES = 1 << 27
"""Similarities held at a time: 128 MiB, 512 rows of 65,536."""

TOLERANCE = 1e-5
"""More than a float32 product of unit vectors is off by; candidates this close are re-ranked."""

IMPOSSIBLE = np.float32(-2.0)


def row_norms(decoder: Array) -> Array:
    """Return the length of each decoder row, float64 (n_latents,).

    Raises
    ------
    CorruptArtifactError
        If a row is not finite.
    """
    norms = np.empty(len(decoder), dtype=np.float64)
    for start in range(0, len(decoder), 4096):
        rows = decoder[start : start + 4096].astype(np.float64)
        norms[start : start + 4096] = np.sqrt(np.einsum("ld,ld->l", rows, rows))
    if not np.isfinite(norms).all():
        latent = int(np.flatnonzero(~np.isfinite(norms))[0])
        raise CorruptArtifactError(
            f"decoder.npy: row {latent} is not finite. Harvest the experiment again."
        )
    return norms


def cosine_neighbours(decoder: Float32Array, *, k: int, progress: Progress) -> Neighbours:
    """Find the latents whose decoder rows point most nearly the same way.

    A float32 product finds the candidates; those near the k-th are compared again in float64, so
    that the result does not depend on the number of threads or the size of blocks.

    Parameters
    ----------
    decoder
        float32 (n_latents, d_model). May be memory-mapped.
    k
        Neighbours per latent, at least 1.
    progress
        Told of latents.

    Returns
    -------
    Neighbours
        Cosines in [-1, 1]; a row of zeros has no neighbours and is nobody's.

    Raises
    ------
    CorruptArtifactError
        If a row is not finite.
    """
    n_latents = len(decoder)
    rows = np.ascontiguousarray(decoder, dtype=np.float32)
    norms = row_norms(rows)
    unit = np.divide(rows, norms[:, None], out=np.zeros_like(rows), where=norms[:, None] > 0)
    found = no_neighbours(n_latents, k)
    step = max(1, BLOCK_BYTES // (4 * max(n_latents, 1)))
    with progress.task("cosine neighbours", total=n_latents, unit="latents") as task:
        for start in range(0, n_latents, step):
            span = slice(start, min(start + step, n_latents))
            similar = unit[span] @ unit.T
            similar[:, norms == 0] = IMPOSSIBLE
            similar[np.arange(span.stop - start), np.arange(start, span.stop)] = IMPOSSIBLE
            _rank_block(
                rows,
                norms,
                similar,
                start,
                _floors(similar, k),
                found.ids[span],
                found.values[span],
            )
            task.advance(span.stop - start)
    return found


def _floors(similar: Float32Array, k: int) -> Float32Array:
    """Return what a latent must reach, in each row, to be possibly among the best ``k``."""
    if k >= similar.shape[1]:
        return np.full(len(similar), IMPOSSIBLE)
    at = similar.shape[1] - k
    floors: Float32Array = np.partition(similar, at, axis=1)[:, at] - np.float32(TOLERANCE)
    return floors


@kernel(reassociate=True)
def _cosine(rows: Array, norms: Array, one: int, other: int) -> float:
    """Return one cosine, summed in float64 and rounded to float32: equal directions tie."""
    total = 0.0
    for axis in range(rows.shape[1]):
        total += np.float64(rows[one, axis]) * np.float64(rows[other, axis])
    return np.float64(np.float32(total / (norms[one] * norms[other])))


@kernel()
def _rank_block(
    rows: Array,
    norms: Array,
    similar: Array,
    start: int,
    floors: Array,
    out_ids: Array,
    out_values: Array,
) -> None:
    values = np.empty(out_ids.shape[1], dtype=np.float64)
    for row in range(len(similar)):
        latent = start + row
        if norms[latent] == 0:
            continue
        size = 0
        for other in range(similar.shape[1]):
            close = similar[row, other] >= floors[row]
            if close and norms[other] > 0 and other != latent:
                value = _cosine(rows, norms, latent, other)
                size = offer(values, out_ids[row], size, value, other)
        settle(values, out_ids[row], size)
        for place in range(size):
            out_values[row, place] = values[place]


def pair_cosines(decoder: Float32Array, ids: Array) -> Float32Array:
    """Return the cosine of each latent with each of the latents listed for it.

    Parameters
    ----------
    decoder
        float32 (n_latents, d_model). May be memory-mapped.
    ids
        int32 (n_latents, m), -1 for nobody.

    Returns
    -------
    numpy.ndarray
        float32 (n_latents, m); 0 for nobody and for rows of zeros. Equal, bit for bit, to the
        values of ``cosine_neighbours``.
    """
    rows = np.ascontiguousarray(decoder, dtype=np.float32)
    cosines = np.zeros(ids.shape, dtype=np.float32)
    _fill_pairs(rows, row_norms(rows), np.ascontiguousarray(ids), cosines)
    return cosines


@kernel()
def _fill_pairs(rows: Array, norms: Array, ids: Array, out: Array) -> None:
    for latent in range(len(ids)):
        for column in range(ids.shape[1]):
            other = ids[latent, column]
            if other >= 0 and norms[latent] > 0 and norms[other] > 0:
                out[latent, column] = _cosine(rows, norms, latent, other)
