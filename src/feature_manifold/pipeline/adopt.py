"""Adopt raw activations from elsewhere: the specification's shards, or ours from another folder.

The documented scripts name folders one by one instead of an experiment. Adopting turns whatever
lies in a raw folder into a corpus and shards of our own, from which the usual stages go on.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.core.progress import Progress
from feature_manifold.index.rows import sort_firings, token_table_of_rows
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.fingerprint import fingerprint
from feature_manifold.store.layout import DECODER, MANIFEST, METADATA, ExperimentPaths
from feature_manifold.store.manifest import changed_inputs, read_manifest
from feature_manifold.store.npy import open_npy
from feature_manifold.store.shards import open_shard, shard_folders, write_shard
from feature_manifold.store.spec_layout import FiringRows, open_spec_shard, spec_shard_paths
from feature_manifold.store.token_table import (
    load_metadata,
    save_metadata,
    save_token_table,
    save_vocabulary,
)

RAW = "raw_activations"
NATIVE = "native"
"""Folder in the harvest script's output that holds the same data in our layout."""

MAX_ROWS = 1 << 32
"""Rows that a token table can have: firings hold them in 32 bits."""


@dataclass(frozen=True)
class RawFolder:
    """Raw activations somewhere on this machine.

    Attributes
    ----------
    folder
        As the user named it.
    native
        The experiment-shaped folder that holds it in our layout; None for the specification's.
    max_shards
        Shards to take, from the first on; None takes all.
    tokenizer
        Model whose tokenizer turns token ids into text; only the specification's layout needs it.
    """

    folder: Path
    native: Path | None
    max_shards: int | None = None
    tokenizer: str | None = None

    @property
    def decoder(self) -> Path:
        """Where the decoder of these activations lies."""
        return (self.native or self.folder) / DECODER

    @property
    def metadata(self) -> Path:
        """The folder whose ``metadata.json`` describes these activations."""
        return self.native or self.folder


def find_raw(folder: Path, *, max_shards: int | None = None) -> RawFolder:
    """Recognise the layout of a raw folder.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If there are no shards of either layout, or the harvest that made them is not finished.
    """
    if (folder / NATIVE / RAW).is_dir():
        _check_finished(ExperimentPaths(folder / NATIVE, folder))
        return RawFolder(folder, folder / NATIVE, max_shards)
    if shard_folders(folder):
        _check_finished(ExperimentPaths(folder.parent, folder))
        return RawFolder(folder, folder.parent, max_shards)
    if spec_shard_paths(folder):
        return RawFolder(folder, None, max_shards)
    raise MissingArtifactError(
        f"No shards in {folder} (neither shard_*.npz nor shard_*/). Harvest them with: "
        f"python scripts/harvest_activations_v2.py --output-dir {folder}"
    )


def _check_finished(paths: ExperimentPaths) -> None:
    manifest = read_manifest(paths.raw_activations)
    if manifest is None or read_manifest(paths.corpus) is None:
        raise MissingArtifactError(
            f"The harvest in {paths.raw_activations} is not finished. Run the command that made "
            "it again; it goes on from where it stopped."
        )
    if changed_inputs(manifest, paths.by_stage):
        raise CorruptArtifactError(
            f"{paths.raw_activations} was made from another corpus than {paths.corpus}. "
            "Harvest it again."
        )


def adopting_stages(raw: RawFolder) -> tuple[Stage, ...]:
    """Return the stages that turn a raw folder into a corpus and shards of our own."""

    def fingerprints(config: ExperimentConfig, paths: ExperimentPaths) -> dict[str, str]:
        files = [*_shard_files(raw), raw.metadata / METADATA, raw.decoder]
        return {path.name: fingerprint(path) for path in files if path.exists()} | {
            "tokenizer": raw.tokenizer or ""
        }

    def estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
        return 0 if raw.native else sum(path.stat().st_size for path in _shard_files(raw)) // 2

    corpus = Stage(
        name="adopt-corpus",
        version=1,
        does="adopt the token table",
        folder=lambda paths: paths.corpus,
        inputs=(),
        run=lambda context: _adopt_corpus(raw, context),
        estimate=lambda config, paths: 0,
        fingerprints=fingerprints,
    )
    shards = Stage(
        name="adopt-harvest",
        version=1,
        does="adopt the shards",
        folder=lambda paths: paths.raw_activations,
        inputs=("adopt-corpus",),
        run=lambda context: _adopt_shards(raw, context),
        estimate=estimate,
        fingerprints=fingerprints,
    )
    return corpus, shards


def after_adopting(stage: Stage) -> Stage:
    """Return a stage that reads adopted data instead of a harvest."""
    names = {"corpus": "adopt-corpus", "harvest": "adopt-harvest"}
    return replace(stage, inputs=tuple(names.get(name, name) for name in stage.inputs))


def adopt_decoder(raw: RawFolder, paths: ExperimentPaths) -> None:
    """Put ``decoder.npy`` and ``metadata.json`` into the experiment's folder.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If the raw folder has no decoder, or it is not a float32 matrix.
    """
    open_npy(raw.decoder, dtypes=("<f4",), shape=(None, None))
    paths.root.mkdir(parents=True, exist_ok=True)
    if raw.decoder.resolve() != paths.decoder.resolve():
        aside = paths.decoder.with_suffix(".partial")
        aside.unlink(missing_ok=True)
        link_or_copy(raw.decoder, aside)
        aside.replace(paths.decoder)
    if raw.metadata.resolve() != paths.root.resolve():
        save_metadata(paths.root, load_metadata(raw.metadata))


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Hard-link an immutable file, or copy it where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _shard_files(raw: RawFolder) -> list[Path]:
    if raw.native is None:
        return spec_shard_paths(raw.folder)[: raw.max_shards]
    return shard_folders(raw.native / RAW)[: raw.max_shards]


