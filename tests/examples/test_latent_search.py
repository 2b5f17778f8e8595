"""Searches of a whole experiment: concepts give back the latents that were planted for them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.examples.searched import Searched, table_of
from tests.firing_strategies import activations, token_tables

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.concept_files import make_concept
from feature_manifold.core.concepts import Concept
from feature_manifold.core.errors import InputError
from feature_manifold.examples import concept_cluster as clusters, responsible
from feature_manifold.examples.frequent_tokens import FrequentTokens
from feature_manifold.examples.latent_search import LatentSearch
from feature_manifold.examples.responsible import MIN_FIRINGS
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.testing.planted.experiment import PlantedExperiment, plant
from feature_manifold.testing.planted.spec import PlantedSpec

SHARE = (3 - 5**0.5) / 2
"""Far from every ratio of small numbers, so that no latent has just this share."""

WORDS = [f"w{number}" for number in range(31)]


def concept_of(steps: list[list[str]]) -> Concept:
    return make_concept({"name": "made", "kind": "ordered", "words": steps}, where="test")


@settings(deadline=None)
@given(dense=activations(max_tokens=60, max_latents=6), data=st.data())
def test_a_cluster_equals_the_obvious_one(dense: Array, data: st.DataObject) -> None:
    table = data.draw(token_tables(len(dense)))
    dense[table.position == -1] = 0
    source = Searched(table, WORDS, reference.by_latent_of(dense))
    concept = concept_of([["w3", "w4"], ["w5"], ["w30"]])
    found = LatentSearch(source).concept_cluster(concept, share=SHARE, min_firings=2)
    step_of = {3: 0, 4: 0, 5: 1, 30: 2}
    steps = [step_of.get(token_id, -1) for token_id in table.token_id.tolist()]
    values = dense.astype(np.float64)
    expected = {}
    for latent in range(dense.shape[1]):
        inside = sum(values[row, latent] for row, step in enumerate(steps) if step >= 0)
        total = values[:, latent].sum()
        if (values[:, latent] > 0).sum() >= 2 and inside > SHARE * total:
            expected[latent] = inside / total
    assert {m.latent: m.share for m in found.members} == pytest.approx(expected, rel=1e-6)
    assert found.is_exact
    assert found.shares_are_exact
    for step, coverage in enumerate(found.steps):
        rows = [row for row, own in enumerate(steps) if own == step]
        assert (coverage.n_occurrences, coverage.n_used) == (len(rows), len(rows))
        if not rows:
            assert coverage.covered is None
            assert np.isnan(found.tuning[:, step]).all()
            continue
        fires = [any(values[row, latent] > 0 for latent in found.latents) for row in rows]
        assert coverage.covered == pytest.approx(np.mean(fires))
        means = [values[rows, latent].mean() for latent in found.latents]
        np.testing.assert_allclose(found.tuning[:, step], means)
    for member, curve in zip(found.members, found.tuning, strict=True):
        assert curve[member.peak] == np.nanmax(curve)


@pytest.fixture(scope="module")
def planted() -> PlantedExperiment:
    return plant(PlantedSpec(n_tokens=40_000, n_latents=3000, d_model=64, l0=12, seed=3))


@pytest.fixture(scope="module")
def search(planted: PlantedExperiment) -> LatentSearch:
    shard = planted.firings
    return LatentSearch(
        Searched(
            planted.table,
            planted.plan.corpus.vocabulary.texts,
            FiringsByLatent(shard.indptr, shard.tokens, shard.activations, planted.table.n_tokens),
            planted.decoder,
        )
    )


def things(planted: PlantedExperiment) -> Iterator[tuple[Concept, Int64Array, Int64Array]]:
    """Yield the concept of each planted manifold, its token ids and its latents."""
    vocabulary = planted.plan.corpus.vocabulary
    for number, thing in enumerate(planted.plan.things):
        if not thing.is_decoy:
            ids = vocabulary.words_of(number)
            steps = [[vocabulary.texts[token_id].strip()] for token_id in ids.tolist()]
            yield concept_of(steps), ids, planted.plan.population.latents_of(number)


def test_the_words_of_every_planted_manifold_give_back_its_latents(
    planted: PlantedExperiment, search: LatentSearch
) -> None:
    for concept, ids, latents in things(planted):
        found = search.concept_cluster(concept)
        often = np.diff(planted.firings.indptr)[latents] >= MIN_FIRINGS
        assert often.mean() > 0.9
        assert set(found.latents) == set(latents[often].tolist())
        assert found.match.token_ids.tolist() == ids.tolist()
        assert min(step.covered or 0 for step in found.steps) > 0.9


def test_a_sample_of_the_rows_finds_the_same_latents_and_says_so(
    planted: PlantedExperiment, search: LatentSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    concept, _, _ = next(things(planted))
    whole = search.concept_cluster(concept)
    monkeypatch.setattr(responsible, "MAX_ROWS", whole.n_occurrences // 3)
    part = search.concept_cluster(concept)
    assert (part.is_exact, part.shares_are_exact) == (False, True)
    assert part.n_used == whole.n_occurrences // 3
    assert part.n_occurrences == whole.n_occurrences
    shares = {member.latent: member.share for member in whole.members}
    assert {m.latent: m.share for m in part.members} == pytest.approx(shares, rel=1e-6)
    monkeypatch.setattr(clusters, "MAX_OWN_FIRINGS", 40 * len(part.members))
    rough = search.concept_cluster(concept)
    assert not rough.shares_are_exact
    assert set(rough.latents) == set(whole.latents)


def test_a_sample_misses_neither_latents_of_many_words_nor_rare_ones_of_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Latent 0 fires on all of 100 words, 1 on one word at ten places that no sample reads."""
    words = [f"x{number}" for number in range(101)]
    table = table_of([[*range(100)] * 20, [100] * 2000])
    dense = np.zeros((4000, 3), dtype=np.float16)
    dense[:2000, 0] = 1
    dense[np.flatnonzero(table.token_id[:2000] == 7)[1:11], 1] = 1
    dense[2000:, 2] = 1
    monkeypatch.setattr(responsible, "MAX_ROWS", 100)
    search = LatentSearch(Searched(table, words, reference.by_latent_of(dense)))
    found = search.concept_cluster(concept_of([[word] for word in words[:100]]))
    assert found.n_used == 100
    read = search.occurrences(range(100)).rows
    assert not dense[read, 1].any()
    assert found.latents == (0, 1)


