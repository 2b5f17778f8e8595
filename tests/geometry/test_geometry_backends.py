"""Cosines and co-firings by any means are the same, to the byte; counts are whole at any size."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError, DeviceError, MissingExtraError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.geometry import (
    backends,
    candidates,
    cosine,
    overlap,
    torch_products,
)
from feature_manifold.geometry.backends import Backend, check_device, choose_backend
from feature_manifold.geometry.cofirings import CountedCofirings, compact_latents, count_dtype
from feature_manifold.geometry.edges import LatentPairs, coactivation_edges
from feature_manifold.geometry.exact import row_norms
from feature_manifold.geometry.neighbours import NOBODY, Neighbours, symmetric_edges
from feature_manifold.geometry.products import FloatProducts, MakeProducts
from feature_manifold.geometry.ranking import rank_rows
from feature_manifold.geometry.torch_products import TorchCofirings, TorchProducts
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken

SILENT = SilentProgress()
on_devices = pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda:0", marks=pytest.mark.gpu)]
)


def torch_makes(device: str, precision: str = "float32") -> MakeProducts:
    return functools.partial(TorchProducts, device=device, precision=precision, n_threads=1)


PRODUCTS = [
    pytest.param(FloatProducts, id="numpy"),
    pytest.param(torch_makes("cpu"), id="torch"),
    pytest.param(torch_makes("cpu", "bfloat16"), id="torch-bfloat16"),
    pytest.param(torch_makes("cuda:0"), id="cuda", marks=pytest.mark.gpu),
    pytest.param(torch_makes("cuda:0", "bfloat16"), id="cuda-bfloat16", marks=pytest.mark.gpu),
]


def as_lists(neighbours: Neighbours) -> list[list[tuple[int, float]]]:
    return [
        [(int(i), float(v)) for i, v in zip(ids, values, strict=True) if i != NOBODY]
        for ids, values in zip(neighbours.ids, neighbours.values, strict=True)
    ]


def exact(decoder: Array, k: int) -> list[list[tuple[int, float]]]:
    rows = decoder.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1)
    unit = rows / np.where(norms > 0, norms, np.nan)[:, None]
    return reference.best_of((unit @ unit.T).astype(np.float32), k)


def crowded(random: np.random.Generator, n: int, d_model: int) -> Array:
    """Draw directions so close to each other that bfloat16 cannot order them."""
    middle = random.normal(size=d_model)
    rows = middle + 0.2 * random.normal(size=(n, d_model))
    return (rows * 10.0 ** random.uniform(-30, 30, size=(n, 1))).astype(np.float32)


@pytest.mark.parametrize("make", PRODUCTS)
def test_products_are_as_exact_as_they_say(make: MakeProducts) -> None:
    random = np.random.default_rng(0)
    spread = random.normal(size=(60, 100)) * np.exp(4 * random.normal(size=(60, 100)))
    few = np.where(random.random((60, 100)) < 0.03, spread, 0)
    decoder = np.concatenate([spread, few, crowded(random, 60, 100)]).astype(np.float32)
    norms = row_norms(decoder)
    products = make(decoder, norms)
    unit = decoder.astype(np.float64) / np.where(norms > 0, norms, 1)[:, None]
    block = products.block(slice(20, 180), slice(0, 170)).astype(np.float64)
    off = np.abs(block - unit[20:180] @ unit[:170].T)
    assert (off <= products.errors[20:180, None] + products.relative * np.abs(block)).all()
    # The bound is of use: at most some hundred times what is seen.
    assert products.errors.max() < 0.01


@pytest.mark.parametrize("make", PRODUCTS)
@pytest.mark.parametrize("n_workers", [1, 3])
@pytest.mark.parametrize("spare", [1, 600])
def test_no_neighbour_is_lost_to_rough_products(
    make: MakeProducts, n_workers: int, spare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "SPARE", spare)
    monkeypatch.setattr(cosine, "BLOCK", 64)
    monkeypatch.setattr(cosine, "LATENTS_PER_JOB", 17)
    random = np.random.default_rng(1)
    decoder = np.concatenate(
        [crowded(random, 150, 24), random.normal(size=(150, 24)).astype(np.float32)]
    )
    found = cosine.cosine_neighbours(
        decoder, k=20, n_workers=n_workers, make_products=make, progress=SILENT
    )
    assert as_lists(found) == exact(decoder, 20)


def test_the_best_by_bfloat16_alone_would_be_wrong() -> None:
    """So that the test above tests something."""
    decoder = crowded(np.random.default_rng(1), 150, 24)
    products = torch_makes("cpu", "bfloat16")(decoder, row_norms(decoder))
    rough = reference.best_of(products.block(slice(0, 150), slice(0, 150)), 20)
    pairs = zip(rough, exact(decoder, 20), strict=True)
    lost = [{i for i, _ in right} - {i for i, _ in best} for best, right in pairs]
    assert np.mean([len(some) for some in lost]) > 1


@pytest.mark.parametrize("make", PRODUCTS)
def test_of_hundreds_of_equal_latents_the_first_are_neighbours(
    make: MakeProducts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "SPARE", 8)
    monkeypatch.setattr(cosine, "BLOCK", 100)
    random = np.random.default_rng(2)
    decoder = random.normal(size=(700, 6)).astype(np.float32)
    decoder[100:500] = decoder[100] * 2.0 ** random.integers(-90, 90, size=(400, 1))
    decoder[[0, 300, 699]] = 0
    found = cosine.cosine_neighbours(decoder, k=10, make_products=make, progress=SILENT)
    assert as_lists(found) == exact(decoder, 10)
    assert found.ids[499].tolist() == list(range(100, 110))
    assert (found.ids[[0, 300, 699]] == NOBODY).all()


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30, 3e38])
def test_the_lengths_of_rows_do_not_matter(scale: float) -> None:
    random = np.random.default_rng(3)
    decoder = random.choice([-1.0, 0.5, 1.0], size=(40, 8)).astype(np.float32)
    scaled = decoder.copy()
    scaled[::3] = decoder[::3] * np.float32(scale)
    found = cosine.cosine_neighbours(scaled, k=5, progress=SILENT)
    assert as_lists(found) == exact(scaled, 5)
    assert (found.ids != NOBODY).all()


def overlap_of(dense: Array, k: int, make: Callable[..., Any], **options: int) -> overlap.Overlap:
    pairs = np.arange(dense.shape[1], dtype=np.int32)[::-1, None]
    return overlap.overlap_neighbours(
        reference.by_latent_of(dense),
        reference.by_token_of(dense),
        k=k,
        pairs=pairs,
        make_cofirings=make,
        progress=SILENT,
        **options,
    )


def assert_same(one: overlap.Overlap, other: overlap.Overlap) -> None:
    for name in ("counts", "jaccard", "coefficient"):
        mine, theirs = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(mine.ids, theirs.ids, err_msg=name)
        np.testing.assert_array_equal(mine.values, theirs.values, err_msg=name)
        assert mine.values.dtype == theirs.values.dtype
    np.testing.assert_array_equal(one.pair_counts, other.pair_counts)


@on_devices
@settings(deadline=None, max_examples=40)
@given(dense=activations(), k=st.integers(1, 10), increments=st.sampled_from([1, 7, 1 << 24]))
def test_torch_counts_the_same_co_firings(
    device: str, dense: Array, k: int, increments: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_products, "INCREMENTS", increments)
        patch.setattr(TorchCofirings, "rows_at_once", 3)
        by_torch = overlap_of(dense, k, functools.partial(TorchCofirings, device=device))
    assert_same(by_torch, overlap_of(dense, k, CountedCofirings))


@on_devices
def test_overlap_does_not_depend_on_workers_jobs_or_device(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(4)
    rates = random.choice([0.0, 0.01, 0.1, 0.5, 1.0], size=200, p=[0.1, 0.4, 0.3, 0.18, 0.02])
    dense = (random.random((300, 200)) < rates).astype(np.float16)
    one = overlap_of(dense, 9, CountedCofirings)
    monkeypatch.setattr(overlap, "JOB_WORK", 5000)
    assert_same(one, overlap_of(dense, 9, CountedCofirings, n_workers=3))
    make = functools.partial(TorchCofirings, device=device)
    assert_same(one, overlap_of(dense, 9, make, n_workers=3))
    counts = reference.cofirings_of(dense)
    assert as_lists(one.counts) == reference.best_of(np.where(counts > 0, counts, np.nan), 9)


def test_jobs_are_of_about_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "JOB_WORK", 1000)
    sizes = np.array([0, 5, 0, 100, 3, 3, 3, 0])
    jobs = overlap.equal_jobs(sizes, n_tokens=10)
    assert [latent for first, last in jobs for latent in range(first, last)] == list(range(8))
    assert jobs == [(0, 3), (3, 8)]
    assert overlap.equal_jobs(np.zeros(3, dtype=np.int64), n_tokens=0) == [(0, 3)]


@pytest.mark.parametrize("most", [2**24 - 1, 2**24, 2**24 + 1, 2**31 + 5, 2**32])
def test_counts_beyond_any_type_are_ranked_exactly(most: int) -> None:
    """Rows of counts as a large corpus would give them, with neighbouring whole numbers."""
    n, k = 70, 6
    random = np.random.default_rng(5)
    counts = most - random.integers(0, 4, size=n)
    counts[random.random(n) < 0.3] = random.integers(0, 3)
    counts[9] = most
    sizes = np.minimum(counts + random.integers(0, 2**20, size=n), 2**32)
    ids, values = np.full((1, 3, k), NOBODY, dtype=np.int32), np.zeros((1, 3, k))
    pair_counts = np.zeros((1, n), dtype=np.int64)
    pairs = np.arange(n, dtype=np.int32)[None]
    dtype = count_dtype(np.array([0, most]))
    rank_rows(
        counts[None].astype(dtype),
        9,
        sizes,
        sizes.astype(np.float32),
        2**32,
        pairs,
        pair_counts,
        ids,
        values,
    )
    assert pair_counts[0].tolist() == counts.tolist()
    own = int(sizes[9])
    expected: list[list[tuple[float, int]]] = [[], [], []]
    for other, (both, size) in enumerate(zip(counts.tolist(), sizes.tolist(), strict=True)):
        if both and other != 9:
            expected[0].append((-both, other))
            expected[1].append((-(both / (own + size - both)), other))
            if both * 2**32 >= 3 * own * size:
                expected[2].append((-(both / min(own, size)), other))
    for measure in range(3):
        best = [(-value, other) for value, other in sorted(expected[measure])[:k]]
        found = zip(values[0, measure].tolist(), ids[0, measure].tolist(), strict=True)
        assert [pair for pair in found if pair[1] != NOBODY] == best
    whole = overlap.whole_counts(values[:, 0])
    assert whole.dtype == (np.float32 if most <= 2**24 else np.float64)
    np.testing.assert_array_equal(whole, values[:, 0])


def test_counts_have_a_type_that_holds_them() -> None:
    assert count_dtype(np.array([0, 2**31 - 1])) == np.int32
    assert count_dtype(np.array([0, 3, 3 + 2**31])) == np.int64
    assert count_dtype(np.array([0])) == np.int32


def test_coactivation_edges_beyond_float32_stay_whole() -> None:
    values = np.array([[2.0**24 + 1, 3], [2.0**24 + 1, 0], [3, 0]])
    ids = np.array([[1, 2], [0, NOBODY], [0, NOBODY]], dtype=np.int32)
    edges = symmetric_edges(Neighbours(ids, overlap.whole_counts(values)))
    assert edges.dtype == np.float64
    assert edges[0, 1] == edges[1, 0] == 2**24 + 1


@pytest.mark.parametrize(("n_latents", "dtype"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_latents_take_two_bytes_where_they_fit(n_latents: int, dtype: type) -> None:
    latents = np.array([0, n_latents - 1, 5], dtype=np.uint32)
    by_token = FiringsByToken(np.array([0, 2, 3]), latents, latents)
    compact = compact_latents(by_token, n_latents)
    assert compact.dtype == dtype
    assert compact.tolist() == latents.tolist()


@pytest.mark.parametrize(
    "make", [CountedCofirings, functools.partial(TorchCofirings, device="cpu")]
)
def test_firings_of_what_does_not_exist_are_refused(make: Callable[..., Any]) -> None:
    dense = np.ones((4, 3), dtype=np.float16)
    by_latent, by_token = reference.by_latent_of(dense), reference.by_token_of(dense)
    with pytest.raises(CorruptArtifactError, match="latent 9"):
        make(by_latent, FiringsByToken(by_token.indptr, by_token.latents * 0 + 9, None))
    with pytest.raises(CorruptArtifactError, match="fall"):
        make(by_latent, FiringsByToken(by_token.indptr[::-1], by_token.latents, None))
    foreign = FiringsByLatent(by_latent.indptr, by_latent.tokens + 7, by_latent.activations, 4)
    with pytest.raises(CorruptArtifactError, match="token 10"):
        make(foreign, by_token).rows(0, 3)


def test_a_million_latents_of_which_few_fire() -> None:
    n, k = 1 << 20, 2
    fired = np.array([0, 7, 65_535, 65_536, n - 1])
    indptr = np.zeros(n + 1, dtype=np.int64)
    indptr[fired + 1] = 2
    by_latent = FiringsByLatent(
        np.cumsum(indptr), np.tile([0, 1], 5).astype(np.uint32), None, n_tokens=50
    )
    by_token = FiringsByToken(
        np.r_[0, 5, np.full(49, 10)], np.tile(fired, 2).astype(np.uint32), None
    )
    found = overlap.overlap_neighbours(
        by_latent, by_token, k=k, pairs=np.zeros((n, 1), dtype=np.int32), progress=SILENT
    )
    others = [[7, 65_535], [0, 65_535], [0, 7], [0, 7], [0, 7]]
    assert found.jaccard.ids[fired].tolist() == others
    assert (found.jaccard.ids[fired] >= 0).sum() == (found.jaccard.ids >= 0).sum()
    assert (found.counts.values[fired] == 2).all()


def test_edges_are_the_same_from_every_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(6)
    dense = (random.random((80, 90)) < 0.2).astype(np.float16)
    decoder = random.normal(size=(90, 12)).astype(np.float32)
    by_latent, by_token = reference.by_latent_of(dense), reference.by_token_of(dense)
    plain = LatentPairs(decoder, by_latent, by_token, top_k=8)
    backend = Backend(
        torch_makes("cpu", "bfloat16"), functools.partial(TorchCofirings, device="cpu")
    )
    monkeypatch.setattr(
        "feature_manifold.geometry.edges.choose_backend", lambda *args, **options: backend
    )
    other = LatentPairs(decoder, by_latent, by_token, top_k=8)
    assert (coactivation_edges(plain) != coactivation_edges(other)).nnz == 0
    np.testing.assert_array_equal(plain.combined.ids, other.combined.ids)
    np.testing.assert_array_equal(plain.combined.values, other.combined.values)


def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DeviceError, match="device is 'cuda:63'"):
        check_device("cuda:63")
    check_device("auto")
    check_device("cpu")


def test_torch_is_asked_for_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*args: object) -> bool:
        raise AssertionError("torch was asked")

    monkeypatch.setattr(torch_products, "find_device", unexpected)
    assert choose_backend("auto", n_latents=1000, d_model=64, n_workers=1) == Backend()
    monkeypatch.undo()
    monkeypatch.setattr(torch_products, "bfloat16_is_faster", lambda *args: True)
    monkeypatch.setattr(torch_products, "find_device", lambda name: "cpu")
    large = choose_backend("auto", n_latents=65_536, d_model=5376, n_workers=1)
    assert large.cofirings is CountedCofirings
    assert large.products is not FloatProducts
    monkeypatch.setattr(torch_products, "bfloat16_is_faster", lambda *args: False)
    assert choose_backend("cpu", n_latents=65_536, d_model=5376, n_workers=1) == Backend()


def test_without_torch_the_processor_computes_and_a_gpu_needs_an_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert choose_backend("auto", n_latents=65_536, d_model=5376, n_workers=1) == Backend()
    monkeypatch.setitem(sys.modules, "feature_manifold.geometry.torch_products", None)
    monkeypatch.delattr("feature_manifold.geometry.torch_products")
    with pytest.raises(MissingExtraError, match="cuda:0"):
        check_device("cuda:0")
