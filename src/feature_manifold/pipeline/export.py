"""Stage ``export``: the specification's JSON, which a static file server can serve."""

from datetime import UTC, datetime
from pathlib import Path

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.progress import Progress
from feature_manifold.examples.pages import latent_page
from feature_manifold.export.payloads import (
    edges_payload,
    experiment_entry,
    experiments_payload,
    index_payload,
    positions_payload,
    search_index_payload,
)
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.layout import (
    EDGES,
    EXPERIMENT_LIST,
    FORMAT_VERSIONS,
    POSITIONS,
    DataRoot,
    ExperimentPaths,
    latent_name,
)
from feature_manifold.store.manifest import read_manifest
from feature_manifold.store.spec_layout import encode_json, write_json
from feature_manifold.store.token_table import load_metadata

MAX_EDGES_PER_NODE = 10
EDGE_THRESHOLD = 0.1
EXPORTED_EDGES = "cosine"

# One merged context: 21 tokens with text and activation, twice over, measured on the demo.
EXAMPLE_BYTES = 500
LATENT_BYTES = 1500


def write_examples(
    experiment: Experiment, folder: Path, config: ExperimentConfig, *, progress: Progress
) -> None:
    """Write ``index.json``, ``search_index.json`` and a page per latent into ``folder``."""
    index = index_payload(
        experiment.statistics,
        experiment.examples,
        experiment.vocabulary,
        top_k=config.top_k,
        sample_percentiles=config.sample_percentiles,
        context_size=config.context_size,
    )
    pages = folder / "latents"
    pages.mkdir(exist_ok=True)
    n_latents = experiment.by_latent.n_latents
    with progress.task("export pages", total=n_latents, unit="latents") as task:
        for latent in range(n_latents):
            path = pages / f"{latent_name(latent)}.json"
            page = latent_page(experiment, latent).to_json()
            path.write_bytes(encode_json(page, name=str(path)))
            task.advance()
    search = search_index_payload(experiment.examples, experiment.vocabulary)
    write_json(folder / "search_index.json", search)
    # The index comes last: without it the app finds no experiment in a folder half made.
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
    write_examples(experiment, folder, context.config, progress=context.progress)
    return StageResult(facts={"n_latents": experiment.by_latent.n_latents})


def write_experiment_list(root: DataRoot) -> None:
    """Write ``visualizer_data/experiments.json``: every experiment and whether it is exported."""
    entries = []
    for experiment_id in root.experiment_ids():
        paths = root.experiment(experiment_id)
        if read_manifest(paths.raw_activations) is None:
            continue
        exported = read_manifest(paths.visualizer) is not None
        metadata = load_metadata(paths.root)
        entries.append(experiment_entry(experiment_id, metadata, has_visualizer=exported))
    root.visualizer_data.mkdir(parents=True, exist_ok=True)
    payload = experiments_payload(entries, updated_at=datetime.now(UTC).isoformat())
    write_json(root.visualizer_data / EXPERIMENT_LIST, payload)


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    manifest = read_manifest(paths.examples)
    if manifest is None:
        return 0
    index = read_manifest(paths.latents)
    n_latents = int(index.facts["n_latents"]) if index else 0
    return int(manifest.facts["n_examples"]) * EXAMPLE_BYTES + n_latents * LATENT_BYTES


EXPORT = Stage(
    name="export",
    version=FORMAT_VERSIONS["export"],
    does="write JSON for static serving",
    folder=lambda paths: paths.visualizer,
    inputs=("corpus", "index", "graph", "examples"),
    run=_run,
    estimate=_estimate,
)
