"""Stages that make an experiment's folders from files of other programs."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.config import ExperimentConfig, config_hash
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.index.rows import MAX_TOKEN_ID, MIN_DOCUMENTS, windows_and_documents
from feature_manifold.pipeline.adopt import (
    MAX_ROWS,
    PROCESS_BYTES,
    TOKEN_BYTES,
    adopted_texts,
    adopting_stages,
    link_aside,
    save_adopted_texts,
    shard_facts,
)
from feature_manifold.pipeline.import_source import (
    ImportSource,
    count_latents,
    identity_of,
)
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.fingerprint import fingerprint
from feature_manifold.store.latent_shard import write_latent_shard
from feature_manifold.store.layout import (
    DECODER,
    MANIFEST,
    METADATA,
    ExperimentPaths,
)
from feature_manifold.store.npy import open_npy, release
from feature_manifold.store.prototype import (
    LatentFile,
    latent_file_paths,
    latent_files,
    read_corpus_arrays,
    read_latent_file,
)
from feature_manifold.store.spec_layout import firing_blocks
from feature_manifold.store.token_table import (
    TokenTable,
    save_metadata,
    save_token_table,
)

DECODER_BLOCK = 4096
ZIP_BYTES = 520
"""What a per-latent file holds beside its numbers."""


def importing_stages(source: ImportSource, *, tokenizer: str | None) -> tuple[Stage, Stage]:
    """Return the stages ``adopt-corpus`` and ``adopt-harvest`` that import a folder.

    The second also writes ``decoder.npy`` and ``metadata.json``: an experiment without them is
    not listed.
    """
    if source.raw is not None:
        n_latents = count_latents(source)
        if n_latents is None and source.raw.native is None:
            n_latents = _greatest_latent(source.raw.files) + 1
        corpus, shards = adopting_stages(replace(source.raw, n_latents=n_latents))
    else:
        corpus, shards = _latent_stages(source, tokenizer)
    return corpus, _described(shards, source)


def _described(shards: Stage, source: ImportSource) -> Stage:
    def run(context: StageContext) -> StageResult:
        # While the decoder is replaced, the old shards must not look as if they were its.
        (context.paths.raw_activations / MANIFEST).unlink(missing_ok=True)
        result = shards.run(context)
        outside, facts = [f"../{METADATA}"], dict(result.facts)
        if source.decoder is not None:
            facts["d_model"] = _check_decoder(source.decoder)
            link_aside(source.decoder, context.paths.decoder)
            outside.append(f"../{DECODER}")
        else:
            context.paths.decoder.unlink(missing_ok=True)
        root = context.paths.root
        known = {"num_tokens": context.experiment.tokens.n_tokens}
        stated = identity_of(source.metadata, root.name)
        save_metadata(root, known | stated | facts | {"experiment_id": root.name})
        return StageResult(facts=result.facts, outside=tuple(outside))

    def fingerprints(config: ExperimentConfig, paths: ExperimentPaths) -> dict[str, str]:
        described = config_hash(source.metadata)
        return shards.fingerprints(config, paths) | {"description": described}

    return replace(shards, run=run, fingerprints=fingerprints)


def _check_decoder(path: Path) -> int:
    """Return the width of the decoder, all of whose rows are finite."""
    decoder = open_npy(path, dtypes=("<f4",), shape=(None, None))
    for first in range(0, len(decoder), DECODER_BLOCK):
        bad = ~np.isfinite(decoder[first : first + DECODER_BLOCK]).all(axis=1)
        release(decoder)
        if bad.any():
            raise CorruptArtifactError(
                f"{path}, row {first + int(bad.argmax()):,}: not finite. Make the decoder again."
            )
    return int(decoder.shape[1])


def _greatest_latent(files: list[Path]) -> int:
    """Return the greatest latent that fires in any of the specification's shards."""
    blocks = (block.latents for path in files for block in firing_blocks(path))
    return max((int(latents.max()) for latents in blocks if len(latents)), default=0)