def test_frequent_tokens_turned_round_count_as_they_were(search: LatentSearch) -> None:
    examples = search._source.examples
    ids = np.array([3, 17, 400, 10**6])
    expected = np.zeros(len(examples.token_indptr) - 1)
    for latent in range(len(expected)):
        span = slice(examples.token_indptr[latent], examples.token_indptr[latent + 1])
        expected[latent] = examples.token_counts[span][np.isin(examples.token_ids[span], ids)].sum()
    assert expected.any()
    np.testing.assert_array_equal(FrequentTokens(examples).firings_on(ids), expected)


def test_the_members_kept_are_those_of_the_greatest_activation(
    planted: PlantedExperiment, search: LatentSearch
) -> None:
    concept, ids, latents = next(things(planted))
    found = search.concept_cluster(concept, limit=3)
    on = np.isin(planted.table.token_id[planted.firings.tokens], ids)
    owner = np.repeat(np.arange(3000), np.diff(planted.firings.indptr))
    sums = np.bincount(owner, weights=planted.firings.activations * on, minlength=3000)
    assert set(found.latents) == set(latents[np.argsort(-sums[latents])][:3].tolist())
    assert found.n_members_found > 3
    assert found.tuning.shape == (3, concept.n_steps)


def test_a_planted_word_names_the_latents_of_its_manifold_by_text_token_and_rows(
    planted: PlantedExperiment, search: LatentSearch
) -> None:
    concept, ids, latents = next(things(planted))
    answer = search.by_text(concept.labels[0], limit=3)
    assert answer.spelling.how == "entry"
    assert answer.spelling.sequences == ((ids[0],),)
    assert {one.latent for one in answer.responsible.latents} <= set(latents.tolist())
    assert answer.responsible == search.by_token_ids([int(ids[0])], limit=3)
    rows = answer.occurrences.rows
    assert planted.table.token_id[rows].tolist() == [ids[0]] * len(rows)
    assert answer.responsible == search.by_rows(np.concatenate([rows, rows[::-1]]), limit=3)
    for passage in search.passages(rows[:3]):
        assert passage.tokens[passage.marked].strip() == concept.labels[0]


