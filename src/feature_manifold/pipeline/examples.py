"""Stage ``examples``: what each latent fires on."""

import logging

import numpy as np

from feature_manifold.core.arrays import Array, check_indptr
from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import FmiError
from feature_manifold.examples.extract import SEARCH_TOKENS, extract_examples
from feature_manifold.examples.picks import GROUP_PERCENTS
from feature_manifold.examples.type_rows import rows_by_type, type_offsets
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.examples import N_BINS, save_examples
from feature_manifold.store.firing_blocks import BLOCK_FIRINGS
from feature_manifold.store.firings import INDPTR
from feature_manifold.store.layout import FORMAT_VERSIONS, ExperimentPaths
from feature_manifold.store.manifest import read_manifest
from feature_manifold.store.npy import open_npy
from feature_manifold.store.type_rows import save_type_rows

logger = logging.getLogger(__name__)

# Start, stop and group of an example; edges and counts of a histogram and two offsets; a token id
# to search by with its count.
EXAMPLE_BYTES = 9
LATENT_BYTES = 4 * (N_BINS + 1) + 8 * N_BINS + 16
SEARCH_BYTES = 12

# Measured: the interpreter, the libraries and the compiler.
PROCESS_BYTES = 280_000_000
# What is found is held in parts and joined; a block's firings are copied and ordered. The token ids
# are copied for the examples, before their rows are sorted in no more memory than that.
COPIES = 2.5
FIRING_BYTES = 10
TOKEN_BYTES = 4


def _run(context: StageContext) -> StageResult:
    config, experiment = context.config, context.experiment
    examples = extract_examples(
        experiment.by_latent,
        experiment.tokens,
        top_k=config.top_k,
        context_size=config.context_size,
        sample_percentiles=config.sample_percentiles,
        percentile_examples=config.percentile_examples,
        seed=config.seed,
        n_workers=config.threads,
        progress=context.progress,
    )
    save_examples(context.folder, examples)
    token_id = experiment.tokens.token_id
    offsets = type_offsets(token_id)
    save_type_rows(context.folder, offsets, rows_by_type(token_id, offsets))
    return StageResult(facts={"n_examples": len(examples.start)})


def expected_examples(config: ExperimentConfig, counts: Array) -> int:
    """Return how many examples latents have that fire so often, if no two contexts touch.

    Where they do, there are fewer: 0.4 % on the planted data of 1 M tokens.
    """
    found = np.minimum(counts, config.top_k).sum()
    if config.sample_percentiles:
        for low, high in GROUP_PERCENTS.values():
            first = np.maximum(counts * low // 100, np.minimum(config.top_k, counts))
            size = np.maximum(counts * high // 100 - first, 0)
            found += np.minimum(size, config.percentile_examples).sum()
    return int(found)


def known_counts(config: ExperimentConfig, paths: ExperimentPaths) -> Array:
    """Return how often each latent fires; before the index is made, as if all fire often."""
    manifest = read_manifest(paths.latents)
    if manifest is not None:
        try:
            indptr = open_npy(paths.latents / INDPTR, dtypes=("<i8",), shape=(None,))
            check_indptr(INDPTR, indptr, n_entries=int(manifest.facts["n_firings"]))
            return np.diff(indptr)
        except FmiError:
            # A damaged index is made again, which no estimate may keep from happening.
            logger.debug("no counts of latents in %s", paths.latents, exc_info=True)
    return np.full(config.nominal_latents, config.num_tokens, dtype=np.int64)


def known_tokens(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    """Return the rows of the token table; before the index is made, as many as are asked for."""
    manifest = read_manifest(paths.latents)
    return int(manifest.facts["n_tokens"]) if manifest else config.num_tokens


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    rows = TOKEN_BYTES * known_tokens(config, paths)
    return rows + _output_bytes(config, known_counts(config, paths))


def _output_bytes(config: ExperimentConfig, counts: Array) -> int:
    search = int(np.minimum(counts, SEARCH_TOKENS).sum())
    examples = expected_examples(config, counts)
    return len(counts) * LATENT_BYTES + search * SEARCH_BYTES + examples * EXAMPLE_BYTES


def _memory(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    counts = known_counts(config, paths)
    n_tokens = known_tokens(config, paths)
    # Before the index is made: no latent of a usable SAE fires on more than half of the tokens.
    known = read_manifest(paths.latents) is not None
    longest = int(counts.max(initial=0)) if known else n_tokens // 2
    block = FIRING_BYTES * (BLOCK_FIRINGS + longest)
    held = int(COPIES * _output_bytes(config, counts))
    return PROCESS_BYTES + TOKEN_BYTES * n_tokens + held + block


EXAMPLES = Stage(
    name="examples",
    version=FORMAT_VERSIONS["examples"],
    does="pick examples of every latent",
    folder=lambda paths: paths.examples,
    inputs=("corpus", "index"),
    run=_run,
    estimate=_estimate,
    memory=_memory,
)
