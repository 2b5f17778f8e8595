"""Maps of latents: quality on planted data, few latents, latents without a direction."""

import warnings

import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from sklearn.metrics.pairwise import cosine_distances
from sklearn.utils import check_random_state
from tests import reference

from feature_manifold.core.arrays import Array
from feature_manifold.geometry.edges import LatentPairs
from feature_manifold.geometry.layout import (
    LAYOUTS,
    Layout,
    find_ab_params,
    fuzzy_simplicial_set,
    simplicial_set_embedding,
)
from feature_manifold.store.layout import POSITIONS


def lay_out(name: str, decoder: Array, dense: Array, *, seed: int = 0, **options: int) -> Layout:
    by_latent, by_token = reference.by_latent_of(dense), reference.by_token_of(dense)
    pairs = LatentPairs(decoder, by_latent, by_token, **options)
    return LAYOUTS[name](pairs, min_dist=0.1, seed=seed)


def silent(n_latents: int) -> Array:
    return np.zeros((1, n_latents), dtype=np.float16)


@pytest.fixture(scope="module")
def planted() -> Array:
    """Twelve rings of 30 directions in 32 dimensions, with noise."""
    random = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    rings = []
    for _ in range(12):
        axes, _ = np.linalg.qr(random.normal(size=(32, 3)))
        rings.append(np.stack([np.cos(angles), np.sin(angles), np.ones(30)], axis=1) @ axes.T)
    rows = np.concatenate(rings) + random.normal(scale=0.2, size=(360, 32))
    return rows.astype(np.float32)


def umap_learn(distances: Array) -> Array:
    """Run umap-learn as it is by default: exact neighbours, its own start, its own seeding.

    Its class does the same and compiles for half a minute what is not used here.
    """
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :15]
    state = check_random_state(0)
    graph, _, _ = fuzzy_simplicial_set(
        distances,
        15,
        state,
        "precomputed",
        knn_indices=nearest,
        knn_dists=np.take_along_axis(distances, nearest, axis=1),
    )
    a, b = find_ab_params(1.0, 0.1)
    return simplicial_set_embedding(
        distances, graph, 2, 1.0, a, b, 1.0, 5, None, "spectral", state, "precomputed", {},
        False, {}, False,
    )[0]  # fmt: skip


def test_layouts_are_those_that_the_store_names() -> None:
    assert list(LAYOUTS) == list(POSITIONS)


def test_the_cosine_layout_is_as_trustworthy_as_umap_learn(planted: Array) -> None:
    plain = umap_learn(cosine_distances(planted))
    floor = trustworthiness(planted, plain, metric="cosine")
    layout = lay_out("cosine", planted, silent(360))
    assert trustworthiness(planted, layout.positions, metric="cosine") >= floor - 0.005
    assert layout.positions.dtype == np.float32
    assert layout.positions.min() >= 0
    assert layout.positions.max() <= 1
    assert np.ptp(layout.positions, axis=0).max() == pytest.approx(1, abs=1e-6)
    assert layout.unplaced.size == 0


