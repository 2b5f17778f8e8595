"""Stage ``index`` on planted shards: what it writes, and what it said that it would take."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from feature_manifold.cli.main import app
from feature_manifold.core.config import make_config
from feature_manifold.pipeline.index import INDEX, index_size
from feature_manifold.store.firings import open_by_latent, open_by_token
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.store.manifest import read_manifest, write_manifest
from feature_manifold.store.shards import open_shards, shard_records, write_shard
from feature_manifold.store.token_table import open_token_table
from tests import reference

SYNTH = "synth --tokens 1k --latents 256 --l0 7.5 --d-model 32 --shard-tokens 0.3k --data"
N_TOKENS, N_LATENTS = 1000, 256
CONFIG = make_config({"num-tokens": N_TOKENS})


@pytest.fixture
def planted(tmp_path: Path) -> ExperimentPaths:
    run(f"{SYNTH} {tmp_path}")
    (root,) = (tmp_path / "experiments").iterdir()
    return ExperimentPaths(root, root / "visualizer")


def run(line: str) -> None:
    assert CliRunner().invoke(app, shlex.split(line), catch_exceptions=False).exit_code == 0


def run_index(paths: ExperimentPaths, options: str = "") -> None:
    run(f"index {paths.root / 'config.yaml'} --data-root {paths.root.parents[1]} {options}")


def finish(raw: Path) -> None:
    old = read_manifest(raw)
    assert old is not None
    records = {**old.files, **shard_records(raw)}
    write_manifest(raw, replace(old, files=records))


def test_both_orientations_hold_the_firings_of_all_shards(planted: ExperimentPaths) -> None:
    run_index(planted)
    n_tokens = open_token_table(planted.corpus).n_tokens
    dense = np.zeros((n_tokens, N_LATENTS), dtype=np.float16)
    for shard in open_shards(planted.raw_activations):
        latents = np.repeat(np.arange(N_LATENTS), np.diff(shard.indptr))
        dense[shard.tokens, latents] = shard.activations
    by_latent, expected = open_by_latent(planted.latents), reference.by_latent_of(dense)
    for name in ("indptr", "tokens", "activations"):
        np.testing.assert_array_equal(getattr(by_latent, name), getattr(expected, name))
    by_token, turned = open_by_token(planted.latents), reference.by_token_of(dense)
    for name in ("indptr", "latents", "activations"):
        np.testing.assert_array_equal(getattr(by_token, name), getattr(turned, name))


def test_the_index_does_not_depend_on_the_number_of_threads(planted: ExperimentPaths) -> None:
    digests = set()
    for n_workers in (1, 2, 5):
        run_index(planted, f"--n-workers {n_workers} --force")
        manifest = read_manifest(planted.latents)
        assert manifest is not None
        digests.add(manifest.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("wide", [False, True])
def test_the_disk_that_it_takes_is_known_before(planted: ExperimentPaths, wide: bool) -> None:
    if wide:
        shard = open_shards(planted.raw_activations)[1]
        shard = replace(shard, activations=np.array(shard.activations, dtype=np.float32))
        shard = replace(shard, tokens=np.array(shard.tokens), indptr=np.array(shard.indptr))
        write_shard(planted.raw_activations, 1, shard, config={}, inputs={})
        finish(planted.raw_activations)
    said = INDEX.estimate(CONFIG, planted)
    run_index(planted)
    files = [path for path in planted.latents.iterdir() if path.suffix == ".npy"]
    assert said == pytest.approx(sum(path.stat().st_size for path in files), abs=200 * len(files))


def test_a_plan_before_the_harvest_counts_on_the_published_l0(tmp_path: Path) -> None:
    config = make_config({"num-tokens": 10_000_000, "sae-width": "65k", "sae-l0": "medium"})
    size = index_size(config, ExperimentPaths(tmp_path, tmp_path / "visualizer"))
    assert size.n_firings == 600_000_000
    assert size.disk_bytes == pytest.approx(7.28e9, rel=0.01)
    assert 450 << 20 < size.memory_bytes(2) < 700 << 20  # 592 MiB measured


def test_a_harvest_without_firings_makes_an_index_without_firings(tmp_path: Path) -> None:
    run(f"{SYNTH} {tmp_path}")
    (root,) = (tmp_path / "experiments").iterdir()
    paths = ExperimentPaths(root, root / "visualizer")
    for number, shard in enumerate(open_shards(paths.raw_activations)):
        empty = replace(
            shard,
            indptr=np.zeros(N_LATENTS + 1, dtype=np.int64),
            tokens=np.zeros(0, dtype=np.uint32),
            activations=np.zeros(0, dtype=np.float16),
        )
        write_shard(paths.raw_activations, number, empty, config={}, inputs={})
    finish(paths.raw_activations)
    run_index(paths)
    manifest = read_manifest(paths.latents)
    assert manifest is not None
    assert (manifest.facts["n_firings"], manifest.facts["n_silent_latents"]) == (0, N_LATENTS)
    assert open_by_token(paths.latents).token(N_TOKENS - 1)[0].size == 0