def _latent_stages(source: ImportSource, tokenizer: str | None) -> tuple[Stage, Stage]:
    """Return the stages that make a corpus and one shard of ``latents/*.npz``."""
    assert source.latents is not None
    folder = source.latents

    @functools.cache
    def digests() -> dict[str, str]:
        """Read up to 128 KiB of each of 65,536 files, and that once."""
        files = [source.corpus, source.decoder, source.vocabulary, folder]
        # Not the bare names: an input called corpus is the experiment's own.
        found = {f"source/{path.name}": fingerprint(path) for path in files if path is not None}
        return found | {"tokenizer": tokenizer or "", METADATA: config_hash(source.metadata)}

    def estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
        # Tokens of eight bytes become four; two headers and the zip's directory go away.
        files = latent_file_paths(folder)
        held = sum(path.stat().st_size for _, path in files) - ZIP_BYTES * len(files)
        return max(held, 0) * 6 // 10 + 8 * len(files)

    corpus = Stage(
        name="adopt-corpus",
        version=1,
        does="adopt the token table",
        folder=lambda paths: paths.corpus,
        inputs=(),
        run=lambda context: _corpus_of_latents(source, folder, tokenizer, context),
        estimate=lambda config, paths: _known_rows(source) * TOKEN_BYTES,
        memory=lambda config, paths: PROCESS_BYTES + 2 * _known_rows(source) * TOKEN_BYTES,
        fingerprints=lambda config, paths: digests(),
    )
    shards = Stage(
        name="adopt-harvest",
        version=1,
        does="adopt the firings of every latent",
        folder=lambda paths: paths.raw_activations,
        inputs=("adopt-corpus",),
        run=lambda context: _shard_of_latents(source, folder, context),
        estimate=estimate,
        memory=lambda config, paths: PROCESS_BYTES,
        fingerprints=lambda config, paths: digests(),
    )
    return corpus, shards


def _known_rows(source: ImportSource) -> int:
    """Return the rows of the token table, as far as arrays or metadata tell."""
    if source.corpus is not None:
        return len(read_corpus_arrays(source.corpus)[0])
    stated = source.metadata.get("n_tokens", source.metadata.get("num_tokens", 0))
    if type(stated) is not int or not 0 <= stated <= MAX_ROWS:
        raise CorruptArtifactError(
            f"{source.folder}: num_tokens of {METADATA} is {stated!r}, expected the number of "
            "tokens of the corpus. Correct it, or leave it out."
        )
    return stated


def _corpus_of_latents(
    source: ImportSource, folder: Path, tokenizer: str | None, context: StageContext
) -> StageResult:
    texts = adopted_texts(source.vocabulary, tokenizer)
    if source.corpus is not None:
        token_id, doc_id, position = read_corpus_arrays(source.corpus)
        most = max(len(token_id), MIN_DOCUMENTS)
        for name, column, limit in (
            ("token id", token_id, MAX_TOKEN_ID),
            ("document", doc_id, most),
        ):
            if int(column.max(initial=-1)) >= limit:
                raise CorruptArtifactError(
                    f"{source.corpus}, row {int(column.argmax()):,}: bad {name} "
                    f"{int(column.max())}, expected below {limit:,}."
                )
    else:
        n_tokens = max(_known_rows(source), _last_token(folder) + 1)
        token_id, doc_id, position = (np.full(n_tokens, -1, dtype=np.int32) for _ in range(3))
    windows, documents = windows_and_documents(doc_id, position)
    save_token_table(context.folder, TokenTable(token_id, doc_id, position, windows, documents))
    save_adopted_texts(context.folder, token_id, texts)
    return StageResult(facts={"adopted": "latents", "n_tokens": len(token_id)})


def _last_token(folder: Path) -> int:
    last = -1
    for found in latent_files(folder):
        if found.n_firings:
            tokens, _ = read_latent_file(found, n_tokens=MAX_ROWS, dtype=np.float32)
            last = max(last, int(tokens[-1]))
    return last


def _shard_of_latents(source: ImportSource, folder: Path, context: StageContext) -> StageResult:
    files = list(latent_files(folder))
    n_latents = count_latents(source) or files[-1].latent + 1
    if files[-1].latent >= n_latents:
        raise CorruptArtifactError(
            f"{files[-1].path} is of latent {files[-1].latent:,} and there are {n_latents:,}."
        )
    n_tokens = context.experiment.tokens.n_tokens
    wide = any(found.dtype.itemsize > 2 for found in files)
    dtype = np.float32 if wide else np.float16
    write_latent_shard(
        context.folder,
        _firings(files, n_tokens, dtype, context),
        n_latents=n_latents,
        n_tokens=n_tokens,
        dtype=dtype,
    )
    return StageResult(facts=shard_facts(context.folder))


def _firings(
    files: list[LatentFile], n_tokens: int, dtype: Any, context: StageContext
) -> Iterator[tuple[int, Array, Array]]:
    with context.progress.task("adopt latents", total=len(files), unit="latents") as task:
        for found in files:
            yield found.latent, *read_latent_file(found, n_tokens=n_tokens, dtype=dtype)
            task.advance()
