"""Stage ``export``: the specification's JSON, which a static file server can serve."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import FmiError
from feature_manifold.core.progress import Progress
from feature_manifold.examples.contexts import corpus_tokens
from feature_manifold.examples.pages import latent_page
from feature_manifold.export.payloads import (
    edges_payload,
    experiment_entry,
    experiments_payload,
    index_payload,
    positions_payload,
    search_index_payload,
)
from feature_manifold.pipeline.examples import expected_examples, known_counts
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.layout import (
    EDGES,
    EXPERIMENT_LIST,
    FORMAT_VERSIONS,
    LIST_LOCK,
    POSITIONS,
    VOCABULARY,
    DataRoot,
    ExperimentPaths,
    latent_name,
)
from feature_manifold.store.lock import turn
from feature_manifold.store.manifest import read_manifest
from feature_manifold.store.npy import release
from feature_manifold.store.spec_layout import encode_json, write_json
from feature_manifold.store.token_table import load_metadata

logger = logging.getLogger(__name__)

MAX_EDGES_PER_NODE = 10
EDGE_THRESHOLD = 0.1
EXPORTED_EDGES = "cosine"
PAGES = "latents"

# Each page touches some hundred pages of mapped memory, 16 KB round each: 0.4 GB in all.
PAGES_BETWEEN_RELEASES = 256

# Before there are pages to measure: the keys of an example; a token's text, twice, and its
# activation.
EXAMPLE_BYTES = 130
TOKEN_BYTES = 17
# A page without examples; a latent's part of the edges, positions and the two indexes.
PAGE_BYTES = 900
INDEX_BYTES = 650
SAMPLED_PAGES = 128
# Measured: the interpreter and the libraries; the vocabulary, in text; a latent's listed edges and
# search tokens as JSON values; an edge of the matrix, of which a row has half again its own.
PROCESS_BYTES = 170_000_000
VOCABULARY_COPIES = 6
ENTRY_BYTES = 2200
EDGE_BYTES = 8 * 1.5


def write_pages(experiment: Experiment, folder: Path, *, progress: Progress) -> None:
    """Write the page of every latent into ``folder``."""
    n_latents = experiment.by_latent.n_latents
    mapped = (experiment.by_latent.tokens, experiment.by_latent.activations)
    with progress.task("export pages", total=n_latents, unit="latents") as task:
        for latent in range(n_latents):
            path = folder / f"{latent_name(latent)}.json"
            page = latent_page(experiment, latent).to_json()
            path.write_bytes(encode_json(page, name=str(path)))
            if latent % PAGES_BETWEEN_RELEASES == 0:
                release(*mapped)
            task.advance()


def write_indexes(
    experiment: Experiment, folder: Path, config: ExperimentConfig, *, num_tokens: int
) -> None:
    """Write ``search_index.json`` and, last, ``index.json``: without it the app finds nothing."""
    index = index_payload(
        experiment.statistics,
        experiment.examples,
        experiment.vocabulary,
        num_tokens=num_tokens,
        top_k=config.top_k,
        sample_percentiles=config.sample_percentiles,
        context_size=config.context_size,
    )
    search = search_index_payload(experiment.examples, experiment.vocabulary)
    write_json(folder / "search_index.json", search)
    write_json(folder / "index.json", index)


def _run(context: StageContext) -> StageResult:
    experiment, folder = context.experiment, context.folder
    for layout in experiment.layouts():
        name = Path(POSITIONS[layout]).with_suffix(".json").name
        write_json(folder / name, positions_payload(experiment.positions(layout)))
    edges = edges_payload(
        experiment.edges(EXPORTED_EDGES),
        max_edges_per_node=MAX_EDGES_PER_NODE,
        threshold=EDGE_THRESHOLD,
        source_file=EDGES[EXPORTED_EDGES],
    )
    write_json(folder / "edges.json", edges)
    (folder / PAGES).mkdir()
    write_pages(experiment, folder / PAGES, progress=context.progress)
    num_tokens = corpus_tokens(experiment.tokens)
    write_indexes(experiment, folder, context.config, num_tokens=num_tokens)
    return StageResult(facts={"n_latents": experiment.by_latent.n_latents})


def write_experiment_list(root: DataRoot) -> None:
    """Write ``visualizer_data/experiments.json``: every experiment and whether it is exported.

    Runs of other experiments may end at the same time, so that they take turns.
    """
    with turn(root.visualizer_data / LIST_LOCK):
        entries = [
            entry
            for experiment_id in root.experiment_ids()
            if (entry := _entry(root.experiment(experiment_id))) is not None
        ]
        payload = experiments_payload(entries, updated_at=datetime.now(UTC).isoformat())
        write_json(root.visualizer_data / EXPERIMENT_LIST, payload)


def _entry(paths: ExperimentPaths) -> dict[str, Any] | None:
    """Return the entry of an experiment; None, with a warning, if another one is damaged."""
    try:
        exported = read_manifest(paths.visualizer) is not None
        if not exported and read_manifest(paths.raw_activations) is None:
            return None
        metadata = load_metadata(paths.root)
        return experiment_entry(paths.root.name, metadata, has_visualizer=exported)
    except FmiError as error:
        logger.warning("%s is left out of %s: %s", paths.root.name, EXPERIMENT_LIST, error)
        return None


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    counts, made = known_counts(config, paths), read_manifest(paths.examples)
    n_examples = int(made.facts["n_examples"]) if made else expected_examples(config, counts)
    try:
        per_example = _measured_example(Experiment(paths))
    except FmiError as error:
        # What is missing or stale will be made before this stage runs.
        logger.debug("no pages to measure: %s", error)
        per_example = EXAMPLE_BYTES + TOKEN_BYTES * (2 * config.context_size + 1)
    return int(n_examples * per_example) + len(counts) * (PAGE_BYTES + INDEX_BYTES)


def _memory(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    index, vocabulary = read_manifest(paths.latents), paths.corpus / VOCABULARY
    n_latents = int(index.facts["n_latents"]) if index else config.nominal_latents
    texts = vocabulary.stat().st_size if vocabulary.exists() else 0
    per_latent = ENTRY_BYTES + EDGE_BYTES * config.edges_top_k
    return PROCESS_BYTES + VOCABULARY_COPIES * texts + int(n_latents * per_latent)


def _measured_example(experiment: Experiment) -> float:
    """Return the bytes that an example takes in the pages of some latents."""
    n_latents = experiment.by_latent.n_latents
    latents = np.unique(np.linspace(0, n_latents - 1, SAMPLED_PAGES).astype(np.int64)).tolist()
    pages = [latent_page(experiment, latent).to_json() for latent in latents]
    size = sum(len(encode_json(page, name="page")) for page in pages)
    n_examples = sum(len(found) for page in pages for found in page["examples"].values())
    return max(size - PAGE_BYTES * len(pages), 0) / max(n_examples, 1)


EXPORT = Stage(
    name="export",
    version=FORMAT_VERSIONS["export"],
    does="write JSON for static serving",
    folder=lambda paths: paths.visualizer,
    inputs=("corpus", "index", "graph", "examples"),
    run=_run,
    estimate=_estimate,
    memory=_memory,
)
