"""Stage ``corpus``: text to token table."""

from dataclasses import asdict

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.fingerprint import local_fingerprints
from feature_manifold.store.layout import (
    FORMAT_VERSIONS,
    ExperimentPaths,
)

# token_id, doc_id and position of four bytes each, and a BOS every window.
TOKEN_BYTES = 12.1
VOCABULARY_BYTES = 8_000_000


def _run(context: StageContext) -> StageResult:
    # Imported here: it needs transformers, which exploring does not.
    from feature_manifold.corpus import build_token_table

    facts = build_token_table(context.config, context.folder, progress=context.progress)
    return StageResult(facts=asdict(facts))


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    return int(config.num_tokens * TOKEN_BYTES) + VOCABULARY_BYTES


def _fingerprints(config: ExperimentConfig, paths: ExperimentPaths) -> dict[str, str]:
    return local_fingerprints({"corpus-files": config.corpus, "tokenizer-files": config.model})


CORPUS = Stage(
    name="corpus",
    version=FORMAT_VERSIONS["corpus"],
    does="cut the corpus into windows of tokens",
    folder=lambda paths: paths.corpus,
    inputs=(),
    run=_run,
    estimate=_estimate,
    fingerprints=_fingerprints,
)
