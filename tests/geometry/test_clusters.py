"""Discovery: parts against obvious slow versions, and planted experiments end to end."""

from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings, strategies as st

from feature_manifold.core.config import CLUSTER_METHODS
from feature_manifold.core.errors import ConfigError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.core.rng import generator
from feature_manifold.geometry.clusters import affinities, profiles
from feature_manifold.geometry.clusters.affinities import AFFINITIES, LatentGraph, strongest
from feature_manifold.geometry.clusters.communities import (
    SPECTRAL_MOST,
    knn_components,
    leiden,
    spectral,
)
from feature_manifold.geometry.clusters.discover import METHODS, parts_of
from feature_manifold.geometry.clusters.nulls import (
    corrected,
    shuffle_statistics,
    spectrum_statistics,
)
from feature_manifold.geometry.clusters.score import PARTS, evidence_of
from feature_manifold.geometry.clusters.shape import smoothness
from feature_manifold.geometry.clusters.tuning import Tuning
from feature_manifold.geometry.coordinate import COORDINATE_MEASURES
from feature_manifold.geometry.measures.registry import MEASURES
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.testing.discovery import clusters_in, firings_in, places
from feature_manifold.testing.planted.experiment import PlantedExperiment, plant
from feature_manifold.testing.planted.spec import PlantedSpec

SILENT = SilentProgress()
SPEC = PlantedSpec(n_tokens=50_000, n_latents=1024, d_model=96, l0=12, concept_share=0.2)


@cache
def planted() -> PlantedExperiment:
    return plant(SPEC)


def plain_graph(whole: PlantedExperiment) -> LatentGraph:
    """All products at once. The stage ``graph``, which is held to such, compiles for seconds."""
    firings = firings_in(whole)
    fires = sp.csr_matrix(
        (np.ones(len(firings.tokens)), firings.tokens.astype(np.int64), firings.indptr),
        shape=(firings.n_latents, firings.n_tokens),
    )
    shared = (fires @ fires.T).toarray()
    count = np.diag(shared).copy()
    unit = whole.decoder / np.linalg.norm(whole.decoder, axis=1, keepdims=True)
    jaccard = shared / np.maximum(count + count[:, None] - shared, 1)
    return LatentGraph(best(unit @ unit.T), best(jaccard), count, firings.n_tokens)


def best(values: np.ndarray) -> sp.csr_matrix:
    """Keep positive edges that are among the 100 best of either end."""
    np.fill_diagonal(values, 0)
    listed = values >= np.sort(values, axis=1)[:, -100, None]
    return sp.csr_matrix(np.where(listed | listed.T, np.maximum(values, 0), 0))


def test_no_measure_has_the_name_of_a_part() -> None:
    measures = {measure.name for measure in MEASURES} | set(COORDINATE_MEASURES)
    assert not measures & {"score", "hollow", "p", "n_methods", *PARTS}


def test_the_config_offers_the_methods_that_there_are() -> None:
    assert set(CLUSTER_METHODS) == set(METHODS)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_profiles_are_the_sums_by_type(seed: int, most: int) -> None:
    rng = generator(seed, "test")
    n_latents, n_tokens, n_types = 7, 50, 9
    token_ids = rng.integers(-1, n_types, n_tokens)
    dense = rng.integers(1, 9, (n_latents, n_tokens)) * (rng.random((n_latents, n_tokens)) < 0.4)
    csr = sp.csr_matrix(dense.astype(np.float32))
    firings = FiringsByLatent(
        csr.indptr.astype(np.int64), csr.indices.astype(np.uint32), csr.data, n_tokens
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "MOST_TYPES", most)
        found = profiles.type_profiles(firings, token_ids, n_types=n_types, progress=SILENT)
    np.testing.assert_array_equal(found.total, dense.sum(axis=1))
    np.testing.assert_array_equal(found.count, (dense > 0).sum(axis=1))
    for latent in range(n_latents):
        sums = np.array([dense[latent, token_ids == kind].sum() for kind in range(n_types)])
        # Values that do not all fit are left out together.
        keep = (sums > 0) & ((sums[None, :] >= sums[:, None]).sum(axis=1) <= most)
        np.testing.assert_array_equal(found.by_type[latent].toarray()[0], sums * keep)


def test_latents_of_contexts_are_not_selective() -> None:
    occurrences = np.array([60, 30, 5, 5])
    by_type = sp.csr_matrix(np.array([[60, 30, 5, 5], [0, 0, 9, 1], [2, 0, 4, 4]], np.float32))
    found = profiles.TypeProfiles(by_type, np.array([100.0, 10, 10]), np.array([100, 10, 10]))
    assert found.is_selective(occurrences).tolist() == [False, True, True]
    np.testing.assert_allclose(found.share_on(np.array([2, 3])), [0.1, 1, 0.8])


