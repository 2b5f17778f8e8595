"""Picked examples, histograms and search tokens of latents."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations, token_tables

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.core.rng import generator
from feature_manifold.examples.contexts import corpus_tokens
from feature_manifold.examples.extract import SEARCH_TOKENS, extract_examples
from feature_manifold.examples.picks import GROUP_PERCENTS, sample_ranks
from feature_manifold.store import firing_blocks
from feature_manifold.store.examples import GROUPS, ExampleSet
from feature_manifold.store.token_table import TokenTable

OPTIONS: dict[str, Any] = {
    "top_k": 5,
    "context_size": 2,
    "sample_percentiles": True,
    "percentile_examples": 3,
    "seed": 0,
}


def extract(dense: Array, table: TokenTable, **changes: Any) -> ExampleSet:
    options = {**OPTIONS, **changes}
    return extract_examples(
        reference.by_latent_of(dense), table, progress=SilentProgress(), **options
    )


def shown(examples: ExampleSet, latent: int) -> list[tuple[str, int, int]]:
    span = slice(int(examples.indptr[latent]), int(examples.indptr[latent + 1]))
    rows = zip(examples.group[span], examples.start[span], examples.stop[span], strict=True)
    return [(GROUPS[group], int(start), int(stop)) for group, start, stop in rows]


def plain_table(n_tokens: int, window: int) -> TokenTable:
    rows = np.arange(n_tokens, dtype=np.int32)
    windows = np.unique(np.append(np.arange(0, n_tokens, window), n_tokens)).astype(np.int64)
    return TokenTable(rows % 7, rows // window, rows % window, windows, np.zeros((0, 2), np.int64))


@settings(deadline=None)
@given(
    dense=activations(max_tokens=60, max_latents=3),
    data=st.data(),
    top_k=st.integers(1, 8),
    context_size=st.integers(0, 4),
    sampled=st.booleans(),
)
def test_examples_equal_the_obvious_ones_when_all_firings_are_drawn(
    dense: Array, data: st.DataObject, top_k: int, context_size: int, sampled: bool
) -> None:
    table = data.draw(token_tables(len(dense)))
    # The harvest never lets a BOS that it put in fire.
    dense[table.position == -1] = 0
    found = extract(
        dense,
        table,
        top_k=top_k,
        context_size=context_size,
        sample_percentiles=sampled,
        percentile_examples=1000,
    )
    firings = reference.by_latent_of(dense)
    for latent in range(dense.shape[1]):
        expected = reference.examples_of(
            firings,
            latent,
            table,
            top_k=top_k,
            context_size=context_size,
            percents=GROUP_PERCENTS if sampled else {},
        )
        assert shown(found, latent) == expected
        tokens, _ = firings.latent(latent)
        span = slice(int(found.token_indptr[latent]), int(found.token_indptr[latent + 1]))
        pairs = zip(found.token_ids[span].tolist(), found.token_counts[span].tolist(), strict=True)
        assert list(pairs) == reference.token_counts(tokens, table.token_id)[:SEARCH_TOKENS]


@settings(deadline=None)
@given(
    dense=activations(max_tokens=120, max_latents=4),
    data=st.data(),
    scale=st.sampled_from([1.0, 1e30]),
    top_k=st.integers(1, 8),
    n_picks=st.integers(1, 3),
    n_workers=st.integers(1, 3),
    block_firings=st.integers(1, 80),
)
def test_samples_equal_the_obvious_ones_whatever_the_blocks_and_threads(
    dense: Array,
    data: st.DataObject,
    scale: float,
    top_k: int,
    n_picks: int,
    n_workers: int,
    block_firings: int,
) -> None:
    if scale > 1:
        dense = dense.astype(np.float32) * np.float32(scale)
    table = data.draw(token_tables(len(dense)))
    dense[table.position == -1] = 0
    options = {"top_k": top_k, "context_size": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firing_blocks, "BLOCK_FIRINGS", block_firings)
        patch.setattr(firing_blocks, "LATENT_FIRINGS", 1)
        found = extract(
            dense, table, percentile_examples=n_picks, seed=5, n_workers=n_workers, **options
        )
    firings = reference.by_latent_of(dense)
    for latent in range(dense.shape[1]):

        def draw(group: str, ranks: tuple[int, int], latent: int = latent) -> list[int]:
            if ranks[0] >= ranks[1]:
                return []
            random = generator(5, "examples", group, str(latent))
            return sample_ranks(ranks, n_picks=n_picks, random=random).tolist()

        expected = reference.examples_of(
            firings,
            latent,
            table,
            percents=GROUP_PERCENTS,
            draw=draw,
            n_picks=n_picks,
            **options,
        )
        assert shown(found, latent) == expected
        if len(firings.latent(latent)[1]):
            bins, counts = reference.histogram_of(firings.latent(latent)[1])
            np.testing.assert_array_equal(found.histogram_bins[latent], bins)
            np.testing.assert_array_equal(found.histogram_counts[latent], counts)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_an_activation_that_cannot_be_is_refused_not_shown(value: float) -> None:
    firings = reference.by_latent_of(np.ones((4, 2), dtype=np.float16))
    firings.activations[6] = value
    with pytest.raises(CorruptArtifactError, match=r"row 6 \(latent 1\).*--only index"):
        extract_examples(firings, plain_table(4, 4), progress=SilentProgress(), **OPTIONS)


def test_a_group_holds_no_more_firings_than_asked_for() -> None:
    dense = np.zeros((4000, 1), dtype=np.float16)
    dense[::20] = np.random.default_rng(0).random((200, 1)) + 1
    found = extract(dense, plain_table(4000, 100))
    groups = [group for group, _, _ in shown(found, 0)]
    assert [groups.count(group) for group in GROUPS] == [5, 3, 3, 3]


def test_sampled_examples_depend_on_seed_and_latent_alone() -> None:
    random = np.random.default_rng(1)
    dense = np.where(random.random((3000, 2)) < 0.05, random.random((3000, 2)), 0)
    dense, table = dense.astype(np.float16), plain_table(3000, 50)
    found = extract(dense, table)
    assert shown(found, 0) == shown(extract(dense, table), 0)
    assert shown(found, 0) == shown(extract(dense[:, :1], table), 0)
    assert shown(found, 0) != shown(extract(dense, table, seed=1), 0)


def test_an_example_of_low_activation_has_no_strong_firing_beside_it() -> None:
    dense = np.tile(np.float16([4, 1]), 50)[:, None]
    groups = [group for group, _, _ in shown(extract(dense, plain_table(100, 100), top_k=1), 0)]
    assert "low" not in groups
    apart = extract(dense, plain_table(100, 100), top_k=1, context_size=0)
    assert [group for group, _, _ in shown(apart, 0)].count("low") == 3


def test_neighbouring_firings_are_one_example_of_all_of_them() -> None:
    dense = np.zeros((40, 1), dtype=np.float16)
    dense[[10, 13, 30], 0] = [1, 2, 3]
    assert shown(extract(dense, plain_table(40, 40)), 0) == [("top", 28, 33), ("top", 8, 16)]


def test_a_context_stays_in_its_window_and_leaves_out_a_put_in_bos() -> None:
    table = plain_table(12, 4)
    position = table.position.copy()
    position[[4, 8]] = -1
    table = TokenTable(table.token_id, table.doc_id, position, table.windows, table.documents)
    dense = np.zeros((12, 1), dtype=np.float16)
    dense[[0, 5, 11], 0] = [3, 2, 1]
    found = extract(dense, table, context_size=9)
    assert shown(found, 0) == [("top", 0, 4), ("top", 5, 8), ("top", 9, 12)]


def test_put_in_tokens_are_not_counted_as_tokens_of_the_corpus() -> None:
    table = plain_table(12, 4)
    position = table.position.copy()
    position[[4, 8]] = -1
    table = TokenTable(table.token_id, table.doc_id, position, table.windows, table.documents)
    assert corpus_tokens(table) == 10
    assert [corpus_tokens(table, stop=stop) for stop in (0, 4, 8, 12)] == [0, 4, 7, 10]


def test_a_silent_latent_has_no_examples_and_an_empty_histogram() -> None:
    found = extract(np.zeros((5, 2), dtype=np.float16), plain_table(5, 5))
    assert found.indptr.tolist() == [0, 0, 0]
    assert found.token_indptr.tolist() == [0, 0, 0]
    assert not found.histogram_bins.any()
    assert not found.histogram_counts.any()


@settings(deadline=None)
@given(
    values=st.lists(st.floats(2.0**-14, 60000, width=16), min_size=1, max_size=200),
    dtype=st.sampled_from([np.float16, np.float32]),
)
def test_a_histogram_counts_every_activation_between_its_stored_edges(
    values: list[float], dtype: type[np.floating]
) -> None:
    dense = np.array(values, dtype=dtype)[:, None]
    found = extract(dense, plain_table(len(dense), 10))
    expected, _ = np.histogram(dense.astype(np.float32), found.histogram_bins[0])
    np.testing.assert_array_equal(found.histogram_counts[0], expected)
    assert found.histogram_counts.sum() == len(values)
    assert (np.diff(found.histogram_bins) > 0).all()


@pytest.mark.parametrize(
    "value", [np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal]
)
def test_edges_of_extreme_activations_are_finite(value: np.floating) -> None:
    found = extract(np.full((3, 1), value), plain_table(3, 3))
    assert np.isfinite(found.histogram_bins).all()
    assert found.histogram_counts.sum() == 3


def test_equal_activations_fall_in_the_middle_of_their_histogram() -> None:
    found = extract(np.full((9, 1), 2.0, dtype=np.float16), plain_table(9, 9))
    assert (found.histogram_bins[0, 0], found.histogram_bins[0, -1]) == (1, 3)
    assert found.histogram_counts[0, 15] == 9


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_ties_go_to_the_earlier_token(dtype: type[np.floating]) -> None:
    dense = np.ones((30, 1), dtype=dtype)
    dense[20] = 1.5
    found = extract(dense, plain_table(30, 30), top_k=3, context_size=0, sample_percentiles=False)
    assert shown(found, 0) == [("top", 20, 21), ("top", 0, 1), ("top", 1, 2)]
