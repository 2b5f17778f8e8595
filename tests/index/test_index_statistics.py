"""Statistics and labels of latents."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.index.labels import shard_labels
from feature_manifold.index.statistics import latent_statistics
from feature_manifold.store import firing_blocks
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.npy import open_npy, save_npy


def of_runs(runs: list[Array], n_tokens: int) -> FiringsByLatent:
    """Index runs of activations, each on tokens from 0 on."""
    offsets = np.cumsum([0, *map(len, runs)])
    tokens = np.concatenate([np.arange(len(run), dtype=np.uint32) for run in runs])
    return FiringsByLatent(offsets, tokens, np.concatenate(runs), n_tokens)


@settings(deadline=None)
@given(dense=activations(), data=st.data())
def test_statistics_equal_the_obvious_ones(dense: Array, data: st.DataObject) -> None:
    ids = st.lists(st.integers(-1, 4), min_size=dense.shape[0], max_size=dense.shape[0])
    token_id = np.array(data.draw(ids), dtype=np.int32)
    firings = reference.by_latent_of(dense)
    found = latent_statistics(firings, token_id, progress=SilentProgress())
    np.testing.assert_array_equal(found, reference.statistics_of(firings, token_id))

    cuts = data.draw(st.lists(st.integers(0, dense.shape[0]), max_size=3))
    shards = reference.shards_of(dense, cuts)
    labels = shard_labels(shards, token_id, progress=SilentProgress())
    np.testing.assert_array_equal(labels.token_id, found["label_token_id"])
    np.testing.assert_array_equal(labels.count, found["label_count"])
    np.testing.assert_array_equal(labels.total, found["count"])


def test_means_of_many_small_activations_do_not_drift() -> None:
    dense = np.full((100_000, 1), np.float16(0.1))
    firings = reference.by_latent_of(dense)
    token_id = np.zeros(len(dense), dtype=np.int32)
    (found,) = latent_statistics(firings, token_id, progress=SilentProgress())
    assert found["mean"] == np.float32(np.float16(0.1))


@settings(deadline=None)
@given(
    dtype=st.sampled_from([np.float16, np.float32]),
    data=st.data(),
    n_workers=st.integers(1, 3),
    block_firings=st.integers(1, 40),
)
def test_statistics_are_exact_whatever_the_activations_blocks_and_threads(
    dtype: type[np.floating], data: st.DataObject, n_workers: int, block_firings: int
) -> None:
    greatest = 65504.0 if dtype is np.float16 else 1e30
    width = np.dtype(dtype).itemsize * 8
    least = float(np.finfo(dtype).smallest_subnormal)
    values = st.floats(least, float(dtype(greatest)), width=width)
    few = st.lists(values, min_size=1, max_size=3).flatmap(
        lambda found: st.lists(st.sampled_from(found), max_size=60)
    )
    drawn = data.draw(st.lists(st.one_of(few, st.lists(values, max_size=60)), min_size=1))
    runs = [np.array(run, dtype=dtype) for run in drawn]
    token_id = np.array(data.draw(st.lists(st.integers(-1, 3), min_size=60, max_size=60)))
    firings = of_runs(runs, 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firing_blocks, "BLOCK_FIRINGS", block_firings)
        patch.setattr(firing_blocks, "LATENT_FIRINGS", 1)
        found = latent_statistics(
            firings, token_id.astype(np.int32), n_workers=n_workers, progress=SilentProgress()
        )
    assert found.tobytes() == reference.statistics_of(firings, token_id).tobytes()


def test_float32_activations_above_the_greatest_float16_are_kept() -> None:
    run = np.array([70_000, 1e-30, 3e38, 70_000], dtype=np.float32)
    token_id = np.zeros(4, dtype=np.int32)
    (found,) = latent_statistics(of_runs([run], 4), token_id, progress=SilentProgress())
    assert (found["min"], found["p50"], found["max"]) == (run[1], run[0], run[2])


def test_statistics_of_mapped_firings_are_the_same(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    firings = of_runs([(random.random(n) + 1).astype(np.float16) for n in (0, 5, 900)], 900)
    token_id = random.integers(-1, 9, 900).astype(np.int32)
    for name in ("indptr", "tokens", "activations"):
        save_npy(tmp_path / f"{name}.npy", getattr(firings, name))
    mapped = FiringsByLatent(
        open_npy(tmp_path / "indptr.npy", dtypes=("<i8",), shape=(None,)),
        open_npy(tmp_path / "tokens.npy", dtypes=("<u4",), shape=(None,)),
        open_npy(tmp_path / "activations.npy", dtypes=("<f2",), shape=(None,)),
        900,
    )
    one = latent_statistics(firings, token_id, progress=SilentProgress())
    two = latent_statistics(mapped, token_id, progress=SilentProgress())
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1, 0])
def test_an_activation_that_cannot_be_is_named_with_its_row(value: float) -> None:
    runs = [np.ones(3, dtype=np.float16), np.array([1, value, 1], dtype=np.float16)]
    with pytest.raises(CorruptArtifactError, match=r"row 4 \(latent 1\).*finite.*--only index"):
        latent_statistics(of_runs(runs, 3), np.zeros(3, np.int32), progress=SilentProgress())


def test_tokens_beyond_the_table_or_out_of_order_are_named_with_their_row() -> None:
    runs = [np.ones(3, dtype=np.float16), np.ones(2, dtype=np.float16)]
    for tokens in ([0, 1, 3, 0, 1], [0, 1, 1, 0, 1]):
        firings = of_runs(runs, 3)
        firings.tokens[:] = tokens
        with pytest.raises(CorruptArtifactError, match=r"row 2 \(latent 0\).*below 3"):
            latent_statistics(firings, np.zeros(3, np.int32), progress=SilentProgress())
