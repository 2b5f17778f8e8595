"""What the machine can do at best: the figures that each stage is held against."""

import importlib.util
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.config import processors
from feature_manifold.core.kernels import kernel

BLOCK_BYTES = 1 << 28
GEMM_ROWS = 4096
INCREMENTS = 1 << 26


def best_rate(work: Callable[[], float], *, n_rounds: int = 3) -> float:
    """Return the highest amount per second of a work that returns its amount."""
    rates = []
    for _ in range(n_rounds):
        begin = time.perf_counter()
        amount = work()
        rates.append(amount / (time.perf_counter() - begin))
    return max(rates)


def copy_rate() -> float:
    """Return bytes per second of a copy in memory, on one thread."""
    source = np.ones(BLOCK_BYTES, dtype=np.uint8)
    target = np.zeros_like(source)

    def copy() -> float:
        target[:] = source
        return float(BLOCK_BYTES)

    return best_rate(copy)


def disk_rate(folder: Path, n_bytes: int) -> float:
    """Return bytes per second of writing a file of so many bytes in blocks, synced at the end."""
    path = folder / "bound.bin"
    block = np.random.default_rng(0).integers(0, 256, BLOCK_BYTES, dtype=np.uint8)

    def write() -> float:
        with path.open("wb") as file:
            for start in range(0, n_bytes, BLOCK_BYTES):
                file.write(block[: n_bytes - start].data)
            file.flush()
            os.fsync(file.fileno())
        return float(n_bytes)

    try:
        return best_rate(write, n_rounds=1)
    finally:
        path.unlink(missing_ok=True)


def float32_rate(d_model: int) -> float:
    """Return floating-point operations per second of a float32 matrix product."""
    rows = np.random.default_rng(0).standard_normal((GEMM_ROWS, d_model), dtype=np.float32)

    def multiply() -> float:
        rows @ rows.T
        return 2.0 * GEMM_ROWS**2 * d_model

    return best_rate(multiply)


def bfloat16_rate(d_model: int) -> float | None:
    """Return the same of bfloat16 on torch; None where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    rows = torch.randn(GEMM_ROWS, d_model).bfloat16()

    def multiply() -> float:
        rows @ rows.T
        return 2.0 * GEMM_ROWS**2 * d_model

    return best_rate(multiply)


@kernel()
def _increment(ids: Array, counts: Array) -> None:
    for at in range(len(ids)):
        counts[ids[at]] += 1


def increment_rate(n_latents: int) -> float:
    """Return increments per second of counters at random places, on every processor.

    Each thread has a row of counters of its own, as long as there are latents.
    """
    n_threads = processors()
    wide = np.uint16 if n_latents <= 1 << 16 else np.uint32
    ids = np.random.default_rng(0).integers(0, n_latents, INCREMENTS).astype(wide)
    rows = [np.zeros(n_latents, dtype=np.int32) for _ in range(n_threads)]
    _increment(ids[:1], rows[0])

    def count() -> float:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(lambda row: _increment(ids, row), rows))
        return float(n_threads * INCREMENTS)

    return best_rate(count)
