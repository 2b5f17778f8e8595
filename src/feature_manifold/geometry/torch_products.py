"""Products and co-firing counts by torch, on a GPU or on a processor with fast bfloat16.

The one module of this room that needs torch; it is imported when torch is installed and of use.
Nothing that comes out depends on it: products only find candidates, and counts are whole.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from feature_manifold.core.arrays import Array, Float32Array
from feature_manifold.core.device import check_gpu
from feature_manifold.core.errors import CorruptArtifactError, DeviceError
from feature_manifold.geometry.cofirings import COPIED_FIRINGS, compact_latents, count_dtype
from feature_manifold.geometry.products import product_errors, unit_rows
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken
from feature_manifold.store.npy import release

BFLOAT16_ROUNDING = 2.0**-8
"""Products of bfloat16 matrices come back in bfloat16, rounded or cut to eight bits."""

TRIAL_ROWS = 1024
"""Rows multiplied to see which precision is faster: 11 GFLOP at a d_model of 5,376."""

INCREMENTS = 1 << 24
"""Co-firings counted at a time, about: 1 GB of addresses on the device."""

ROWS_AT_ONCE = 256
"""Rows of counts on the device at a time: 64 MiB for 65,536 latents."""


class TorchProducts:
    """Products by torch.

    Parameters
    ----------
    decoder
        float32 (n_latents, d_model). May be memory-mapped; copied to the device.
    norms
        float64 (n_latents,), from ``row_norms``.
    device
        As torch names it.
    precision
        ``float32`` or ``bfloat16``.
    n_threads
        Of the processor, if it is the device.

    Raises
    ------
    DeviceError
        If the device runs out of memory, here or in ``block``.
    """

    def __init__(
        self,
        decoder: Array,
        norms: Array,
        *,
        device: str,
        precision: str = "float32",
        n_threads: int,
    ) -> None:
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
        self._n_threads = n_threads
        residuals = np.empty(len(decoder), dtype=np.float64)
        with explained_memory(device):
            self._unit = torch.empty(decoder.shape, dtype=dtype, device=device)
            for span, rows in unit_rows(decoder, norms):
                rounded = torch.from_numpy(rows).to(dtype)
                residuals[span] = np.linalg.norm(rows - rounded.double().numpy(), axis=1)
                self._unit[span] = rounded.to(device)
        self.errors = product_errors(residuals, decoder.shape[1])
        self.relative = 0.0 if dtype == torch.float32 else BFLOAT16_ROUNDING

    def block(self, rows: slice, columns: slice) -> Float32Array:
        """Return the products of some latents with some."""
        with explained_memory(str(self._unit.device)), torch_threads(self._n_threads):
            products = self._unit[rows] @ self._unit[columns].T
            block: Float32Array = products.float().cpu().numpy()
        return block


def bfloat16_is_faster(d_model: int, n_threads: int) -> bool:
    """Return whether the processor multiplies faster in bfloat16, by trying.

    Some are four times as fast with it, others half as fast, and torch cannot tell.
    """
    rows = torch.ones((TRIAL_ROWS, d_model))
    with torch_threads(n_threads):
        return _product_time(rows.bfloat16()) < _product_time(rows)


def _product_time(rows: torch.Tensor) -> float:
    rows @ rows.T  # The first run prepares.
    start = time.perf_counter()
    rows @ rows.T
    return time.perf_counter() - start


class TorchCofirings:
    """Counts by adding ones at the addresses of all co-firings of some rows at a time.

    Integers are added, so that the order in which a device adds does not matter.

    Parameters
    ----------
    by_latent, by_token
        The same firings, both ways; copied to the device, 8 bytes a firing.
    device
        As torch names it.

    Raises
    ------
    CorruptArtifactError
        If the firings are of latents or tokens that do not exist.
    DeviceError
        If the device runs out of memory, here or in ``rows``.
    """

    rows_at_once = ROWS_AT_ONCE

    def __init__(
        self, by_latent: FiringsByLatent, by_token: FiringsByToken, *, device: str
    ) -> None:
        self._device = device
        self._n = by_latent.n_latents
        self._indptr = np.asarray(by_latent.indptr)
        self._lock = threading.Lock()
        narrow = count_dtype(self._indptr) == np.int32
        self._dtype = torch.int32 if narrow else torch.int64
        starts = np.array(by_token.indptr, dtype=np.int64)
        with explained_memory(device):
            self._latents = _moved(compact_latents(by_token, self._n), self._n, device)
            self._tokens = _moved(by_latent.tokens, len(starts) - 1, device)
            self._starts = torch.from_numpy(starts[:-1].copy()).to(device)
            self._lengths = torch.from_numpy(np.diff(starts)).to(device)
        self._entries = max(1, INCREMENTS * (len(starts) - 1) // max(int(starts[-1]), 1))

    def rows(self, first: int, last: int) -> Array:
        """Return |A ∩ B| of the latents ``[first, last)`` with all."""
        with self._lock, explained_memory(self._device):
            counts = torch.zeros((last - first) * self._n, dtype=self._dtype, device=self._device)
            begin, end = int(self._indptr[first]), int(self._indptr[last])
            sizes = torch.from_numpy(np.diff(self._indptr[first : last + 1])).to(self._device)
            base = torch.repeat_interleave(
                torch.arange(last - first, device=self._device) * self._n, sizes
            )
            for start in range(begin, end, self._entries):
                stop = min(start + self._entries, end)
                self._add(counts, self._tokens[start:stop].long(), base[start - begin :])
            found: Array = counts.view(last - first, self._n).cpu().numpy()
        return found

    def _add(self, counts: torch.Tensor, tokens: torch.Tensor, base: torch.Tensor) -> None:
        """Add what fires on each token to the row that begins at each ``base``."""
        lengths = self._lengths[tokens]
        ends = torch.cumsum(lengths, 0)
        # Where each token's latents begin, less where they begin in this list of all.
        shift = torch.repeat_interleave(self._starts[tokens] - (ends - lengths), lengths)
        at = shift + torch.arange(len(shift), device=shift.device)
        address = torch.repeat_interleave(base[: len(tokens)], lengths) + self._latents[at]
        ones = torch.ones(1, dtype=counts.dtype, device=counts.device).expand(len(address))
        counts.scatter_add_(0, address, ones)


def _moved(ids: Array, n_ids: int, device: str) -> torch.Tensor:
    """Copy unsigned ids to a device, as int32 if all are below 2**31, else int64."""
    dtype = torch.int32 if n_ids <= 1 << 31 else torch.int64
    moved = torch.empty(len(ids), dtype=dtype, device=device)
    for start in range(0, len(ids), COPIED_FIRINGS):
        block = ids[start : start + COPIED_FIRINGS].astype(np.int64)
        if block.max() >= n_ids:
            raise CorruptArtifactError(
                f"The index has a token {int(block.max()):,}, and there are {n_ids:,}. "
                "Make the index again."
            )
        moved[start : start + len(block)] = torch.from_numpy(block).to(device)
        release(ids)
    return moved


def find_device(name: str) -> str:
    """Turn the config's ``device`` into one that is there: ``cpu`` or ``cuda:N``.

    Raises
    ------
    DeviceError
        If a GPU is asked for by name and is not there; the message says what is.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda:0" if n_gpus else "cpu"
    device = torch.device(name)
    if device.type != "cuda":
        return "cpu"
    check_gpu(name, device.index or 0, n_gpus=n_gpus, has_cuda=bool(torch.version.cuda))
    return f"cuda:{device.index or 0}"


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Compute on so many torch threads within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def explained_memory(device: str) -> Iterator[None]:
    """Turn a device that runs out of memory into one line that says what to do.

    Raises
    ------
    DeviceError
        In place of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"{device} ran out of memory. Free it of other programs, or use device: cpu, which "
            "gives the same files."
        ) from error
