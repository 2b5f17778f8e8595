"""The same firings in the specification's layout: ``shard_*.npz`` of a million rows by token."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.jobs import in_order
from feature_manifold.core.kernels import kernel
from feature_manifold.pipeline.adopt import link_or_copy
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.layout import DECODER, LATENT_LABELS, shard_name
from feature_manifold.store.npy import release
from feature_manifold.store.shards import Shard, open_shards
from feature_manifold.store.spec_layout import FiringRows, write_spec_shard
from feature_manifold.store.token_table import (
    TokenTable,
    load_metadata,
    open_token_table,
    save_metadata,
)
from feature_manifold.testing.planted.experiment import PlantedPlan
from feature_manifold.testing.planted.stages import BASE_MEMORY, GROUND_TRUTH

SPEC_FIRING_BYTES = 24
ROWS_PER_FILE = 1_000_000
COLUMNS = tuple(field.name for field in fields(FiringRows) if field.name != "name")


def spec_stage(plan: PlantedPlan, folder: Path) -> Stage:
    """Return the stage that writes the documented files of a finished harvest into a folder.

    ``shard_*.npz``, ``decoder.npy`` (linked where the file system can), ``latent_labels.json``,
    ``metadata.json``, and ``ground_truth.json``, which the specification does not know.
    """
    return Stage(
        name="spec-layout",
        version=1,
        does="write the firings in the specification's layout",
        folder=lambda paths: folder,
        inputs=("corpus", "harvest"),
        run=_write_folder,
        estimate=lambda config, paths: plan.n_firings * SPEC_FIRING_BYTES,
        memory=lambda config, paths: BASE_MEMORY + 6 * SPEC_FIRING_BYTES * plan.shard_firings,
        fingerprints=lambda config, paths: {"planted-spec": plan.spec.digest},
    )


def _write_folder(context: StageContext) -> StageResult:
    paths, folder = context.paths, context.folder
    shards, table = open_shards(paths.raw_activations), open_token_table(paths.corpus)
    n_firings, n_files = sum(shard.n_firings for shard in shards), 0
    with context.progress.task("shard_*.npz", total=n_firings, unit="firings") as task:
        for rows in spec_files(shards, table):
            write_spec_shard(folder / f"{shard_name(n_files)}.npz", rows)
            n_files += 1
            task.advance(len(rows.token_indices))
    link_or_copy(paths.decoder, folder / DECODER)
    shutil.copyfile(paths.raw_activations / LATENT_LABELS, folder / LATENT_LABELS)
    shutil.copyfile(paths.root / GROUND_TRUTH, folder / GROUND_TRUTH)
    save_metadata(folder, {**load_metadata(paths.root), "num_shards": n_files})
    return StageResult(facts={"n_firings": n_firings, "n_shards": n_files})


def spec_files(
    shards: Sequence[Shard], table: TokenTable, *, rows_per_file: int = ROWS_PER_FILE
) -> Iterator[FiringRows]:
    """Yield the rows of each file, by token, then latent; all but the last are full.

    Files end in the middle of a token, as the prototype's do. Up to six shards are in memory, at
    24 bytes a firing: two that wait, one that is sorted, one that is cut, and what joins two.
    """
    kept: FiringRows | None = None
    # One thread sorts the next shard while the caller writes.
    for rows in in_order(lambda shard: rows_by_token(shard, table), shards, n_workers=1):
        rows = rows if kept is None else _joined(kept, rows)
        n_rows = len(rows.token_indices)
        whole = n_rows - n_rows % rows_per_file
        for first in range(0, whole, rows_per_file):
            yield _between(rows, first, first + rows_per_file)
        kept = _between(rows, whole, n_rows)
    if kept is not None and len(kept.token_indices):
        yield kept


def rows_by_token(shard: Shard, table: TokenTable) -> FiringRows:
    """Return the rows of one shard, by token, then latent.

    Raises
    ------
    OverflowError
        If a document is longer than its positions' int16.
    """
    own = np.asarray(shard.tokens) - np.uint32(shard.start)
    n_tokens = shard.stop - shard.start
    counts = np.bincount(own, minlength=n_tokens)
    latents = np.empty(shard.n_firings, dtype=np.int32)
    bits = np.empty(shard.n_firings, dtype=np.uint16)
    activations = np.array(shard.activations)
    _place(
        np.array(shard.indptr),
        own,
        activations.view(np.uint16),
        np.cumsum(counts) - counts,
        latents,
        bits,
    )
    release(shard.indptr, shard.tokens, shard.activations)
    span = slice(shard.start, shard.stop)
    position = table.position[span]
    if position.max(initial=0) > np.iinfo(np.int16).max:
        raise OverflowError("a document is longer than int16 positions count")
    return FiringRows(
        token_indices=np.repeat(np.arange(shard.start, shard.stop, dtype=np.int64), counts),
        latent_indices=latents,
        activations=bits.view(np.float16),
        token_ids=np.repeat(table.token_id[span], counts),
        doc_ids=np.repeat(table.doc_id[span], counts),
        positions=np.repeat(position.astype(np.int16), counts),
        name=shard.name,
    )


@kernel()
def _place(
    indptr: Array, tokens: Array, bits: Array, cursor: Array, out_latents: Array, out_bits: Array
) -> None:
    """Counting sort by token; latents rise within a token because they come in order."""
    for latent in range(len(indptr) - 1):
        for entry in range(indptr[latent], indptr[latent + 1]):
            at = cursor[tokens[entry]]
            out_latents[at] = latent
            out_bits[at] = bits[entry]
            cursor[tokens[entry]] = at + 1


def _between(rows: FiringRows, first: int, last: int) -> FiringRows:
    return FiringRows(**{name: getattr(rows, name)[first:last] for name in COLUMNS}, name=rows.name)


def _joined(first: FiringRows, second: FiringRows) -> FiringRows:
    both = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in COLUMNS}
    return FiringRows(**both, name=second.name)
