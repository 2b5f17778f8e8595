"""Adopt raw activations from elsewhere: the specification's shards, or ours from another folder.

The documented scripts name folders one by one instead of an experiment. Adopting turns whatever
lies in a raw folder into a corpus and shards of our own, from which the usual stages go on.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from feature_manifold.core.arrays import Array
from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.index.rows import token_table_of_rows
from feature_manifold.pipeline.room import existing_parent
from feature_manifold.pipeline.spec_shards import BATCH_ROWS, batch_bytes, convert_shards
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.atomic import commit_file, sync_file
from feature_manifold.store.fingerprint import fingerprint
from feature_manifold.store.layout import DECODER, MANIFEST, METADATA, ExperimentPaths
from feature_manifold.store.manifest import changed_inputs, read_manifest
from feature_manifold.store.npy import open_npy
from feature_manifold.store.prototype import UNKNOWN_TEXT, load_foreign_vocabulary
from feature_manifold.store.shards import open_shard, shard_folders
from feature_manifold.store.spec_layout import (
    BLOCK_ROWS,
    last_token,
    spec_shard_paths,
    spec_shard_size,
    token_blocks,
)
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

PROCESS_BYTES = 200 << 20
"""The interpreter, its libraries and compiled kernels."""

TOKEN_BYTES = 12
"""Columns of the token table."""


@dataclass(frozen=True)
class RawFolder:
    """Raw activations somewhere on this machine.

    Attributes
    ----------
    folder
        As the user named it.
    native
        The folder that holds ``corpus/`` and ``raw_activations/`` in our layout; None for the
        specification's.
    described
        The folder of the ``decoder.npy`` and ``metadata.json`` of these activations.
    max_shards
        Shards to take, from the first on; None takes all.
    tokenizer
        Model whose tokenizer turns token ids into text; only the specification's layout needs it.
    vocabulary
        File of another program that does.
    n_latents
        Latents, where there is no decoder to tell.
    decoder_file
        The decoder, where it lies elsewhere.
    """

    folder: Path
    native: Path | None
    described: Path
    max_shards: int | None = None
    tokenizer: str | None = None
    vocabulary: Path | None = None
    n_latents: int | None = None
    decoder_file: Path | None = None

    @property
    def decoder(self) -> Path:
        """Where the decoder of these activations lies, if it is there."""
        return self.decoder_file or self.described / DECODER

    @property
    def files(self) -> list[Path]:
        """Shards, of either layout."""
        if self.native is None:
            return spec_shard_paths(self.folder)[: self.max_shards]
        return shard_folders(self.native / RAW)[: self.max_shards]


def find_raw(folder: Path, *, max_shards: int | None = None) -> RawFolder:
    """Recognise the layout of a raw folder.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If there are no shards of either layout, or the harvest that made them is not finished.
    """
    if (folder / NATIVE / RAW).is_dir():
        check_finished(ExperimentPaths(folder / NATIVE, folder))
        return RawFolder(folder, folder / NATIVE, folder / NATIVE, max_shards)
    if shard_folders(folder):
        check_finished(ExperimentPaths(folder.parent, folder))
        return RawFolder(folder, folder.parent, folder.parent, max_shards)
    if spec_shard_paths(folder):
        return RawFolder(folder, None, folder, max_shards)
    raise MissingArtifactError(
        f"No shards in {folder} (neither shard_*.npz nor shard_*/). Harvest them with: "
        f"python scripts/harvest_activations_v2.py --output-dir {folder}"
    )


def check_finished(paths: ExperimentPaths) -> None:
    """Refuse a harvest in our layout that is not finished, or of another corpus.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        Saying what to do about it.
    """
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


def adopting_stages(raw: RawFolder) -> tuple[Stage, Stage]:
    """Return the stages that turn a raw folder into a corpus and shards of our own."""

    def fingerprints(config: ExperimentConfig, paths: ExperimentPaths) -> dict[str, str]:
        files = [*raw.files, raw.described / METADATA, raw.decoder, raw.vocabulary]
        return {path.name: fingerprint(path) for path in files if path and path.exists()} | {
            "tokenizer": raw.tokenizer or ""
        }

    corpus = Stage(
        name="adopt-corpus",
        version=1,
        does="adopt the token table",
        folder=lambda paths: paths.corpus,
        inputs=(),
        run=lambda context: _adopt_corpus(raw, context),
        estimate=lambda config, paths: _corpus_bytes(raw, paths),
        memory=lambda config, paths: _corpus_memory(raw),
        fingerprints=fingerprints,
    )
    shards = Stage(
        name="adopt-harvest",
        version=1,
        does="adopt the shards",
        folder=lambda paths: paths.raw_activations,
        inputs=("adopt-corpus",),
        run=lambda context: _adopt_shards(raw, context),
        estimate=lambda config, paths: _shard_bytes(raw, paths),
        memory=lambda config, paths: _shard_memory(raw),
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
    link_aside(raw.decoder, paths.decoder)
    if raw.described.resolve() != paths.root.resolve():
        save_metadata(paths.root, load_metadata(raw.described))


def link_aside(source: Path, target: Path) -> None:
    """Hard-link or copy an immutable file over another at once; nothing if they are the same."""
    if source.resolve() == target.resolve():
        return
    aside = target.with_suffix(".partial")
    aside.unlink(missing_ok=True)
    link_or_copy(source, aside)
    sync_file(aside)
    commit_file(aside, target)
    # To rename one hard link of a file over another does nothing.
    aside.unlink(missing_ok=True)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Hard-link an immutable file, or copy it where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def copied_bytes(files: Iterable[Path], folder: Path) -> int:
    """Return what ``link_or_copy`` of files into a folder takes: nothing on one file system."""
    device = existing_parent(folder).stat().st_dev
    sizes = (path.stat() for path in files if path.is_file())
    return sum(size.st_size for size in sizes if size.st_dev != device)


def table_rows(raw: RawFolder) -> int:
    """Return the rows of the token table of the specification's shards.

    They are stated as ``n_tokens`` by our harvest script. Elsewhere rows after the last token
    that fires are known from ``num_tokens`` alone, which counts no put-in BOS.

    Raises
    ------
    CorruptArtifactError
        If the metadata states what cannot be, or the last shard cannot be read.
    """
    if raw.max_shards is None and (stated := _stated_rows(raw.described, "n_tokens")) is not None:
        return stated
    last = (token for path in reversed(raw.files) if (token := last_token(path)) is not None)
    known = next(last, -1) + 1
    if raw.max_shards is not None:
        return known
    return max(known, _stated_rows(raw.described, "num_tokens") or 0)


def _stated_rows(folder: Path, key: str) -> int | None:
    stated = load_metadata(folder) if (folder / METADATA).exists() else {}
    if key not in stated:
        return None
    rows = stated[key]
    if type(rows) is not int or not 0 <= rows <= MAX_ROWS:
        raise CorruptArtifactError(
            f"{folder / METADATA}: {key} is {rows!r}, expected the number of tokens of the "
            "corpus. Correct it, or leave it out."
        )
    return rows


def _adopt_corpus(raw: RawFolder, context: StageContext) -> StageResult:
    if raw.native is not None:
        # copytree wants a function that returns nothing of use; links share the bytes.
        shutil.copytree(
            raw.native / "corpus", context.folder, copy_function=link_or_copy, dirs_exist_ok=True
        )
        (context.folder / MANIFEST).unlink(missing_ok=True)
        return StageResult(facts={"adopted": "native"})
    # Texts first: a tokenizer that is not there is said before the shards are read.
    texts = adopted_texts(raw.vocabulary, raw.tokenizer)
    n_tokens = table_rows(raw)
    blocks = (block for path in raw.files for block in token_blocks(path))
    table = token_table_of_rows(blocks, n_tokens)
    save_token_table(context.folder, table)
    save_adopted_texts(context.folder, table.token_id, texts)
    return StageResult(facts={"adopted": "npz", "n_tokens": n_tokens})


def adopted_texts(file: Path | None, tokenizer: str | None) -> list[str]:
    """Return the texts of token ids, as far as they are known.

    Parameters
    ----------
    file
        Vocabulary or labels of another program; None if there are none.
    tokenizer
        Model whose tokenizer tells the texts; it goes before the file.
    """
    if tokenizer is not None:
        # Imported here: it needs transformers.
        from feature_manifold.corpus.tokenizer import Tokenizer

        return Tokenizer(tokenizer).vocabulary()
    return [] if file is None else load_foreign_vocabulary(file)


def save_adopted_texts(folder: Path, token_id: Array, texts: list[str]) -> None:
    """Write a text for every token id that occurs: U+FFFD where nothing tells one."""
    greatest = int(token_id.max(initial=-1))
    save_vocabulary(folder, texts + [UNKNOWN_TEXT] * (greatest + 1 - len(texts)))


def _adopt_shards(raw: RawFolder, context: StageContext) -> StageResult:
    if raw.native is not None:
        for folder in raw.files:
            shutil.copytree(folder, context.folder / folder.name, copy_function=link_or_copy)
    else:
        convert_shards(
            raw.files,
            context.folder,
            n_latents=latents_of(raw),
            n_tokens=context.experiment.tokens.n_tokens,
            progress=context.progress,
        )
    return StageResult(facts=shard_facts(context.folder))


def latents_of(raw: RawFolder) -> int:
    """Return the number of latents: as stated, else that of the decoder's rows.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If the decoder is needed and not there, or not a float32 matrix.
    """
    if raw.n_latents is not None:
        return raw.n_latents
    return len(open_npy(raw.decoder, dtypes=("<f4",), shape=(None, None)))


def _corpus_bytes(raw: RawFolder, paths: ExperimentPaths) -> int:
    if raw.native is not None:
        return copied_bytes((raw.native / "corpus").rglob("*"), paths.corpus)
    return table_rows(raw) * TOKEN_BYTES


def _corpus_memory(raw: RawFolder) -> int:
    # Three columns in memory, and a block of 18 bytes a row as read and as converted.
    read = 0 if raw.native is not None else table_rows(raw) * TOKEN_BYTES + 36 * BLOCK_ROWS
    return PROCESS_BYTES + read


def _shard_bytes(raw: RawFolder, paths: ExperimentPaths) -> int:
    if raw.native is not None:
        files = (path for folder in raw.files for path in folder.iterdir())
        return copied_bytes(files, paths.raw_activations)
    sizes = [spec_shard_size(path) for path in raw.files]
    n_firings = sum(n_rows for n_rows, _ in sizes)
    per_firing = 4 + min(max(dtype.itemsize for _, dtype in sizes), 4)
    n_shards = -(-n_firings // BATCH_ROWS)
    return n_firings * per_firing + n_shards * 8 * (latents_of(raw) + 1)


def _shard_memory(raw: RawFolder) -> int:
    if raw.native is not None:
        return PROCESS_BYTES
    n_firings = sum(spec_shard_size(path)[0] for path in raw.files)
    return PROCESS_BYTES + batch_bytes(n_firings) + 24 * latents_of(raw)


def shard_facts(folder: Path) -> dict[str, int]:
    """Return the figures of the native shards in a folder, for its manifest."""
    shards = [open_shard(path) for path in shard_folders(folder)]
    return {
        "n_firings": sum(shard.n_firings for shard in shards),
        "n_latents": shards[0].n_latents,
        "n_shards": len(shards),
    }
