"""The specification's manual steps: one function per script, on folders named one by one."""

import shutil
from dataclasses import replace
from pathlib import Path

from feature_manifold.core.config import ExperimentConfig, make_config
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.progress import Progress
from feature_manifold.examples.contexts import corpus_tokens
from feature_manifold.export.payloads import positions_payload
from feature_manifold.pipeline.adopt import (
    adopt_decoder,
    adopting_stages,
    after_adopting,
    find_raw,
)
from feature_manifold.pipeline.examples import EXAMPLES
from feature_manifold.pipeline.export import PAGES, write_indexes, write_pages
from feature_manifold.pipeline.graph import GRAPH
from feature_manifold.pipeline.index import INDEX
from feature_manifold.pipeline.plan import Selection
from feature_manifold.pipeline.runner import run_stages
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.atomic import begin_folder, replaced_folder
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.firings import open_by_latent
from feature_manifold.store.latent_files import write_latent_files
from feature_manifold.store.layout import ADOPTED, ExperimentPaths
from feature_manifold.store.lock import experiment_lock
from feature_manifold.store.npy import open_npy
from feature_manifold.store.shards import open_shards
from feature_manifold.store.spec_layout import write_json
from feature_manifold.store.token_table import load_metadata


def index_folder(raw_folder: Path, folder: Path, *, n_workers: int, progress: Progress) -> None:
    """Make ``latents/``, ``decoder.npy`` and ``metadata.json`` in ``folder`` from raw activations.

    Parameters
    ----------
    raw_folder
        ``shard_*.npz`` of the specification, or the output of our own harvest.
    folder
        Gets our index, and beside it one ``.npz`` per latent.
    n_workers
        Threads.
    """
    raw = find_raw(raw_folder)
    paths = ExperimentPaths(folder, folder / "visualizer", folder / ADOPTED)
    stages = (*adopting_stages(raw), _with_latent_files(after_adopting(INDEX)))
    config = make_config({"n_workers": n_workers})
    if raw.decoder.resolve() != paths.decoder.resolve():
        # It may be that of another SAE: a run killed before the end must not leave it there.
        paths.decoder.unlink(missing_ok=True)
    run_stages(stages, config, paths, Selection(), progress=progress)
    adopt_decoder(raw, paths)


def _with_latent_files(index: Stage) -> Stage:
    """Return the stage that also writes one ``.npz`` per latent, committed with the index."""

    def run(context: StageContext) -> StageResult:
        result = index.run(context)
        write_latent_files(
            context.folder,
            open_by_latent(context.folder),
            n_workers=context.config.threads,
            progress=context.progress,
        )
        return result

    return replace(index, run=run)


def graph_folder(config: ExperimentConfig, folder: Path, *, progress: Progress) -> None:
    """Make ``graph/`` in a folder that ``index_folder`` made."""
    paths = ExperimentPaths(folder, folder / "visualizer", folder / ADOPTED)
    run_stages(
        (_given(INDEX), GRAPH), config, paths, Selection(leave=("index",)), progress=progress
    )


def _given(stage: Stage) -> Stage:
    """Return a stage that is not run here: what it made is taken as it is."""
    return replace(stage, inputs=())


def extract_folder(
    config: ExperimentConfig,
    raw_folder: Path,
    folder: Path,
    *,
    max_shards: int | None,
    tokenizer: str | None,
    progress: Progress,
) -> None:
    """Make ``index.json`` and ``latents/*.json`` in ``folder`` from raw activations.

    Parameters
    ----------
    config
        Says how examples are picked.
    raw_folder
        ``shard_*.npz`` of the specification, or the output of our own harvest.
    folder
        Gets the JSON.
    max_shards
        Shards to use; None uses all.
    tokenizer
        Model whose tokenizer turns token ids into text, where the raw folder has no vocabulary;
        None takes the model that its metadata names.
    """
    raw = find_raw(raw_folder, max_shards=max_shards)
    if raw.native is None:
        raw = replace(raw, tokenizer=tokenizer or _stated_model(raw.described))
    folder.mkdir(parents=True, exist_ok=True)
    stages = (*adopting_stages(raw), after_adopting(INDEX), after_adopting(EXAMPLES))
    with experiment_lock(folder / ".lock"):
        work = begin_folder(folder / "extract")
        try:
            paths = ExperimentPaths(work, work / "visualizer")
            run_stages(stages, config, paths, Selection(), progress=progress)
            experiment = Experiment(paths)
            # index.json says that the folder is whole: it goes first and comes last.
            (folder / "index.json").unlink(missing_ok=True)
            with replaced_folder(folder / PAGES) as pages:
                write_pages(experiment, pages, progress=progress)
            # With max_shards the firings are of the first tokens only.
            stop = open_shards(paths.raw_activations)[-1].stop
            num_tokens = corpus_tokens(experiment.tokens, stop=stop)
            write_indexes(experiment, folder, config, num_tokens=num_tokens)
        finally:
            shutil.rmtree(work)


def _stated_model(folder: Path) -> str:
    name = load_metadata(folder).get("model_name")
    if not isinstance(name, str):
        raise CorruptArtifactError(
            f"{folder / 'metadata.json'} names no model. Say whose tokenizer to use: --tokenizer"
        )
    return name


def export_positions(positions_file: Path, output: Path) -> None:
    """Turn ``positions.npy`` into ``positions.json``."""
    positions = open_npy(positions_file, dtypes=("<f4", "<f8"), shape=(None, 2))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, positions_payload(positions))