def random_graph() -> tuple[LatentGraph, np.ndarray]:
    """Jaccard of random firings, kept whole, and the firings, bool (n_latents, n_tokens)."""
    rng = generator(0, "test", "graph")
    fires = rng.random((12, 200)) < rng.uniform(0.1, 0.5, 12)[:, None]
    count = fires.sum(axis=1)
    both = fires.astype(int) @ fires.T
    weights = both / (count[:, None] + count - both)
    np.fill_diagonal(weights, 0)
    cosine = np.abs(np.corrcoef(rng.standard_normal((12, 8))))
    np.fill_diagonal(cosine, 0)
    return LatentGraph(sp.csr_matrix(cosine), sp.csr_matrix(weights), count, 200), fires


def test_affinities_are_those_of_the_firings() -> None:
    graph, fires = random_graph()
    off = ~np.eye(12, dtype=bool)
    correlation = np.where(off, np.corrcoef(fires.astype(float)), 0)
    expected = np.where(correlation > affinities.MIN_OVERLAP, correlation, 0)
    np.testing.assert_allclose(AFFINITIES["phi"](graph).toarray(), expected, atol=1e-9)
    both = fires.astype(int) @ fires.T
    overlap = both / np.minimum(graph.count[:, None], graph.count)
    mixed = np.where(off, 0.5 * overlap + 0.5 * graph.cosine.toarray(), 0)
    np.testing.assert_allclose(AFFINITIES["combined"](graph).toarray(), mixed, atol=1e-9)


def test_an_edge_stays_if_either_latent_lists_the_other() -> None:
    graph, _ = random_graph()
    usable = np.arange(12) != 3
    weights = graph.jaccard.toarray() * usable[:, None] * usable
    listed = np.zeros((12, 12), dtype=bool)
    for row in range(12):
        listed[row, np.argsort(-weights[row], kind="stable")[:2]] = True
    expected = np.triu(np.where(listed | listed.T, weights, 0), 1)
    found = strongest(graph.jaccard, usable, top_k=2).toarray()
    np.testing.assert_allclose(found, expected)


def blocks_graph() -> LatentGraph:
    """Three groups of five latents each, with cosines and overlaps of 0.9 inside, 0.1 outside."""
    same = np.kron(np.eye(3), np.ones((5, 5))) > 0
    weights = np.where(same, 0.9, 0.1) * (1 - np.eye(15))
    return LatentGraph(
        sp.csr_matrix(weights), sp.csr_matrix(weights), np.full(15, 100), n_tokens=10_000
    )


@pytest.mark.parametrize("method", ["leiden", "knn", "spectral"])
def test_groups_of_a_graph_of_blocks_are_its_blocks(method: str) -> None:
    graph, usable = blocks_graph(), np.ones(15, dtype=bool)
    edges = strongest(graph.cosine, usable, top_k=10)
    groups = {
        "leiden": lambda: leiden(edges, resolution=1.0, seed=0),
        "knn": lambda: knn_components(graph),
        "spectral": lambda: spectral(graph, usable, seed=0),
    }[method]()
    assert sorted(group.tolist() for group in groups) == np.arange(15).reshape(3, 5).tolist()


def test_spectral_clustering_refuses_what_would_take_hours() -> None:
    with pytest.raises(ConfigError, match="32,768"):
        next(spectral(blocks_graph(), np.ones(SPECTRAL_MOST + 1, dtype=bool), seed=0))


def test_what_never_fires_together_is_split() -> None:
    graph = blocks_graph()
    graph.jaccard.data[graph.jaccard.data < 0.5] = 0.01
    parts = parts_of(graph, np.arange(1, 12))
    assert [part.tolist() for part in parts] == [[1, 2, 3, 4], [5, 6, 7, 8, 9]]
    graph.jaccard.data[:] = 0.01
    assert [part.tolist() for part in parts_of(graph, np.arange(6))] == [list(range(6))]


def tuned(points: np.ndarray) -> Tuning:
    """A cluster whose mean points lie so: one latent per axis and direction."""
    means = np.concatenate([np.maximum(points, 0), np.maximum(-points, 0)], axis=1)
    turn = np.concatenate([np.eye(points.shape[1]), -np.eye(points.shape[1])])
    n = len(points)
    return Tuning(np.arange(means.shape[1]), np.arange(n), means, turn, 1.0, 1.0)


