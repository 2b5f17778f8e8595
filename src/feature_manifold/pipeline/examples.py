"""Stage ``examples``: what each latent fires on."""

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.examples.extract import extract_examples
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.examples import N_BINS, save_examples
from feature_manifold.store.layout import (
    FORMAT_VERSIONS,
    ExperimentPaths,
)
from feature_manifold.store.manifest import read_manifest

# Start, stop and group of an example; edges and counts of a histogram; 20 tokens with counts.
EXAMPLE_BYTES = 9
HISTOGRAM_BYTES = 12 * N_BINS
SEARCH_BYTES = 20 * 12
SAMPLED_GROUPS = 3


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
    return StageResult(facts={"n_examples": len(examples.start)})


def most_examples(config: ExperimentConfig) -> int:
    """Return how many examples a latent has at most."""
    sampled = SAMPLED_GROUPS * config.percentile_examples if config.sample_percentiles else 0
    return config.top_k + sampled


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    manifest = read_manifest(paths.latents)
    n_latents = int(manifest.facts["n_latents"]) if manifest else config.nominal_latents
    per_example = most_examples(config) * EXAMPLE_BYTES
    return n_latents * (per_example + HISTOGRAM_BYTES + SEARCH_BYTES)


EXAMPLES = Stage(
    name="examples",
    version=FORMAT_VERSIONS["examples"],
    does="pick examples of every latent",
    folder=lambda paths: paths.examples,
    inputs=("corpus", "index"),
    run=_run,
    estimate=_estimate,
)
