"""Latents that fire at given rows, by lift and by share; labels and similar latents."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings, strategies as st
from scipy.stats import gamma
from tests import reference
from tests.examples.searched import by_token_of
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError
from feature_manifold.examples import responsible
from feature_manifold.examples.labels import LabelSearch
from feature_manifold.examples.occurrences import Occurrences
from feature_manifold.examples.responsible import (
    Responsible,
    ResponsibleLatent,
    Totals,
    responsible_latents,
    row_cap,
)
from feature_manifold.examples.similar import similar_latents
from feature_manifold.store.statistics import STATISTICS_DTYPE


def totals_of(dense: Array) -> Totals:
    counts = (dense > 0).sum(0)
    sums = dense.astype(np.float64).sum(0)
    return Totals(counts, sums, len(dense), int(counts.sum()))


def search(dense: Array, rows: list[int], **options: Any) -> Responsible:
    by_token = by_token_of(reference.by_latent_of(dense))
    found = Occurrences(np.array(rows, dtype=np.int64), len(rows), True)
    return responsible_latents(by_token, totals_of(dense), found, **options)


def slow_answer(dense: Array, rows: list[int]) -> list[ResponsibleLatent]:
    """Every latent that fires at the rows, by lower lift."""
    found = []
    values = dense.astype(np.float64)
    for latent in range(dense.shape[1]):
        here = sum(values[row, latent] > 0 for row in rows)
        if not here:
            continue
        firings = int((values[:, latent] > 0).sum())
        lift = (here / len(rows)) / (firings / len(dense))
        expected = len(rows) * firings / len(dense)
        inside = sum(values[row, latent] for row in rows)
        found.append(
            ResponsibleLatent(
                latent=latent,
                fires_here=int(here),
                share_here=here / len(rows),
                firings=firings,
                lift=lift,
                lift_low=float(gamma.ppf(0.05, here + 1, scale=1 / (expected + 1))),
                activation_here=inside / len(rows),
                share_inside=inside / values[:, latent].sum(),
                share_of_rows=inside / values[rows].sum(),
            )
        )
    return sorted(found, key=lambda one: (-one.lift_low, -one.fires_here, one.latent))


@settings(deadline=None)
@given(dense=activations(max_tokens=40, max_latents=8), data=st.data(), block=st.integers(1, 30))
def test_latents_equal_the_obvious_ones_whatever_the_blocks(
    dense: Array, data: st.DataObject, block: int
) -> None:
    if not len(dense):
        return
    rows = data.draw(st.lists(st.integers(0, len(dense) - 1), min_size=1, unique=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(responsible, "BLOCK_FIRINGS", block)
        found = search(dense, sorted(rows), limit=100)
    expected = slow_answer(dense, sorted(rows))
    by_latent = {one.latent: vars(one) for one in found.latents}
    assert set(by_latent) == {one.latent for one in expected}
    for one in expected:
        assert by_latent[one.latent] == pytest.approx(vars(one))
    order = [one.lift_low for one in found.latents]
    assert order == sorted(order, reverse=True)
    assert (found.n_latents, found.n_used, found.is_exact) == (len(expected), len(rows), True)


def made_firings() -> Array:
    """400 tokens: 0 fires on the word and twice beside, 1 once, on it, 2 always, 3 elsewhere."""
    dense = np.zeros((400, 5), dtype=np.float16)
    dense[:40, 0] = 1
    dense[[100, 200], 0] = 1
    dense[7, 1] = 9
    dense[:, 2] = 3
    dense[100:160, 3] = 2
    dense[35:55, 4] = 4
    return dense


WORD = list(range(40))


def test_a_rare_latent_does_not_win_by_chance_nor_one_that_always_fires() -> None:
    found = search(made_firings(), WORD).latents
    assert [one.latent for one in found] == [0, 4, 2, 1]
    assert found[3].lift == max(one.lift for one in found) == 10
    assert found[2].lift == 1 > found[2].lift_low
    assert found[0].lift_low > 3


def test_the_order_by_share_leaves_out_latents_that_hardly_fire() -> None:
    found = search(made_firings(), WORD, order="share").latents
    assert [one.latent for one in found] == [0, 4, 2]
    assert [round(one.share_inside, 3) for one in found] == [0.952, 0.25, 0.1]


def test_the_order_by_count_is_by_firings_here() -> None:
    found = search(made_firings(), WORD, order="count", limit=3)
    assert [(one.latent, one.fires_here) for one in found.latents] == [(0, 40), (2, 40), (4, 5)]
    assert (len(found.latents), found.n_latents) == (3, 4)


def test_rows_where_nothing_fires_give_nothing() -> None:
    dense = made_firings()
    dense[:, 2] = 0
    assert search(dense, [300, 301]).latents == ()


def test_of_many_rows_a_sample_is_read_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responsible, "MAX_ROWS", 10)
    whole = search(made_firings(), WORD)
    monkeypatch.setattr(responsible, "MAX_ROWS", 8)
    part = search(made_firings(), WORD)
    assert (whole.n_used, part.n_used, part.n_occurrences, part.is_exact) == (10, 8, 40, False)
    best = part.latents[0]
    assert (best.latent, best.fires_here, best.share_here) == (0, 8, 1)
    assert best.share_inside == pytest.approx(40 / 42)
    assert best.lift == pytest.approx(400 / 42)


def test_a_dense_sae_gets_fewer_rows() -> None:
    counts = np.ones(3, dtype=np.int64)
    assert row_cap(Totals(counts, np.ones(3), 1000, 60_000)) == 10_000
    assert row_cap(Totals(counts, np.ones(3), 1000, 1_000_000)) == 2_000
    assert row_cap(Totals(counts, np.ones(3), 1, 10**9)) == 1


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_the_number_of_latents_is_bounded(limit: int) -> None:
    with pytest.raises(InputError, match="limit"):
        search(made_firings(), WORD, limit=limit)
    with pytest.raises(InputError, match="limit"):
        similar_latents({}, 0, limit=limit)
    with pytest.raises(InputError, match="limit"):
        LABELS.find("mon", limit=limit)


def statistics(rows: list[tuple[int, int, int]]) -> Array:
    found = np.zeros(len(rows), dtype=STATISTICS_DTYPE)
    for place, row in enumerate(rows):
        found[place]["count"], found[place]["label_token_id"], found[place]["label_count"] = row
    return found


LABELS = LabelSearch(
    statistics([(5, 0, 4), (9, 0, 2), (0, -1, 0), (7, 1, 7), (50, 2, 9), (3, 3, 1)]),
    [" Mon", "Monday", " lemon", "<b>MON</b>"],
)


def test_labels_are_found_equal_ones_first_then_beginnings_then_the_rest() -> None:
    found = LABELS.find(" mon")
    assert [(hit.latent, hit.label) for hit in found] == [
        (1, " Mon"),
        (0, " Mon"),
        (3, "Monday"),
        (4, " lemon"),
        (5, "<b>MON</b>"),
    ]
    assert (found[0].firings, found[0].label_firings) == (9, 2)
    assert LABELS.find("mon", limit=2) == found[:2]
    assert LABELS.find("tuesday") == ()


@pytest.mark.parametrize("query", ["", "  ", "x" * 201])
def test_a_label_that_says_nothing_is_refused(query: str) -> None:
    with pytest.raises(InputError):
        LABELS.find(query)


def matrix(pairs: dict[tuple[int, int], float]) -> sp.csr_matrix:
    dense = np.zeros((5, 5), dtype=np.float32)
    for (one, other), weight in pairs.items():
        dense[one, other] = dense[other, one] = weight
    return sp.csr_matrix(dense)


def test_similar_latents_come_by_weight_or_merged_by_rank_with_exact_cosines() -> None:
    cosine = matrix({(0, 1): 0.5, (0, 2): 0.75, (1, 2): 0.25})
    jaccard = matrix({(0, 3): 0.5, (0, 1): 0.25})
    decoder = np.array([[1, 0], [1, 1], [0, 2], [-3, 0], [0, 0]], dtype=np.float32)
    alone = similar_latents({"cosine": cosine}, 0)
    assert [(one.latent, one.score, one.cosine) for one in alone] == [
        (2, 0.75, None),
        (1, 0.5, None),
    ]
    merged = similar_latents({"cosine": cosine, "jaccard": jaccard}, 0, decoder=decoder)
    assert [one.latent for one in merged] == [1, 2, 3]
    assert merged[0].score == pytest.approx(2 / 62)
    assert merged[0].weights == {"cosine": 0.5, "jaccard": 0.25}
    assert merged[2].weights == {"jaccard": 0.5}
    assert [one.cosine for one in merged] == pytest.approx([0.5**0.5, 0, -1])
    assert similar_latents({"cosine": cosine}, 4, decoder=decoder) == ()
    assert similar_latents({"cosine": matrix({(0, 4): 1})}, 0, decoder=decoder)[0].cosine is None


@pytest.mark.parametrize("latent", [-1, 5])
def test_similar_latents_of_one_that_is_not_there_are_refused(latent: int) -> None:
    with pytest.raises(InputError, match="No latent"):
        similar_latents({"cosine": matrix({})}, latent)