def circle(n: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def sheet(n: int) -> np.ndarray:
    axis = np.linspace(-1, 1, n)
    return np.stack([one.ravel() for one in np.meshgrid(axis, axis)], axis=1)


def horseshoe(n: int) -> np.ndarray:
    angle = np.linspace(-0.7, 0.7, n) * np.pi
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def clump(n: int) -> np.ndarray:
    """Half of the words alone on an axis each, the others all in one place."""
    points = np.zeros((n, n // 2))
    points[np.arange(n // 2), np.arange(n // 2)] = 1
    return points + 0.005 * generator(0, "test", "clump").standard_normal(points.shape)


@pytest.mark.parametrize("points", [circle(12), sheet(7), horseshoe(40)], ids=["o", "sheet", "u"])
def test_manifolds_score_above_a_simplex_a_clump_and_a_straight_line(points: np.ndarray) -> None:
    score = evidence_of(tuned(points), own_share=1.0).score
    line = np.linspace(-1, 1, 20)[:, None] * np.ones(3)
    for other in (np.eye(12), clump(24), line):
        assert score > 4 * evidence_of(tuned(other), own_share=1.0).score
    assert set(evidence_of(tuned(points), own_share=1.0).parts) == set(PARTS)


def test_smoothness_is_that_of_the_plain_computation() -> None:
    points = generator(1, "test").standard_normal((9, 4))
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    second = np.mean([np.sort(np.delete(row, i))[1] for i, row in enumerate(squares)])
    plain = 1 - second / squares[~np.eye(9, dtype=bool)].mean()
    found = smoothness(np.stack([points @ points.T, np.eye(9)]))
    np.testing.assert_allclose(found, [max(plain, 0), 0], atol=1e-12)


@pytest.mark.parametrize("points", [circle(7), sheet(8)], ids=["circle", "sheet"])
def test_a_manifold_beats_both_nulls(points: np.ndarray) -> None:
    rng = generator(0, "test")
    for statistics in (
        spectrum_statistics(points, 199, rng),
        shuffle_statistics(tuned(points), 199, rng),
    ):
        assert corrected(statistics[None])[0] <= 0.02


@pytest.mark.parametrize("points", [np.eye(12), clump(24)], ids=["simplex", "clump"])
def test_words_in_directions_of_their_own_beat_no_gaussian(points: np.ndarray) -> None:
    noise = 0.02 * generator(0, "test", "noise").standard_normal(points.shape)
    statistics = spectrum_statistics(points + noise, 199, generator(0, "test"))
    assert corrected(statistics[None])[0] > 0.05


def test_gaussian_points_are_called_significant_as_often_as_is_said() -> None:
    """Of 40 families of 5 clusters, 2 are expected at 0.05; 7 or more have a chance of 0.3 %."""
    rng = generator(0, "test", "families")
    false = 0
    for _ in range(40):
        families = [
            spectrum_statistics(rng.standard_normal((n, 3)) * [3, 2, 1], 99, rng)
            for n in (8, 12, 20, 40, 60)
        ]
        false += bool((corrected(np.stack(families)) <= 0.05).any())
    assert false <= 6


def test_the_greatest_statistic_of_all_candidates_corrects_each() -> None:
    one = np.r_[10.0, np.linspace(-1, 1, 99)]
    none = np.r_[0.0, np.linspace(-1, 1, 99)]
    assert corrected(one[None])[0] == 0.01
    assert corrected(np.stack([one, none]))[1] >= 0.5
    assert corrected(np.zeros((2, 20))).tolist() == [1.0, 1.0]
    assert len(corrected(np.zeros((0, 20)))) == 0


def test_every_planted_manifold_comes_before_every_decoy_whatever_the_workers() -> None:
    graph = plain_graph(planted())
    clusters = clusters_in(planted(), graph, seed=0, draws=99, n_workers=1)
    found = places(planted(), clusters)
    manifolds = [one for one in found if not one.is_decoy]
    assert all(0 < one.rank <= len(manifolds) and one.p <= 0.05 for one in manifolds)
    assert all(one.p > 0.05 for one in found if one.is_decoy and one.rank)
    again = clusters_in(planted(), graph, seed=0, draws=99, n_workers=3)
    np.testing.assert_array_equal(again.latents, clusters.latents)
    for name, column in clusters.measures.items():
        np.testing.assert_array_equal(again.measures[name], column)


def test_nothing_is_significant_where_nothing_is_planted() -> None:
    empty = plant(
        PlantedSpec(n_tokens=50_000, n_latents=1024, d_model=96, l0=12, seed=2, manifolds=False)
    )
    clusters = clusters_in(empty, plain_graph(empty), seed=0, draws=99, n_workers=2)
    assert clusters.n_clusters > 0
    assert clusters.measures["p"].min() > 0.05


def test_data_without_token_ids_has_no_clusters() -> None:
    whole = planted()
    unknown = np.full(whole.table.n_tokens, -1, dtype=np.int32)
    table = type(whole.table)(**{**vars(whole.table), "token_id": unknown})
    blind = PlantedExperiment(whole.plan, table, whole.firings, whole.decoder)
    found = clusters_in(blind, plain_graph(blind), seed=0, draws=19, n_workers=1)
    assert found.n_clusters == 0
