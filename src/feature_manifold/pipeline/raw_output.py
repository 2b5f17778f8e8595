"""Harvest into one folder, in the specification's layout."""

import shutil
from pathlib import Path

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.progress import Progress
from feature_manifold.export.rows import spec_rows
from feature_manifold.pipeline.adopt import NATIVE, link_or_copy
from feature_manifold.pipeline.corpus import CORPUS
from feature_manifold.pipeline.harvest import HARVEST
from feature_manifold.pipeline.plan import Selection
from feature_manifold.pipeline.runner import run_stages
from feature_manifold.store.layout import (
    DECODER,
    LATENT_LABELS,
    METADATA,
    ExperimentPaths,
    shard_name,
)
from feature_manifold.store.shards import open_shards
from feature_manifold.store.spec_layout import spec_shard_paths, write_spec_shard
from feature_manifold.store.token_table import (
    load_metadata,
    open_token_table,
    save_metadata,
)


def harvest_to_folder(config: ExperimentConfig, folder: Path, *, progress: Progress) -> None:
    """Harvest, and write ``shard_*.npz``, decoder, labels and metadata into ``folder``.

    The harvest itself is done in ``folder/native`` in our layout, where an interrupted run is
    resumed and from which the later steps read; the documented files are made from it.

    Raises
    ------
    FmiError
        Whatever stops the corpus or the harvest.
    """
    paths = ExperimentPaths(folder / NATIVE, folder / NATIVE / "visualizer")
    # metadata.json declares the documented files finished, so it goes first and comes last.
    (folder / METADATA).unlink(missing_ok=True)
    run_stages((CORPUS, HARVEST), config, paths, Selection(), progress=progress)
    n_shards = _write_shards(paths, folder, progress)
    for path in spec_shard_paths(folder)[n_shards:]:
        path.unlink()
    (folder / DECODER).unlink(missing_ok=True)
    link_or_copy(paths.decoder, folder / DECODER)
    shutil.copyfile(paths.raw_activations / LATENT_LABELS, folder / LATENT_LABELS)
    n_tokens = open_token_table(paths.corpus).n_tokens
    stated = {"num_shards": n_shards, "n_tokens": n_tokens}
    save_metadata(folder, {**load_metadata(paths.root), **stated})


def _write_shards(paths: ExperimentPaths, folder: Path, progress: Progress) -> int:
    shards, table = open_shards(paths.raw_activations), open_token_table(paths.corpus)
    n_firings = sum(shard.n_firings for shard in shards)
    n_shards = 0
    with progress.task("write shard_*.npz", total=n_firings, unit="firings") as task:
        for rows in spec_rows(shards, table):
            write_spec_shard(folder / f"{shard_name(n_shards)}.npz", rows)
            n_shards += 1
            task.advance(len(rows.token_indices))
    return n_shards
