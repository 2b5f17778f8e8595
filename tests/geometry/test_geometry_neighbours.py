"""Neighbours and edges by cosine, co-firing and both."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError, InputError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.geometry import cosine, overlap
from feature_manifold.geometry.edges import EDGE_KINDS, LatentPairs
from feature_manifold.geometry.equals import EQUAL, equal_groups, without_equals
from feature_manifold.geometry.neighbours import NOBODY, Neighbours
from feature_manifold.store.layout import EDGES

SILENT = SilentProgress()


def as_lists(neighbours: Neighbours) -> list[list[tuple[int, float]]]:
    return [
        [(int(i), float(v)) for i, v in zip(ids, values, strict=True) if i != NOBODY]
        for ids, values in zip(neighbours.ids, neighbours.values, strict=True)
    ]


def rounded(best: list[list[tuple[int, float]]]) -> list[list[tuple[int, float]]]:
    return [[(i, float(np.float32(value))) for i, value in row] for row in best]


def pairs_of(dense: Array, decoder: Array, **options: int) -> LatentPairs:
    return LatentPairs(
        decoder, reference.by_latent_of(dense), reference.by_token_of(dense), **options
    )


@st.composite
def decoders(draw: st.DrawFn, n_latents: int | None = None) -> Array:
    """Draw rows among which are rows of zeros and many of equal or opposite direction."""
    n = draw(st.integers(1, 12)) if n_latents is None else n_latents
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    few = random.normal(size=(4, 3))
    rows = few[random.integers(4, size=n)] * random.choice([-2.0, 0.0, 1.0, 4.0], size=(n, 1))
    own = random.random(n) < 0.4
    rows[own] = random.normal(size=(own.sum(), 3))
    return rows.astype(np.float32)


@settings(deadline=None)
@given(decoder=decoders(), k=st.integers(1, 14))
def test_cosine_neighbours_equal_the_float64_reference(decoder: Array, k: int) -> None:
    found = cosine.cosine_neighbours(decoder, k=k, progress=SILENT)
    expected = reference.cosines_of(decoder).astype(np.float32)
    assert as_lists(found) == reference.best_of(expected, k)
    again = cosine.pair_cosines(decoder, found.ids, progress=SILENT)
    np.testing.assert_array_equal(again, found.values)


def test_cosine_neighbours_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = np.random.default_rng(0).normal(size=(300, 24)).astype(np.float32)
    whole = cosine.cosine_neighbours(decoder, k=20, progress=SILENT)
    monkeypatch.setattr(cosine, "BLOCK", 7)
    parts = cosine.cosine_neighbours(decoder, k=20, progress=SILENT)
    np.testing.assert_array_equal(whole.ids, parts.ids)
    np.testing.assert_array_equal(whole.values, parts.values)
    exact = reference.best_of(reference.cosines_of(decoder).astype(np.float32), 20)
    assert as_lists(whole) == exact


def test_a_decoder_row_that_is_not_finite_is_refused() -> None:
    decoder = np.ones((3, 2), dtype=np.float32)
    decoder[1, 0] = np.nan
    with pytest.raises(CorruptArtifactError, match="row 1 is not finite"):
        cosine.cosine_neighbours(decoder, k=1, progress=SILENT)


@settings(deadline=None)
@given(dense=activations(), k=st.integers(1, 10), data=st.data())
def test_overlap_neighbours_equal_the_counts_of_a_dense_product(
    dense: Array, k: int, data: st.DataObject
) -> None:
    n = dense.shape[1]
    wanted = data.draw(st.lists(st.integers(-1, n - 1), min_size=n, max_size=n))
    pairs = np.array(wanted, dtype=np.int32)[:, None]
    found = overlap.overlap_neighbours(
        reference.by_latent_of(dense),
        reference.by_token_of(dense),
        k=k,
        pairs=pairs,
        progress=SILENT,
    )
    counts = reference.cofirings_of(dense)
    expected = np.where(pairs >= 0, np.take_along_axis(counts, pairs, axis=1), 0)
    np.testing.assert_array_equal(found.pair_counts, expected)
    coefficient = reference.coefficient_of(dense)
    for name, values in (
        ("counts", np.where(counts > 0, counts, np.nan)),
        ("jaccard", reference.jaccard_of(dense)),
        ("coefficient", np.where(coefficient > 0, coefficient, np.nan)),
    ):
        assert as_lists(getattr(found, name)) == rounded(reference.best_of(values, k)), name


@settings(deadline=None)
@given(dense=activations(max_latents=10), k=st.integers(1, 10), data=st.data())
def test_edges_equal_the_obvious_ones_and_are_symmetric(
    dense: Array, k: int, data: st.DataObject
) -> None:
    decoder = data.draw(decoders(n_latents=dense.shape[1]))
    pairs = pairs_of(dense, decoder, top_k=k, n_neighbors=data.draw(st.integers(2, 6)))
    expected = {
        "cosine": reference.cosines_of(decoder).astype(np.float32),
        "jaccard": reference.jaccard_of(dense),
        "coactivation": np.where(
            reference.cofirings_of(dense) > 0, reference.cofirings_of(dense), np.nan
        ),
    }
    assert list(EDGE_KINDS) == list(expected) == list(EDGES)
    for kind, make in EDGE_KINDS.items():
        edges = make(pairs)
        wanted = reference.edges_of(expected[kind], k).astype(np.float32)
        np.testing.assert_array_equal(edges.toarray(), wanted, err_msg=kind)
        assert edges.dtype == np.float32
        assert edges.has_canonical_format
        assert edges.nnz == np.count_nonzero(wanted)


@settings(deadline=None)
@given(dense=activations(max_latents=10), data=st.data())
def test_combined_neighbours_are_exact_when_no_candidate_is_cut(
    dense: Array, data: st.DataObject
) -> None:
    decoder = data.draw(decoders(n_latents=dense.shape[1]))
    pairs = pairs_of(dense, decoder, n_neighbors=5)
    turned = reference.cosines_of(decoder).astype(np.float32)
    shared = reference.coefficient_of(dense).astype(np.float32)
    values = np.float32(0.5) * np.nan_to_num(turned) + np.float32(0.5) * shared
    values[np.isnan(turned) & (shared == 0)] = np.nan
    assert as_lists(pairs.combined.first(5)) == reference.best_of(values, 5)


@settings(deadline=None)
@given(decoder=decoders(), k=st.integers(1, 14))
def test_one_of_equal_latents_stands_for_all(decoder: Array, k: int) -> None:
    found = cosine.cosine_neighbours(decoder, k=k, progress=SILENT)
    group = equal_groups(found.ids, found.values >= EQUAL)
    listed = as_lists(found)
    expected = list(range(len(decoder)))
    for _ in decoder:
        for latent, others in enumerate(listed):
            for other, value in others:
                if value >= EQUAL:
                    least = min(expected[latent], expected[other])
                    expected[latent] = expected[other] = least
    assert group.tolist() == expected
    for latent, others in enumerate(as_lists(without_equals(found, group))):
        seen: dict[int, float] = {}
        for other, value in listed[latent]:
            first = expected[other]
            if expected[latent] == latent and first not in (latent, *seen):
                seen[first] = value
        assert others == list(seen.items())


def test_lists_of_a_hundred_lose_almost_no_combined_neighbour() -> None:
    random = np.random.default_rng(3)
    n_latents, n_tokens = 300, 1500
    rates = random.choice([0.002, 0.01, 0.05, 0.4], size=n_latents, p=[0.3, 0.4, 0.25, 0.05])
    dense = (random.random((n_tokens, n_latents)) < rates).astype(np.float16)
    decoder = random.normal(size=(n_latents, 16)).astype(np.float32)
    pairs = pairs_of(dense, decoder)
    values = 0.5 * reference.cosines_of(decoder) + 0.5 * reference.coefficient_of(dense)
    exact = reference.best_of(values, 14)
    kept = as_lists(pairs.combined.first(14))
    common = [len({i for i, _ in a} & {i for i, _ in b}) for a, b in zip(kept, exact, strict=True)]
    assert np.mean(common) / 14 > 0.97


def test_results_do_not_depend_on_the_number_of_workers() -> None:
    random = np.random.default_rng(4)
    dense = (random.random((200, 150)) < 0.1).astype(np.float16)
    decoder = random.normal(size=(150, 8)).astype(np.float32)
    one = pairs_of(dense, decoder, top_k=7)
    many = pairs_of(dense, decoder, top_k=7, n_workers=4)
    for kind, make in EDGE_KINDS.items():
        assert (make(one) != make(many)).nnz == 0, kind


def test_a_decoder_of_other_latents_is_refused() -> None:
    dense = np.ones((3, 2), dtype=np.float16)
    with pytest.raises(CorruptArtifactError, match="5 rows and the index 2 latents"):
        pairs_of(dense, np.ones((5, 4), dtype=np.float32))
    with pytest.raises(InputError, match="edges-top-k"):
        pairs_of(dense, np.ones((2, 4), dtype=np.float32), top_k=0)
