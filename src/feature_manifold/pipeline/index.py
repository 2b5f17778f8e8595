"""Stage ``index``: shards to firings by latent and by token, and statistics."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.config import ExperimentConfig
from feature_manifold.index.blocks import BLOCK_FIRINGS, MAX_WORKERS, WriteFirings, block_size
from feature_manifold.index.merge import activation_dtype, merge_shards
from feature_manifold.index.statistics import latent_statistics
from feature_manifold.index.transpose import sort_by_token
from feature_manifold.pipeline.harvest import estimated_firings
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.firings import (
    ACTIVATIONS,
    INDPTR,
    STATISTICS,
    TOKEN_ACTIVATIONS,
    TOKEN_INDPTR,
    TOKEN_LATENTS,
    TOKENS,
    open_by_latent,
)
from feature_manifold.store.layout import (
    FORMAT_VERSIONS,
    ExperimentPaths,
)
from feature_manifold.store.manifest import read_manifest
from feature_manifold.store.npy import HEADER_BYTES, NpyFile, save_npy
from feature_manifold.store.shards import Shard, open_shards
from feature_manifold.store.statistics import STATISTICS_DTYPE
from feature_manifold.store.token_table import TOKEN_ID, open_token_table

ID_BYTES = 4
HALF = 2
EMPTY = HEADER_BYTES
"""Size of a file of no rows: the header."""

PROCESS_BYTES = 180 << 20
"""The interpreter, its libraries and compiled kernels."""


def _run(context: StageContext) -> StageResult:
    folder, progress = context.folder, context.progress
    n_workers = context.config.threads
    tokens = open_token_table(context.paths.corpus)
    shards = open_shards(context.paths.raw_activations)
    n_latents = shards[0].n_latents
    with firing_files(folder / TOKENS, folder / ACTIVATIONS, shards) as write:
        indptr = merge_shards(
            shards,
            n_latents,
            n_tokens=tokens.n_tokens,
            write=write,
            progress=progress,
            n_workers=n_workers,
        )
    save_npy(folder / INDPTR, indptr)
    with firing_files(folder / TOKEN_LATENTS, folder / TOKEN_ACTIVATIONS, shards) as write:
        token_indptr = sort_by_token(
            shards, n_tokens=tokens.n_tokens, write=write, progress=progress, n_workers=n_workers
        )
    save_npy(folder / TOKEN_INDPTR, token_indptr)
    del token_indptr  # 8 bytes a token
    statistics = latent_statistics(
        open_by_latent(folder), tokens.token_id, n_workers=n_workers, progress=progress
    )
    save_npy(folder / STATISTICS, statistics)
    facts = {
        "n_firings": int(indptr[-1]),
        "n_latents": n_latents,
        "n_tokens": tokens.n_tokens,
        "n_silent_latents": int((statistics["count"] == 0).sum()),
    }
    return StageResult(facts=facts)


@contextmanager
def firing_files(ids: Path, activations: Path, shards: Sequence[Shard]) -> Iterator[WriteFirings]:
    """Yield what writes the firings of shards, in some order, to two files."""
    n_firings = sum(shard.n_firings for shard in shards)
    with (
        NpyFile(ids, np.uint32, n_firings) as id_file,
        NpyFile(activations, activation_dtype(shards), n_firings) as activation_file,
    ):

        def write(row: int, some_ids: Array, some_activations: Array) -> None:
            id_file.write(row, some_ids)
            activation_file.write(row, some_activations)

        yield write


@dataclass(frozen=True)
class IndexSize:
    """How large an index is, as far as is known before it is made."""

    n_firings: int
    n_latents: int
    n_tokens: int
    n_shards: int
    activation_bytes: int

    @property
    def disk_bytes(self) -> int:
        """Size of its files."""
        rows = STATISTICS_DTYPE.itemsize * self.n_latents
        offsets = 8 * (self.n_latents + self.n_tokens + 2)
        return self.n_firings * 2 * (ID_BYTES + self.activation_bytes) + rows + offsets

    def memory_bytes(self, n_workers: int) -> int:
        """Resident memory at the peak: when the firings of a shard are sorted by token."""
        n_workers = min(n_workers, MAX_WORKERS)
        block = min(block_size(n_workers), self.n_firings)
        # What is read from mapped files, what is made of it, and, in a longer run, as much again
        # that the allocator keeps of what was freed.
        parts = 3 if self.n_firings > 3 * n_workers * block else 2
        blocks = n_workers * block * parts * (ID_BYTES + self.activation_bytes)
        # Where each latent's firings are in each shard; counts and places of the tokens' firings.
        offsets = 8 * (4 * n_workers + 4) * self.n_latents
        counts = 8 * self.n_tokens + 24 * n_workers * self.n_tokens // max(self.n_shards, 1)
        return PROCESS_BYTES + blocks + offsets + counts


def index_size(config: ExperimentConfig, paths: ExperimentPaths) -> IndexSize:
    """Return the size that the index of an experiment will have, about."""
    raw, corpus = read_manifest(paths.raw_activations), read_manifest(paths.corpus)
    n_tokens = config.num_tokens
    if corpus is not None and TOKEN_ID in corpus.files:
        n_tokens = corpus.files[TOKEN_ID].bytes // 4
    if raw is None:
        n_firings = estimated_firings(config, paths)
        n_shards = -(-n_firings // BLOCK_FIRINGS)
        return IndexSize(n_firings, config.nominal_latents, n_tokens, n_shards, HALF)
    sizes = {name: record.bytes for name, record in raw.files.items()}
    shards = [Path(name).parent for name in sizes if Path(name).name == TOKENS]
    # An index is wide if any shard is: its activations then take as much as its tokens.
    wide = any(sizes[f"{s}/{ACTIVATIONS}"] == sizes[f"{s}/{TOKENS}"] > EMPTY for s in shards)
    facts = raw.facts
    return IndexSize(
        int(facts["n_firings"]),
        int(facts["n_latents"]),
        n_tokens,
        len(shards),
        2 * HALF if wide else HALF,
    )


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    return index_size(config, paths).disk_bytes


def _memory(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    return index_size(config, paths).memory_bytes(config.threads)


INDEX = Stage(
    name="index",
    version=FORMAT_VERSIONS["index"],
    does="sort the firings by latent and by token",
    folder=lambda paths: paths.latents,
    inputs=("corpus", "harvest"),
    run=_run,
    estimate=_estimate,
    memory=_memory,
)