@pytest.mark.slow
@pytest.mark.parametrize("n_latents", [1500, 4000])
def test_thousands_of_latents_are_as_trustworthy_as_with_umap_learn_itself(
    n_latents: int,
) -> None:
    """Half of the directions in groups, half anywhere, as decoders are."""
    from umap import UMAP

    random = np.random.default_rng(n_latents)
    centres = random.normal(size=(n_latents // 30, 48))
    near = centres[random.integers(len(centres), size=n_latents // 2)]
    rows = random.normal(size=(n_latents, 48))
    rows[: n_latents // 2] = near + 0.7 * rows[: n_latents // 2]
    decoder = rows.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap-learn says that a seed means one thread.
        plain = UMAP(metric="cosine", min_dist=0.1, random_state=0).fit(decoder).embedding_
    floor = trustworthiness(decoder, plain, n_neighbors=15, metric="cosine")
    layout = lay_out("cosine", decoder, silent(n_latents))
    ours = trustworthiness(decoder, layout.positions, n_neighbors=15, metric="cosine")
    assert ours >= floor - 0.005


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_a_layout_is_reproducible_and_depends_on_the_seed(name: str, planted: Array) -> None:
    first = lay_out(name, planted[:90], silent(90))
    again = lay_out(name, planted[:90], silent(90))
    other = lay_out(name, planted[:90], silent(90), seed=1)
    np.testing.assert_array_equal(first.positions, again.positions)
    assert not np.array_equal(first.positions, other.positions)


def test_latents_that_fire_together_are_islands_of_the_coactivation_layout() -> None:
    random = np.random.default_rng(1)
    group = np.repeat(np.arange(8), 25)
    topic = random.integers(40, size=2000)
    dense = ((topic[:, None] == group) & (random.random((2000, 200)) < 0.4)).astype(np.float16)
    # Directions know nothing of the groups.
    decoder = random.normal(size=(200, 64)).astype(np.float32)

    def purity(positions: Array) -> float:
        gaps = np.linalg.norm(positions[:, None] - positions, axis=2)
        near = np.argsort(gaps, axis=1)[:, 1:11]
        return float(np.mean(group[near] == group[:, None]))

    assert purity(lay_out("coactivation", decoder, dense).positions) > 0.9
    assert purity(lay_out("cosine", decoder, dense).positions) < 0.3


@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize("n_latents", [1, 2, 3, 4, 9, 16])
def test_few_latents_all_have_a_finite_place(name: str, n_latents: int) -> None:
    decoder = np.random.default_rng(n_latents).normal(size=(n_latents, 5)).astype(np.float32)
    positions = lay_out(name, decoder, silent(n_latents)).positions
    assert positions.shape == (n_latents, 2)
    assert np.isfinite(positions).all()
    assert positions.min() >= 0
    assert positions.max() <= 1
    assert len(np.unique(positions, axis=0)) == n_latents


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_latents_that_are_all_equal_do_not_break_a_layout(name: str) -> None:
    decoder = np.ones((40, 5), dtype=np.float32)
    assert np.isfinite(lay_out(name, decoder, silent(40)).positions).all()


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_equal_latents_share_a_place_within_the_map(name: str, planted: Array) -> None:
    decoder = planted.copy()
    for first in (0, 100, 200):
        decoder[first : first + 6] = decoder[first] * np.arange(1, 7)[:, None]
    layout = lay_out(name, decoder, silent(360))
    for first in (0, 100, 200):
        assert len(np.unique(layout.positions[first : first + 6], axis=0)) == 1
    assert len(np.unique(layout.positions, axis=0)) == 345
    # Left alone they would drift off, and all others would be crowded in a corner.
    low, high = np.quantile(layout.positions, [0.05, 0.95], axis=0)
    assert (high - low).max() > 0.7


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_equal_latents_that_fill_their_own_lists_have_a_place(name: str) -> None:
    """Dead latents of one direction, more of them than neighbours are kept."""
    random = np.random.default_rng(5)
    axes = np.eye(8, dtype=np.float32)
    near = axes[0] + 0.3 * axes[[1, 2]]
    elsewhere = random.normal(size=(12, 5)) @ axes[3:]
    decoder = np.concatenate([np.tile(axes[0], (8, 1)), near, elsewhere]).astype(np.float32)
    layout = lay_out(name, decoder, silent(22), top_k=5, n_neighbors=5)
    assert np.isfinite(layout.positions).all()
    assert layout.unplaced.size == 0
    assert len(np.unique(layout.positions[:8], axis=0)) == 1
    gaps = np.linalg.norm(layout.positions - layout.positions[0], axis=1)
    assert gaps[8:10].max() < gaps[10:].min()


def test_equal_latents_that_fire_apart_have_each_their_place(planted: Array) -> None:
    decoder = planted[:60].copy()
    decoder[1] = decoder[0]
    dense = np.zeros((50, 60), dtype=np.float16)
    dense[:5, [0, 2]] = dense[30:33, [1, 40]] = 1
    same = lay_out("cosine", decoder, dense).positions
    apart = lay_out("coactivation", decoder, dense).positions
    np.testing.assert_array_equal(same[0], same[1])
    assert np.linalg.norm(apart[0] - apart[1]) > 0


def test_a_latent_without_direction_stands_below_the_map() -> None:
    random = np.random.default_rng(2)
    decoder = random.normal(size=(40, 6)).astype(np.float32)
    decoder[[3, 17]] = 0
    dense = np.zeros((30, 40), dtype=np.float16)
    dense[:3, 17] = dense[:3, 18] = 1

    layout = lay_out("cosine", decoder, dense)
    assert layout.unplaced.tolist() == [3, 17]
    assert np.isfinite(layout.positions).all()
    np.testing.assert_allclose(layout.positions[[3, 17]], [[0.25, 0], [0.75, 0]])
    others = np.delete(layout.positions, [3, 17], axis=0)
    assert others[:, 1].min() >= 0.0499

    # It fires together with latent 18, and so has a place on the other map.
    assert lay_out("coactivation", decoder, dense).unplaced.tolist() == [3]


def test_a_decoder_of_zeros_makes_a_map_of_nothing() -> None:
    layout = lay_out("cosine", np.zeros((3, 4), dtype=np.float32), silent(3))
    assert layout.unplaced.tolist() == [0, 1, 2]
    assert np.isfinite(layout.positions).all()
