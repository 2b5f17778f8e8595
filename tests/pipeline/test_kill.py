"""Killed at any write, a run leaves nothing that looks finished, and the next ends the same."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.plan import Selection
from feature_manifold.pipeline.runner import run_stages
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.manifest import file_problems, read_manifest
from feature_manifold.store.shards import Shard, drop_shards, is_shard_current, write_shard
from feature_manifold.store.spec_layout import write_json
from feature_manifold.store.token_table import save_metadata
from tests.pipeline.toy import toy_config, toy_paths

N_SHARDS = 2
WAYS_TO_WRITE = [(os, "replace"), (os, "fsync"), (shutil, "rmtree"), (Path, "unlink")]


class KilledError(BaseException):
    """Stands for SIGKILL: from its first raise on, no write of the process succeeds."""


def harvest(context: StageContext) -> StageResult:
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


def index(context: StageContext) -> StageResult:
    (context.folder / "content").write_text(context.inputs["harvest"])
    return StageResult()


STAGES = (
    Stage(
        name="harvest",
        version=1,
        does="toy",
        folder=lambda paths: paths.raw_activations,
        inputs=(),
        run=harvest,
        estimate=lambda config, paths: 0,
        resumable=True,
    ),
    Stage(
        name="index",
        version=1,
        does="toy",
        folder=lambda paths: paths.latents,
        inputs=("harvest",),
        run=index,
        estimate=lambda config, paths: 0,
    ),
)


def run(folder: Path, *, layer: int, force: bool = False) -> None:
    run_stages(
        STAGES,
        toy_config(layer=layer),
        toy_paths(folder),
        Selection(force=force),
        progress=SilentProgress(),
    )


def killed_run(folder: Path, at: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> bool:
    """Run until the write number ``at``; say whether the run came that far."""
    writes = 0

    def dying(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes > at:
                raise KilledError
            return write(*arguments, **keywords)

        return wrapped

    with monkeypatch.context() as patch:
        for owner, name in WAYS_TO_WRITE:
            patch.setattr(owner, name, dying(getattr(owner, name)))
        try:
            run(folder, **options)
        except KilledError:
            return True
    return False


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("force", [False, True])
def test_a_run_killed_at_any_write_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    run(tmp_path / "whole", layer=2)
    whole = contents(toy_paths(tmp_path / "whole").root)
    for at in range(1000):
        folder = tmp_path / str(at)
        run(folder, layer=1)
        if not killed_run(folder, at, monkeypatch, layer=2, force=force):
            break
        for stage in STAGES:
            manifest = read_manifest(stage.folder(toy_paths(folder)))
            if manifest is not None:
                assert not file_problems(
                    stage.folder(toy_paths(folder)), manifest, read_all=True
                ), f"killed at write {at}"
        run(folder, layer=2)
        assert contents(toy_paths(folder).root) == whole, f"killed at write {at}"
    assert at > 20
