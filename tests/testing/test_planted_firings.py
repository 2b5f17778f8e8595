"""Planted firings: as many as asked for, of whom, where, and the same however they are drawn."""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from feature_manifold.core.errors import ConfigError
from feature_manifold.store.shards import Shard
from feature_manifold.testing.planted.experiment import PlantedExperiment, PlantedPlan, plant
from feature_manifold.testing.planted.firing_kernels import LEAST_PLANTED, QUANTILE_BITS
from feature_manifold.testing.planted.firings import ACTIVATION_SPREAD, FiringSource
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.streams import stream_key
from feature_manifold.testing.planted.text import BOS_ID

SMALL = PlantedSpec(n_tokens=3000, n_latents=256, d_model=32, l0=9, seed=5, seq_len=64)
MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


@pytest.fixture(scope="module")
def large() -> PlantedExperiment:
    return plant(PlantedSpec(n_tokens=200_000, n_latents=4096, d_model=32, l0=40, seed=1))


@pytest.fixture(scope="module")
def small() -> PlantedExperiment:
    return plant(SMALL)


def rates(planted: PlantedExperiment) -> np.ndarray:
    return np.diff(planted.firings.indptr) / planted.plan.spec.n_tokens


def test_tokens_fire_as_many_latents_as_asked_for(large: PlantedExperiment) -> None:
    assert large.firings.n_firings / 200_000 == pytest.approx(40, rel=0.02)


def test_rates_are_those_of_the_ground_truth(large: PlantedExperiment) -> None:
    wanted = large.plan.population.rate
    # Words of a thing come and go together, so that its latents vary more than a coin's throws.
    spread = np.sqrt(wanted / 200_000) + 0.01 * wanted
    assert np.all(np.abs(rates(large) - wanted) < 6 * spread + 3e-5)


def test_frequencies_have_a_heavy_tail_below_a_half(large: PlantedExperiment) -> None:
    fires = np.sort(rates(large))
    assert fires[-1] == 1.0
    assert 0.1 < fires[-2] < 0.5
    assert fires[-2] > 20 * np.median(fires)


def test_some_latents_never_fire_and_one_always_does(large: PlantedExperiment) -> None:
    population = large.plan.population
    counts = np.diff(large.firings.indptr)
    assert len(population.silent) == round(0.02 * 4096)
    assert not counts[population.silent].any()
    assert counts[population.always] == 200_000


def test_no_special_token_fires_and_every_shard_is_in_order(large: PlantedExperiment) -> None:
    check_shard(large)


def check_shard(planted: PlantedExperiment) -> None:
    firings, token_id = planted.firings, planted.table.token_id
    tokens = firings.tokens.astype(np.int64)
    assert not (token_id[tokens] == BOS_ID).any()
    rises = np.diff(tokens) > 0
    first = firings.indptr[1:-1]
    rises[first[(first > 0) & (first < len(tokens))] - 1] = True
    assert rises.all()
    assert np.isfinite(firings.activations).all()
    assert (firings.activations > 0).all()


@settings(max_examples=30, deadline=None)
@given(
    n_tokens=st.integers(1, 600),
    n_latents=st.integers(64, 300),
    seq_len=st.integers(2, 50),
    seed=st.integers(0, 2**62),
    concept_share=st.sampled_from([0.0, 0.1, 0.9]),
)
def test_any_size_gives_a_valid_experiment(
    n_tokens: int, n_latents: int, seq_len: int, seed: int, concept_share: float
) -> None:
    spec = PlantedSpec(
        n_tokens=n_tokens,
        n_latents=n_latents,
        d_model=16,
        l0=5,
        seed=seed,
        seq_len=seq_len,
        concept_share=concept_share,
    )
    planted = plant(spec)
    check_shard(planted)
    table = planted.table
    assert int((table.position >= 0).sum()) == n_tokens
    assert np.array_equal(np.flatnonzero(table.position < 0), table.windows[:-1])
    assert (table.token_id[table.windows[:-1]] == BOS_ID).all()
    assert np.diff(table.windows).max() <= seq_len
    assert table.token_id.max() < len(planted.plan.corpus.vocabulary.texts)
    assert table.doc_id.max() == len(table.documents) - 1
    for document in range(min(len(table.documents), 20)):
        own = table.position[(table.doc_id == document) & (table.position >= 0)]
        assert np.array_equal(own, np.arange(len(own)))
    assert np.linalg.norm(planted.decoder, axis=1) == pytest.approx(1, abs=1e-5)


