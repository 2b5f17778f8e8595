"""What is run under faults: where it starts, what runs, and which earlier state may be found."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_manifold.core.config import make_config
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.imports import plan_import, run_import
from feature_manifold.pipeline.pipeline import HARVESTING, run_experiment
from feature_manifold.pipeline.plan import Selection
from feature_manifold.pipeline.runner import run_stages
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.store.npy import save_npy
from feature_manifold.store.shards import Shard, drop_shards, is_shard_current, write_shard
from feature_manifold.store.spec_layout import write_json
from feature_manifold.store.token_table import save_metadata
from tests.pipeline.faults.small import N_LATENTS, plant, small_config

DATA = "data"
N_SHARDS = 2


@dataclass(frozen=True)
class Scenario:
    """One thing to run.

    Attributes
    ----------
    begin
        Makes the state before the run in an empty folder.
    run
        The run that a fault hits; called again without fault, it must end as if there was none.
    """

    begin: Callable[[Path], None]
    run: Callable[[Path], None]


def _run_small(folder: Path, *, force: bool = False, **values: object) -> None:
    selection = Selection(leave=HARVESTING, force=force)
    config = small_config(folder / DATA, **values)
    run_experiment(config, selection, progress=SilentProgress())


def _begin_fresh(folder: Path) -> None:
    plant(small_config(folder / DATA))


def _begin_finished(folder: Path) -> None:
    _begin_fresh(folder)
    _run_small(folder, edges_top_k=2, context_size=1)


def _harvest(context: StageContext) -> StageResult:
    """Write as the harvest does: shards in place, then labels, and metadata beside the folder."""
    part, inputs = context.stage_config("harvest"), dict(context.inputs)
    drop_shards(context.folder, from_number=N_SHARDS)
    for number in range(N_SHARDS):
        current = is_shard_current(
            context.folder, number, start=number, stop=number + 1, config=part, inputs=inputs
        )
        if not current:
            one = np.ones(1)
            shard = Shard(np.array([0, 1]), number * one, one, number, number + 1)
            write_shard(context.folder, number, shard, config=part, inputs=inputs)
    write_json(context.folder / "latent_labels.json", {"0": context.config.layer})
    save_metadata(context.paths.root, {"layer": context.config.layer})
    return StageResult(outside=("../metadata.json",))


def _index(context: StageContext) -> StageResult:
    (context.folder / "content").write_text(context.inputs["harvest"])
    return StageResult()


TOYS = (
    Stage(
        name="harvest",
        version=1,
        does="toy",
        folder=lambda paths: paths.raw_activations,
        inputs=(),
        run=_harvest,
        estimate=lambda config, paths: 0,
        resumable=True,
    ),
    Stage(
        name="index",
        version=1,
        does="toy",
        folder=lambda paths: paths.latents,
        inputs=("harvest",),
        run=_index,
        estimate=lambda config, paths: 0,
    ),
)


def _run_toys(folder: Path, *, layer: int, force: bool = False) -> None:
    paths = ExperimentPaths(folder / "toy", folder / "visualizer")
    config = make_config({"num-tokens": 10, "layer": layer})
    run_stages(TOYS, config, paths, Selection(force=force), progress=SilentProgress())


def _begin_raw(folder: Path) -> None:
    """Write shards of the specification's layout, as the prototype leaves them."""
    raw = folder / "raw"
    raw.mkdir()
    random = np.random.default_rng(0)
    tokens, latents = np.nonzero(random.random((12, N_LATENTS)) < 0.5)
    for number, part in enumerate((tokens < 6, tokens >= 6)):
        rows = tokens[part].astype(np.int32)
        np.savez(
            raw / f"shard_{number:05d}.npz",
            token_indices=rows,
            latent_indices=latents[part].astype(np.int32),
            activations=1 + rows.astype(np.float32),
            token_ids=1 + rows,
            doc_ids=0 * rows,
            positions=rows,
        )
    save_npy(raw / "decoder.npy", random.normal(size=(N_LATENTS, 4)).astype(np.float32))
    save_metadata(raw, {"model_name": "org/small", "num_tokens": 12})


def _run_import(folder: Path, *, source: str = "raw", force: bool = False) -> None:
    plan = plan_import(
        folder / source,
        small_config(folder / DATA),
        experiment_id="small",
        tokenizer=None,
        identity={"model_name": "org/small", "layer": 1, "sae_width": "8", "sae_l0": "small"},
    )
    run_import(plan, force=force, adopt_only=False, progress=SilentProgress())


def _begin_imported(folder: Path) -> None:
    """Import shards with a decoder, and write per-latent files without one beside them."""
    _begin_raw(folder)
    _run_import(folder)
    (folder / "old" / "latents").mkdir(parents=True)
    for latent in range(3):
        np.savez(
            folder / "old" / "latents" / f"{latent:05d}.npz",
            token_indices=np.arange(latent, 9),
            activations=np.ones(9 - latent, dtype=np.float16),
        )


SCENARIOS = {
    "first": Scenario(_begin_fresh, _run_small),
    "forced": Scenario(_begin_finished, lambda folder: _run_small(folder, force=True)),
    "harvest": Scenario(
        lambda folder: _run_toys(folder, layer=1), lambda folder: _run_toys(folder, layer=2)
    ),
    "forced-harvest": Scenario(
        lambda folder: _run_toys(folder, layer=1),
        lambda folder: _run_toys(folder, layer=2, force=True),
    ),
    "import": Scenario(_begin_raw, _run_import),
    "forced-import": Scenario(
        _begin_imported, lambda folder: _run_import(folder, source="old", force=True)
    ),
}
"""By name; "forced" starts from a finished run of another config."""


def start_over(scenario: Scenario, template: Path, folder: Path) -> None:
    """Put the state before the run into ``folder``; made once, then copied."""
    if not template.exists():
        template.mkdir(parents=True)
        scenario.begin(template)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