def test_text_of_several_tokens_is_found_at_its_last(search: LatentSearch) -> None:
    answer = search.by_text(" the, of", limit=5)
    assert answer.spelling.how == "longest entries"
    assert answer.tokens[0] == (" the", ",", " of")
    passages = search.passages(answer.occurrences.rows, context=2)
    assert passages
    assert all(passage.tokens[:3] == (" the", ",", " of") for passage in passages)
    assert {passage.marked for passage in passages} == {2}


def test_a_text_of_one_token_or_two_is_found_as_both() -> None:
    dense = np.eye(6, dtype=np.float16)
    source = Searched(table_of([[1, 2, 3], [2, 3, 1]]), WORDS, reference.by_latent_of(dense))
    source.encoder = lambda text: [1] if text.startswith(" ") else [2, 3]
    answer = LatentSearch(source).by_text("some text", limit=10)
    assert answer.occurrences.rows.tolist() == [0, 2, 4, 5]
    assert answer.occurrences.is_exact
    assert {one.latent for one in answer.responsible.latents} == {0, 2, 4, 5}


def test_similar_latents_and_labels_are_found() -> None:
    weights = sp.csr_matrix(([0.5, 0.5], ([0, 2], [2, 0])), shape=(3, 3))
    dense = np.eye(3, dtype=np.float16)
    source = Searched(table_of([[1, 2, 3]]), WORDS, reference.by_latent_of(dense))
    source.matrices, source.decoder = {"jaccard": weights}, np.ones((3, 2), dtype=np.float32)
    search = LatentSearch(source)
    (found,) = search.similar(0)
    assert (found.latent, found.weights) == (2, {"jaccard": 0.5})
    assert found.cosine == pytest.approx(1)
    assert search.similar(0, kind="jaccard")[0].score == 0.5
    assert [hit.latent for hit in search.by_label("w2")] == [1]
    asked: list[str] = []
    LatentSearch(source, edges=lambda kind: asked.append(kind) or weights).similar(2)
    assert asked == ["jaccard"]


@pytest.mark.parametrize(
    ("method", "arguments", "options"),
    [
        ("by_text", ["x" * 300], {}),
        ("by_text", ["quark"], {}),
        ("by_token_ids", [[]], {}),
        ("by_token_ids", [[0]], {"limit": 0}),
        ("by_rows", [[60]], {}),
        ("by_rows", [range(1_000_001)], {}),
        ("by_rows", [[2**80]], {}),
        ("by_label", [" "], {}),
        ("occurrences", [[1]], {"most": 0}),
        ("passages", [[0]], {"context": 1000}),
        ("concept_cluster", [concept_of([["no"], ["such"]])], {}),
        ("concept_cluster", [concept_of([["w1"], ["w2"]])], {"share": 1.0}),
        ("concept_cluster", [concept_of([["w1"], ["w2"]])], {"share": float("nan")}),
        ("concept_cluster", [concept_of([["w1"], ["w2"]])], {"min_firings": 0}),
        ("concept_cluster", [concept_of([["w1"], ["w2"]])], {"limit": 1001}),
    ],
)
def test_what_is_out_of_range_is_refused(
    method: str, arguments: list[Any], options: dict[str, Any]
) -> None:
    dense = np.ones((3, 2), dtype=np.float16)
    search = LatentSearch(Searched(table_of([[1, 2, 3]]), WORDS, reference.by_latent_of(dense)))
    with pytest.raises(InputError):
        getattr(search, method)(*arguments, **options)