def test_one_document_at_least_has_one_token(large: PlantedExperiment) -> None:
    lengths = np.bincount(large.table.doc_id[large.table.position >= 0])
    assert lengths.min() == 1
    assert lengths.max() > 4 * np.median(lengths)


def test_words_follow_zipf(large: PlantedExperiment) -> None:
    counts = np.sort(np.bincount(large.table.token_id)[1:])[::-1]
    assert counts[0] > 5 * counts[20] > 25 * counts[400]


def test_latents_of_a_topic_fire_together_far_above_chance(large: PlantedExperiment) -> None:
    population, firings = large.plan.population, large.firings
    rng = np.random.default_rng(0)
    inside, outside = [], []
    for topic in range(large.plan.corpus.n_topics):
        own = np.flatnonzero((population.topic == topic) & (population.rate > 0.01))
        other = np.flatnonzero((population.topic == topic - 1) & (population.rate > 0.01))
        for first, second in zip(
            *(rng.permutation(own)[: len(own) // 2 * 2].reshape(2, -1)), strict=True
        ):
            inside.append(lift(firings, first, second))
        for first, second in zip(own, other, strict=False):
            outside.append(lift(firings, first, second))
    assert len(inside) > 30
    assert np.median(inside) > 4 * max(np.median(outside), 1)


def lift(firings: Shard, first: int, second: int) -> float:
    """Return how often two latents fire together, relative to independent ones."""
    a, b = (
        firings.tokens[firings.indptr[latent] : firings.indptr[latent + 1]]
        for latent in (first, second)
    )
    return len(np.intersect1d(a, b)) * 200_000 / (len(a) * len(b))


def test_latents_of_a_topic_point_in_related_directions(large: PlantedExperiment) -> None:
    planted = plant(PlantedSpec(n_tokens=100, n_latents=2048, d_model=256, l0=10))
    topic = planted.plan.population.topic
    cosines = planted.decoder @ planted.decoder.T
    own = np.flatnonzero(topic == 0)
    assert np.median(cosines[np.ix_(own, own)]) == pytest.approx(0.36, abs=0.05)
    assert abs(np.median(cosines[np.ix_(own, np.flatnonzero(topic == 1))])) < 0.2


def test_an_l0_out_of_reach_is_refused() -> None:
    with pytest.raises(ConfigError, match="out of reach of 64 latents"):
        plant(PlantedSpec(n_tokens=500, n_latents=64, d_model=32, l0=60))
    with pytest.raises(ConfigError, match="expected 16 to"):
        PlantedSpec(n_tokens=500, n_latents=64, d_model=8, l0=3)


def test_a_shard_does_not_depend_on_the_shards_before_it(small: PlantedExperiment) -> None:
    firings, corpus = small.plan.firings, small.plan.corpus
    first, last = corpus.ranges(500)[2]
    alone = firings.shard(first, last)
    again = plant(SMALL).plan.firings.shard(first, last)
    assert np.array_equal(alone.tokens, again.tokens)
    assert np.array_equal(alone.activations, again.activations)
    whole, part = corpus.table(0, corpus.n_windows), corpus.table(first, last)
    assert np.array_equal(part.token_id, whole.token_id[alone.start : alone.stop])
    assert np.array_equal(part.position, whole.position[alone.start : alone.stop])
    assert np.array_equal(part.doc_id, whole.doc_id[alone.start : alone.stop])


def test_more_firings_than_expected_find_room(
    small: PlantedExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FiringSource, "_capacity", lambda *_: 100)
    again = plant(SMALL)
    assert np.array_equal(again.firings.tokens, small.firings.tokens)
    assert np.array_equal(again.firings.activations, small.firings.activations)


def test_firings_are_those_of_a_walk_token_by_token(small: PlantedExperiment) -> None:
    firings = small.firings
    for latent, wanted in enumerate(slow_firings(small.plan)):
        span = slice(firings.indptr[latent], firings.indptr[latent + 1])
        assert firings.tokens[span].tolist() == [token for token, _ in wanted]
        values = np.array([value for _, value in wanted])
        assert np.allclose(firings.activations[span].astype(np.float64), values, rtol=1e-3)


def slow_firings(plan: PlantedPlan) -> Iterator[list[tuple[int, float]]]:
    """Yield (token, activation) of each latent, one token after the other, one draw at a time."""
    corpus, population = plan.corpus, plan.population
    table = corpus.table(0, corpus.n_windows)
    text = np.flatnonzero(table.position >= 0).tolist()
    variants = corpus.variants(0, corpus.n_tokens).tolist()
    of_range = mixed(int(stream_key(plan.spec.seed, "firings")))
    for latent in range(plan.spec.n_latents):
        draws = stream(mixed(of_range ^ mixed((latent + 1) * GOLDEN & MASK)))
        thing = int(population.thing[latent])
        found = []
        bits = next(draws)
        wait = exponential(bits)
        for token in text:
            own = -1
            if thing >= 0:
                words = corpus.vocabulary.words_of(thing)
                own = int(table.token_id[token]) - int(words[0])
                own = own if 0 <= own < len(words) else -1
            chance = chance_of(plan, latent, int(table.doc_id[token]))
            rate = -math.log1p(-chance) if chance < 1 else math.inf
            if wait < rate:
                if own < 0:
                    found.append((token, float(population.scale[latent]) * spread(bits)))
                bits = next(draws)
                wait = exponential(bits)
            else:
                wait -= rate
            if own < 0:
                continue
            one = plan.things[thing]
            response = float(one.responses[population.place[latent], own, variants[token]])
            if response > 0:
                draw = next(draws)
                if (draw >> 40) / 2**24 >= plan.spec.miss:
                    scatter = max(1 + one.noise * normal(draw), LEAST_PLANTED)
                    found.append((token, response * scatter))
        yield found


def chance_of(plan: PlantedPlan, latent: int, document: int) -> float:
    population, corpus = plan.population, plan.corpus
    topic = int(population.topic[latent])
    inside = topic == corpus.n_topics or topic in corpus.topics[document].tolist()
    return float((population.inside if inside else population.outside)[latent])


def stream(state: int) -> Iterator[int]:
    while True:
        yield mixed(state)
        state = state + GOLDEN & MASK


def mixed(state: int) -> int:
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
    state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
    return state ^ state >> 31


def exponential(bits: int) -> float:
    return -math.log(((bits >> QUANTILE_BITS) + 1) / 2**53)


def normal(bits: int) -> float:
    n = 1 << QUANTILE_BITS
    return NormalDist().inv_cdf((bits % n + 0.5) / n)


def spread(bits: int) -> float:
    return math.exp(ACTIVATION_SPREAD * normal(bits))


def test_the_digest_tells_specs_apart_and_not_their_spelling() -> None:
    whole = PlantedSpec(n_tokens=100, n_latents=64, d_model=32, l0=4)
    assert whole.digest == PlantedSpec(n_tokens=100, n_latents=64, d_model=32, l0=4.0).digest
    assert whole.digest != PlantedSpec(n_tokens=100, n_latents=64, d_model=32, l0=4.5).digest
