"""From residual vectors to firings, without the dense (tokens x latents) block.

A chunk of latents is multiplied with a block of tokens, ``(chunk, d) @ (d, block)``: the values
above threshold then come out sorted by latent, then token, as the index wants them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from feature_manifold.core.arrays import Array, Float32Array, Int64Array
from feature_manifold.core.kernels import kernel

Int32Array = npt.NDArray[np.int32]
Uint32Array = npt.NDArray[np.uint32]

ALIGNED = 64
"""Tokens of a block are filled up to a multiple of this with zeros, and no chunk of latents is
smaller: products with a handful of rows or columns take other code paths in the BLAS, whose last
bits differ."""


@dataclass(frozen=True)
class FiringBlock:
    """Some firings.

    Attributes
    ----------
    latent
        int32 (n,), rising.
    row
        int32 (n,), row of the residual block, rising within a latent.
    value
        float32 (n,), activations.
    """

    latent: Int32Array
    row: Int32Array
    value: Float32Array


def encode_block(
    residual: torch.Tensor,
    w_enc: torch.Tensor,
    b_enc: torch.Tensor,
    threshold: torch.Tensor,
    *,
    latent_chunk: int,
) -> Iterator[FiringBlock]:
    """Encode one block of tokens and yield what fires, chunk by chunk of latents.

    a = h where h > threshold, h = x W_enc + b_enc. The product is taken first and the bias added
    after, in float32, which is bit for bit what a plain ``x @ W_enc + b_enc`` gives on a CPU; a
    fused product and sum is not, once d_model exceeds the BLAS's blocks.

    Parameters
    ----------
    residual
        (n, d_model) float32.
    w_enc, b_enc, threshold
        (d_model, n_latents), (n_latents,), (n_latents,) float32 on the same device; thresholds at
        least 0, so that the comparison does the work of the ReLU too.
    latent_chunk
        Latents at a time, about. Memory is latent_chunk x n x 4 bytes.

    Yields
    ------
    FiringBlock
        One per chunk, latents rising from block to block.
    """
    n_rows = residual.shape[0]
    n_filled = -(-n_rows // ALIGNED) * ALIGNED
    if n_filled != n_rows:
        residual = torch.nn.functional.pad(residual, (0, 0, 0, n_filled - n_rows))
    columns = residual.T
    for start, stop in latent_chunks(w_enc.shape[1], latent_chunk):
        product = w_enc[:, start:stop].T @ columns
        yield above_threshold(
            product, b_enc[start:stop], threshold[start:stop], first=start, n_rows=n_rows
        )


def above_threshold(
    product: torch.Tensor,
    bias: torch.Tensor,
    threshold: torch.Tensor,
    *,
    first: int,
    n_rows: int,
    is_compiled: bool | None = None,
) -> FiringBlock:
    """Pick the values of ``product + bias`` above threshold, and those that are NaN.

    A comparison with NaN is false: asked the other way round, it shows, and the harvest refuses it.

    Parameters
    ----------
    product
        (latents, columns) float32, of which ``n_rows`` columns count; may be changed.
    bias, threshold
        (latents,) float32.
    first
        Number of the first latent.
    is_compiled
        Use the compiled loop, which needs the CPU, rather than torch; by default on the CPU.
    """
    if is_compiled is None:
        is_compiled = product.device.type == "cpu"
    if is_compiled:
        latent, row, value = _collect(product.numpy(), bias.numpy(), threshold.numpy(), n_rows)
        return FiringBlock(latent + np.int32(first), row, value)
    product += bias[:, None]
    hidden = product[:, :n_rows]
    at = (hidden <= threshold[:, None]).logical_not_().nonzero(as_tuple=True)
    return FiringBlock(
        (at[0] + first).to(torch.int32).cpu().numpy(),
        at[1].to(torch.int32).cpu().numpy(),
        hidden[at].cpu().numpy(),
    )


def latent_chunks(n_latents: int, latent_chunk: int) -> Iterator[tuple[int, int]]:
    """Cut the latents into ranges of ``latent_chunk``, none of them small.

    At least 64 latents a chunk; a shorter rest is added to the last one.
    """
    size = max(latent_chunk, ALIGNED)
    n_chunks = max((n_latents + size - ALIGNED) // size, 1)
    for number in range(n_chunks):
        yield number * size, n_latents if number == n_chunks - 1 else (number + 1) * size


@kernel()
def _collect(
    product: Float32Array, bias: Float32Array, threshold: Float32Array, n_rows: int
) -> tuple[Int32Array, Int32Array, Float32Array]:
    """Find the values above threshold in (latents, columns), of which ``n_rows`` columns count.

    A loop without branches, which compiles to vector instructions, marks what fires; one that
    looks at eight columns at a time gathers it, as few of them hold a firing. Columns must be a
    multiple of eight.
    """
    n_latents, n_columns = product.shape
    capacity = 8 * n_columns
    latents = np.empty(capacity, np.int32)
    rows = np.empty(capacity, np.int32)
    values = np.empty(capacity, np.float32)
    fires = np.zeros(n_columns, np.uint8)
    eights = fires.view(np.uint64)
    at = 0
    for latent in range(n_latents):
        for row in range(n_rows):
            fires[row] = not product[latent, row] + bias[latent] <= threshold[latent]
        if at + n_columns > capacity:
            capacity *= 2
            latents = _grown(latents, capacity)
            rows = _grown(rows, capacity)
            values = _grown(values, capacity)
        for eight in range(len(eights)):
            if eights[eight]:
                for row in range(8 * eight, 8 * eight + 8):
                    if fires[row]:
                        latents[at] = latent
                        rows[at] = row
                        values[at] = product[latent, row] + bias[latent]
                        at += 1
    return latents[:at].copy(), rows[:at].copy(), values[:at].copy()


@kernel()
def _grown(array: Array, capacity: int) -> Array:
    grown = np.empty(capacity, array.dtype)
    grown[: len(array)] = array
    return grown


class FiringCollector:
    """Gathers the firings of one shard and sorts them by latent, then token, by counting.

    Blocks must come with rising token ranges; within a block firings are sorted by latent, then
    token. The sort is stable, so the order of tokens within a latent follows.
    """

    def __init__(self, n_latents: int) -> None:
        self._counts = np.zeros(n_latents + 1, dtype=np.int64)
        self._blocks: list[tuple[Int32Array, Uint32Array, Float32Array]] = []

    def add(self, block: FiringBlock, tokens: Uint32Array) -> None:
        """Add a block whose row ``r`` is token-table row ``tokens[r]``."""
        if len(block.latent):
            _count(block.latent, self._counts)
            self._blocks.append((block.latent, tokens[block.row], block.value))

    def sorted(
        self,
    ) -> tuple[Int64Array, Uint32Array, Float32Array]:
        """Return indptr int64 (n_latents + 1,), tokens uint32 and values float32 (n,)."""
        indptr = np.cumsum(self._counts)
        tokens = np.empty(indptr[-1], dtype=np.uint32)
        values = np.empty(indptr[-1], dtype=np.float32)
        at = indptr[:-1].copy()
        for latent, token, value in self._blocks:
            _scatter(latent, token, value, at, tokens, values)
        return indptr, tokens, values


@kernel()
def _count(latents: Int32Array, counts: Int64Array) -> None:
    for latent in latents:
        counts[latent + 1] += 1


@kernel()
def _scatter(
    latents: Int32Array,
    tokens: Uint32Array,
    values: Float32Array,
    at: Int64Array,
    tokens_out: Uint32Array,
    values_out: Float32Array,
) -> None:
    for index in range(len(latents)):
        place = at[latents[index]]
        tokens_out[place] = tokens[index]
        values_out[place] = values[index]
        at[latents[index]] = place + 1