def _adopt_corpus(raw: RawFolder, context: StageContext) -> StageResult:
    if raw.native is not None:
        # copytree wants a function that returns nothing of use; links share the bytes.
        shutil.copytree(
            raw.native / "corpus", context.folder, copy_function=link_or_copy, dirs_exist_ok=True
        )
        (context.folder / MANIFEST).unlink(missing_ok=True)
        return StageResult(facts={"adopted": "native"})
    files = _shard_files(raw)
    n_tokens = _rows_in(files)
    if raw.max_shards is None:
        # Tokens after the last one that fires are known from the metadata alone.
        n_tokens = max(n_tokens, _stated_tokens(raw.metadata))
    rows = (open_spec_shard(path) for path in files)
    save_token_table(context.folder, token_table_of_rows(rows, n_tokens))
    if raw.tokenizer is not None:
        # Imported here: it needs transformers.
        from feature_manifold.corpus.tokenizer import Tokenizer

        save_vocabulary(context.folder, Tokenizer(raw.tokenizer).vocabulary())
    return StageResult(facts={"adopted": "npz", "n_tokens": n_tokens})


def _rows_in(files: list[Path]) -> int:
    """Return the row after the last token that fires; rows are in token order."""
    for path in reversed(files):
        tokens = open_spec_shard(path).token_indices
        if len(tokens):
            last = int(tokens[-1])
            if not 0 <= last < MAX_ROWS:
                raise CorruptArtifactError(
                    f"{path}, row {len(tokens) - 1:,}: bad token {last}; expected 0 to "
                    f"{MAX_ROWS - 1:,}. Harvest the shard again."
                )
            return last + 1
    return 0


def _stated_tokens(folder: Path) -> int:
    stated = load_metadata(folder).get("num_tokens", 0)
    if type(stated) is not int or not 0 <= stated <= MAX_ROWS:
        raise CorruptArtifactError(
            f"{folder / METADATA}: num_tokens is {stated!r}, expected the number of tokens of the "
            "corpus. Correct it, or leave it out."
        )
    return stated


def _adopt_shards(raw: RawFolder, context: StageContext) -> StageResult:
    if raw.native is not None:
        for folder in _shard_files(raw):
            shutil.copytree(folder, context.folder / folder.name, copy_function=link_or_copy)
    else:
        _convert_shards(raw, context)
    shards = [open_shard(folder) for folder in shard_folders(context.folder)]
    facts = {
        "n_firings": sum(shard.n_firings for shard in shards),
        "n_latents": shards[0].n_latents,
        "n_shards": len(shards),
    }
    return StageResult(facts=facts)


def _convert_shards(raw: RawFolder, context: StageContext) -> None:
    n_latents = len(open_npy(raw.decoder, dtypes=("<f4",), shape=(None, None)))
    n_tokens = context.experiment.tokens.n_tokens
    start = 0
    files = _shard_files(raw)
    for number, (rows, is_last) in enumerate(_whole_tokens(files, context.progress)):
        shard = sort_firings(
            rows.latent_indices,
            rows.token_indices,
            rows.activations,
            n_latents,
            n_tokens=n_tokens,
            name=rows.name,
        )
        stop = n_tokens if is_last else max(shard.stop, start)
        ranged = replace(shard, start=start, stop=stop)
        write_shard(context.folder, number, ranged, config={}, inputs={})
        start = stop


def _whole_tokens(files: list[Path], progress: Progress) -> Iterator[tuple[FiringRows, bool]]:
    """Yield rows such that no token's rows are split between two, and whether they are the last.

    The prototype cuts its shards at a number of rows, in the middle of a token.
    """
    kept: FiringRows | None = None
    with progress.task("adopt shards", total=len(files), unit="shards") as task:
        for number, path in enumerate(files):
            rows = open_spec_shard(path)
            if kept is not None:
                rows = _joined(kept, rows)
            is_last = number == len(files) - 1
            tokens = rows.token_indices
            if np.any(np.diff(tokens.astype(np.int64)) < 0):
                row = int(np.flatnonzero(np.diff(tokens.astype(np.int64)) < 0)[0]) + 1
                raise CorruptArtifactError(
                    f"{path}, row {row:,}: token {tokens[row]} after {tokens[row - 1]}; rows must "
                    "be in token order, within and between shards."
                )
            cut = (
                len(tokens)
                if is_last or not len(tokens)
                else int(np.searchsorted(tokens, tokens[-1]))
            )
            kept = _rows_between(rows, cut, len(tokens))
            yield _rows_between(rows, 0, cut), is_last
            task.advance()


def _rows_between(rows: FiringRows, start: int, stop: int) -> FiringRows:
    return FiringRows(
        rows.token_indices[start:stop],
        rows.latent_indices[start:stop],
        rows.activations[start:stop],
        rows.token_ids[start:stop],
        rows.doc_ids[start:stop],
        rows.positions[start:stop],
        rows.name,
    )


def _joined(first: FiringRows, second: FiringRows) -> FiringRows:
    return FiringRows(
        np.concatenate([first.token_indices, second.token_indices]),
        np.concatenate([first.latent_indices, second.latent_indices]),
        np.concatenate([first.activations, second.activations]),
        np.concatenate([first.token_ids, second.token_ids]),
        np.concatenate([first.doc_ids, second.doc_ids]),
        np.concatenate([first.positions, second.positions]),
        second.name,
    )
