"""Planted experiments on disk: both layouts, any number of workers, killed, and taken up."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_manifold.core.config import load_config
from feature_manifold.core.errors import LockedError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.pipeline import plan_experiment, run_experiment, verify_experiment
from feature_manifold.pipeline.plan import Selection
from feature_manifold.store.lock import experiment_lock
from feature_manifold.store.manifest import file_problems, read_manifest
from feature_manifold.store.shards import open_shards
from feature_manifold.store.spec_layout import FiringRows, spec_shard_paths
from feature_manifold.store.token_table import load_vocabulary, open_token_table
from feature_manifold.testing.planted import spec_folder
from feature_manifold.testing.planted.experiment import plant
from feature_manifold.testing.planted.spec import Layout, PlantedSpec
from feature_manifold.testing.planted.write import PlantedFiles, planted_config, write_planted

SPEC = PlantedSpec(
    n_tokens=2000, n_latents=256, d_model=32, l0=8, seed=4, seq_len=64, shard_tokens=700
)
WAYS_TO_WRITE = [(os, "replace"), (os, "fsync"), (shutil, "rmtree"), (Path, "unlink"), (os, "link")]


def write(root: Path, spec: PlantedSpec = SPEC, **options: Any) -> PlantedFiles:
    config = planted_config(spec, data_root=root, n_workers=options.pop("n_workers", 2))
    return write_planted(spec, config, progress=SilentProgress(), **options)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in files if path.name not in {".lock", "config.yaml"})
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> PlantedFiles:
    return write(tmp_path_factory.mktemp("both"), layout=Layout.BOTH)


def test_the_same_spec_gives_the_same_bytes_whatever_the_workers(
    both: PlantedFiles, tmp_path: Path
) -> None:
    for n_workers in (1, 3):
        again = write(tmp_path / str(n_workers), n_workers=n_workers)
        assert contents(again.paths.root) == contents(both.paths.root)


def test_another_seed_gives_other_bytes(both: PlantedFiles, tmp_path: Path) -> None:
    other = write(tmp_path, PlantedSpec(**{**vars(SPEC), "seed": 5}))
    tokens, other_tokens = (open_token_table(one.paths.corpus) for one in (both, other))
    assert not np.array_equal(tokens.token_id, other_tokens.token_id)


def test_the_specified_layout_alone_is_the_same_and_leaves_nothing_else(
    both: PlantedFiles, tmp_path: Path
) -> None:
    alone = write(tmp_path, layout=Layout.SPEC)
    assert contents(alone.spec_folder) == contents(both.spec_folder)
    assert [path.name for path in tmp_path.rglob("*") if path.is_dir()] == [
        "spec_layout",
        alone.config.experiment_id,
    ]
    again = write(tmp_path, layout=Layout.SPEC)
    assert [report.outcome for report in again.reports] == ["skipped"]


def rows_of(folder: Path) -> FiringRows:
    parts = [np.load(path, allow_pickle=False) for path in spec_shard_paths(folder)]
    return FiringRows(
        **{name: np.concatenate([part[name] for part in parts]) for name in spec_folder.COLUMNS}
    )


def test_both_layouts_hold_the_same_firings(both: PlantedFiles) -> None:
    rows, table = rows_of(both.spec_folder), open_token_table(both.paths.corpus)
    shards = open_shards(both.paths.raw_activations)
    assert len(shards) == 3
    latents = [np.repeat(np.arange(shard.n_latents), np.diff(shard.indptr)) for shard in shards]
    found = np.concatenate(latents)
    tokens = np.concatenate([shard.tokens for shard in shards])
    activations = np.concatenate([shard.activations for shard in shards])
    order = np.lexsort((found, tokens))
    assert np.array_equal(rows.token_indices, tokens[order])
    assert np.array_equal(rows.latent_indices, found[order])
    assert rows.activations.tobytes() == activations[order].tobytes()
    assert np.array_equal(rows.token_ids, table.token_id[rows.token_indices])
    assert np.array_equal(rows.doc_ids, table.doc_id[rows.token_indices])
    assert np.array_equal(rows.positions, table.position[rows.token_indices])
    assert rows.positions.dtype == np.int16


@pytest.mark.parametrize("rows_per_file", [1000, 6999, 100_000])
def test_files_are_full_but_for_the_last(both: PlantedFiles, rows_per_file: int) -> None:
    shards = open_shards(both.paths.raw_activations)
    table = open_token_table(both.paths.corpus)
    files = list(spec_folder.spec_files(shards, table, rows_per_file=rows_per_file))
    sizes = [len(rows.token_indices) for rows in files]
    assert sizes[:-1] == [rows_per_file] * (len(sizes) - 1)
    whole = rows_of(both.spec_folder)
    for name in spec_folder.COLUMNS:
        joined = np.concatenate([getattr(rows, name) for rows in files])
        assert joined.tobytes() == getattr(whole, name).tobytes()


def test_memory_and_disk_hold_the_same(tmp_path: Path) -> None:
    one = PlantedSpec(**{**vars(SPEC), "shard_tokens": 10_000})
    planted, written = plant(one), write(tmp_path, one)
    table, [shard] = (
        open_token_table(written.paths.corpus),
        open_shards(written.paths.raw_activations),
    )
    for name in ("token_id", "doc_id", "position", "windows", "documents"):
        assert np.array_equal(getattr(planted.table, name), getattr(table, name))
    for name in ("indptr", "tokens", "activations"):
        assert np.array_equal(getattr(planted.firings, name), getattr(shard, name))
    assert np.array_equal(planted.decoder, np.load(written.paths.decoder))
    vocabulary = load_vocabulary(written.paths.corpus)
    assert vocabulary == planted.plan.corpus.vocabulary.texts
    assert len(set(vocabulary)) == len(vocabulary)


def test_later_runs_take_the_experiment_for_harvested(both: PlantedFiles) -> None:
    config = load_config(both.config_file)
    assert config.experiment_id == both.paths.root.name == "planted_layer0_256_8"
    actions = {p.stage.name: p.action for p in plan_experiment(config, Selection())}
    assert actions["corpus"] == actions["harvest"] == "skip"
    reports = run_experiment(config, Selection(only=("index",)), progress=SilentProgress())
    assert {r.name: r.outcome for r in reports if r.outcome != "left"} == {"index": "ran"}
    states = {
        state.name: state.state
        for state in verify_experiment(both.paths, progress=SilentProgress())
    }
    assert all(states[name] == "correct" for name in ("corpus", "harvest", "index"))


def test_what_is_current_is_kept_and_what_is_not_made_anew(tmp_path: Path) -> None:
    write(tmp_path)
    assert [report.outcome for report in write(tmp_path).reports] == ["skipped", "skipped"]
    assert [report.outcome for report in write(tmp_path, force=True).reports] == ["ran", "ran"]
    other = PlantedSpec(**{**vars(SPEC), "seed": 5})
    assert [report.outcome for report in write(tmp_path, other).reports] == ["ran", "ran"]


def test_an_experiment_in_use_is_left_alone(both: PlantedFiles) -> None:
    before = contents(both.paths.root)
    other = PlantedSpec(**{**vars(SPEC), "seed": 5})
    with experiment_lock(both.paths.lock), pytest.raises(LockedError):
        write(both.paths.root.parents[1], other)
    assert contents(both.paths.root) == before


class KilledError(BaseException):
    """Stands for SIGKILL: from its first raise on, no write of the process succeeds."""


def killed_write(root: Path, at: int, monkeypatch: pytest.MonkeyPatch, layout: Layout) -> bool:
    """Write until write number ``at``; say whether it came that far."""
    writes = 0

    def dying(act: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes > at:
                raise KilledError
            return act(*arguments, **keywords)

        return wrapped

    with monkeypatch.context() as patch:
        for owner, name in WAYS_TO_WRITE:
            patch.setattr(owner, name, dying(getattr(owner, name)))
        try:
            write(root, layout=layout, n_workers=1)
        except KilledError:
            return True
    return False


@pytest.mark.parametrize(("layout", "step"), [(Layout.BOTH, 4), (Layout.SPEC, 11)])
def test_killed_at_a_write_it_leaves_nothing_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Layout, step: int
) -> None:
    whole = write(tmp_path / "whole", layout=layout)
    wanted = contents(tmp_path / "whole")
    for at in range(0, 1000, step):
        root = tmp_path / str(at)
        if not killed_write(root, at, monkeypatch, layout):
            break
        place = root / whole.paths.root.relative_to(tmp_path / "whole")
        folder = root / whole.spec_folder.relative_to(tmp_path / "whole")
        for made in (place / "corpus", place / "raw_activations", folder):
            manifest = read_manifest(made)
            assert manifest is None or not file_problems(made, manifest, read_all=True)
        if (place / "config.yaml").exists():
            assert read_manifest(place / "raw_activations") is not None
        write(root, layout=layout)
        assert contents(root) == wanted, f"killed at write {at}"
        shutil.rmtree(root)
    assert at > 60
