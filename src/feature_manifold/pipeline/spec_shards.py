"""Turn the specification's ``shard_*.npz`` into a few native shards."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.progress import Progress
from feature_manifold.index.rows import check_firings, sort_firings
from feature_manifold.store.shards import write_shard
from feature_manifold.store.spec_layout import BLOCK_ROWS, FiringBlock, firing_blocks

BATCH_ROWS = 1 << 25
"""Firings sorted together: 0.3 GB, and as much again while they are placed. Each shard has
offsets of 8 bytes a latent and is a source of the merge, so that few are better than many."""

FIRING_BYTES = 10
"""A firing that waits to be sorted: token, latent and activation."""


def convert_shards(
    files: Sequence[Path],
    raw_folder: Path,
    *,
    n_latents: int,
    n_tokens: int,
    progress: Progress,
    batch_rows: int = BATCH_ROWS,
) -> None:
    """Write native shards of about ``batch_rows`` firings each from the specification's.

    The prototype cuts its files at a number of rows, in the middle of a token; ours hold whole
    tokens. Files are read while the rows before them are sorted.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        Naming the file, and the row, that cannot be read or holds what cannot be.
    """
    batch, start, number = _Batch(n_latents), 0, 0
    for block in _ahead(_blocks(files, progress)):
        check_firings(block, n_latents=n_latents, n_tokens=n_tokens, after=batch.last_token)
        batch.add(block)
        n_rows = batch.whole_tokens()
        if len(batch) >= batch_rows and n_rows:
            start, number = _write(batch, n_rows, raw_folder, number, start, None), number + 1
    _write(batch, len(batch), raw_folder, number, start, n_tokens)


def batch_bytes(n_firings: int) -> int:
    """Return the memory that ``convert_shards`` takes for so many firings, about."""
    rows = min(n_firings, BATCH_ROWS + BLOCK_ROWS)
    # A batch and its sorted copy of six bytes; two blocks of 14 bytes a row as read.
    return rows * (FIRING_BYTES + 6) + 2 * min(n_firings, BLOCK_ROWS) * (FIRING_BYTES + 14)


def _blocks(files: Sequence[Path], progress: Progress) -> Iterator[FiringBlock]:
    with progress.task("adopt shards", total=len(files), unit="files") as task:
        for path in files:
            yield from firing_blocks(path)
            task.advance()


def _ahead(blocks: Iterator[FiringBlock]) -> Iterator[FiringBlock]:
    """Yield the same blocks, reading the next one in a thread meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield block


class _Batch:
    """Checked rows that wait to be sorted, and where they came from."""

    def __init__(self, n_latents: int) -> None:
        self.n_latents = n_latents
        self.last_token = 0
        self._tokens = np.empty(0, dtype=np.uint32)
        self._latents = np.empty(0, dtype=np.int32)
        self._activations: Array = np.empty(0, dtype=np.float16)
        self._n_rows = 0
        # First row in the batch, file, and number of that row in the file.
        self._sources: list[tuple[int, str, int]] = []

    def __len__(self) -> int:
        return self._n_rows

    def add(self, block: FiringBlock) -> None:
        n_rows = self._n_rows + len(block.tokens)
        if n_rows > len(self._tokens):
            self._grow(max(n_rows, min(2 * n_rows, BATCH_ROWS + BLOCK_ROWS)))
        if block.activations.dtype.itemsize > self._activations.dtype.itemsize:
            self._activations = self._activations.astype(block.activations.dtype)
        span = slice(self._n_rows, n_rows)
        self._tokens[span], self._latents[span] = block.tokens, block.latents
        self._activations[span] = block.activations
        self._sources.append((self._n_rows, block.name, block.first_row))
        self._n_rows = n_rows
        if len(block.tokens):
            self.last_token = int(block.tokens[-1])

    def _grow(self, capacity: int) -> None:
        for name in ("_tokens", "_latents", "_activations"):
            old = getattr(self, name)
            new = np.empty(capacity, dtype=old.dtype)
            new[: self._n_rows] = old[: self._n_rows]
            setattr(self, name, new)

    def whole_tokens(self) -> int:
        """Return the rows before those of the last token, which the next block may go on with."""
        tokens = self._tokens[: self._n_rows]
        return int(np.searchsorted(tokens, np.uint32(self.last_token)))

    def rows(self, n_rows: int) -> tuple[Array, Array, Array]:
        """Return latents, tokens and activations of the first rows, as views."""
        return self._latents[:n_rows], self._tokens[:n_rows], self._activations[:n_rows]

    def place_of(self, row: int) -> tuple[str, int]:
        """Return the file of a row, and its number there."""
        first, name, first_row = max(source for source in self._sources if source[0] <= row)
        return name, row - first + first_row

    def drop(self, n_rows: int) -> None:
        """Forget the first rows."""
        left = self._n_rows - n_rows
        kept = [source for source in self._sources if source[0] > n_rows]
        if left:
            kept.insert(0, (n_rows, *self.place_of(n_rows)))
        self._sources = [(first - n_rows, name, row) for first, name, row in kept]
        for array in self.rows(self._n_rows):
            # The rest of one token: a copy, as the two spans may overlap.
            array[:left] = array[n_rows:].copy()
        self._n_rows = left


def _write(
    batch: _Batch, n_rows: int, raw_folder: Path, number: int, start: int, stop: int | None
) -> int:
    """Write the batch's first rows as a shard that begins at token ``start``; return its end."""
    rows = batch.rows(n_rows)
    shard = sort_firings(*rows, batch.n_latents, place_of=batch.place_of)
    shard = replace(shard, start=start, stop=max(shard.stop, start) if stop is None else stop)
    write_shard(raw_folder, number, shard, config={}, inputs={})
    batch.drop(n_rows)
    return shard.stop
