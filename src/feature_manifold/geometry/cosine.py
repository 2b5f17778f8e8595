"""Cosine similarity of decoder rows: rough products find candidates, the answer is exact."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from feature_manifold.core.arrays import Array, Float32Array
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.geometry.candidates import (
    Candidates,
    collect_columns,
    collect_rows,
    no_candidates,
    rank_candidates,
)
from feature_manifold.geometry.exact import exact_cosine, row_norms
from feature_manifold.geometry.neighbours import Neighbours, no_neighbours
from feature_manifold.geometry.products import FloatProducts, MakeProducts
from feature_manifold.store.npy import release

BLOCK = 4096
"""Latents multiplied with as many others at a time: 64 MiB of products."""

LATENTS_PER_JOB = 256


def cosine_neighbours(
    decoder: Float32Array,
    *,
    k: int,
    n_workers: int = 1,
    make_products: MakeProducts = FloatProducts,
    progress: Progress,
) -> Neighbours:
    """Find the latents whose decoder rows point most nearly the same way.

    Rough products find candidates: all whose cosine, with the largest error that the products can
    have, might be among the best. These are compared again in float64, so that the result depends
    neither on the number of threads, the size of blocks nor the precision of the products.

    Parameters
    ----------
    decoder
        float32 (n_latents, d_model). May be memory-mapped.
    k
        Neighbours per latent, at least 1.
    n_workers
        Threads.
    make_products
        What multiplies: ``FloatProducts``, or one of ``torch_products``.
    progress
        Told of blocks and latents.

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
    found = no_neighbours(n_latents, k)
    with ThreadPoolExecutor(n_workers) as pool, threadpool_limits(n_workers, user_api="blas"):
        candidates = _collect(rows, norms, k, make_products, n_workers, pool, progress)
        _in_parallel(
            pool,
            lambda start, stop: rank_candidates(candidates, start, stop, found.ids, found.values),
            "cosine neighbours",
            n_latents,
            progress,
        )
    release(decoder)
    return found


def _collect(
    rows: Array,
    norms: Array,
    k: int,
    make_products: MakeProducts,
    n_workers: int,
    pool: ThreadPoolExecutor,
    progress: Progress,
) -> Candidates:
    """Multiply every two blocks of latents once and offer each to the other."""
    products = make_products(rows, norms)
    candidates = no_candidates(rows, norms, k=k, errors=products.errors, relative=products.relative)
    spans = [slice(at, min(at + BLOCK, len(rows))) for at in range(0, len(rows), BLOCK)]
    pairs = list(itertools.combinations_with_replacement(spans, 2))
    with progress.task("products of decoder rows", total=len(pairs), unit="blocks") as task:
        for one, other in pairs:
            similar = products.block(one, other)
            sides = [(collect_rows, similar.shape[0])]
            if one != other:
                sides.append((collect_columns, similar.shape[1]))
            for collect, size in sides:
                cuts = np.linspace(0, size, n_workers + 1).astype(int).tolist()
                jobs = [
                    pool.submit(collect, similar, one.start, other.start, *cut, candidates)
                    for cut in itertools.pairwise(cuts)
                ]
                for job in jobs:
                    job.result()
            task.advance()
    return candidates


def pair_cosines(
    decoder: Float32Array, ids: Array, *, n_workers: int = 1, progress: Progress
) -> Float32Array:
    """Return the cosine of each latent with each of the latents listed for it.

    Parameters
    ----------
    decoder
        float32 (n_latents, d_model). May be memory-mapped.
    ids
        int32 (n_latents, m), -1 for nobody.
    n_workers
        Threads; the result does not depend on it.
    progress
        Told of latents.

    Returns
    -------
    numpy.ndarray
        float32 (n_latents, m); 0 for nobody and for rows of zeros. Equal, bit for bit, to the
        values of ``cosine_neighbours``.
    """
    rows = np.ascontiguousarray(decoder, dtype=np.float32)
    norms, ids = row_norms(rows), np.ascontiguousarray(ids)
    cosines = np.zeros(ids.shape, dtype=np.float32)
    with ThreadPoolExecutor(n_workers) as pool:
        _in_parallel(
            pool,
            lambda start, stop: _fill_pairs(rows, norms, start, stop, ids, cosines),
            "cosines of co-firing latents",
            len(ids),
            progress,
        )
    release(decoder)
    return cosines


def _in_parallel(
    pool: ThreadPoolExecutor,
    work: Callable[[int, int], None],
    name: str,
    n_latents: int,
    progress: Progress,
) -> None:
    def job(start: int) -> int:
        stop = min(start + LATENTS_PER_JOB, n_latents)
        work(start, stop)
        return stop - start

    with progress.task(name, total=n_latents, unit="latents") as task:
        for done in pool.map(job, range(0, n_latents, LATENTS_PER_JOB)):
            task.advance(done)


@kernel()
def _fill_pairs(rows: Array, norms: Array, start: int, stop: int, ids: Array, out: Array) -> None:
    for latent in range(start, stop):
        for column in range(ids.shape[1]):
            other = ids[latent, column]
            if other >= 0 and norms[latent] > 0 and norms[other] > 0:
                out[latent, column] = exact_cosine(rows, norms, latent, other)
