"""Who is missing on a fitted coordinate, and who does nothing for it."""

import numpy as np
import pytest
import scipy.sparse as sp
from tests.geometry.planted_clusters import PlantedClusters, planted_clusters

from feature_manifold.core.arrays import Array
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate import (
    Influence,
    MissingMembers,
    fit_coordinate,
    influences,
    missing as missing_module,
    missing_members,
    tuning_curves,
)
from feature_manifold.geometry.coordinate.missing import _surprise

SHAPES = ("circle7-0", "circle12-0", "circle24-0", "line100-0", "grid-0", "torus-0")


@pytest.fixture(scope="module")
def planted() -> PlantedClusters:
    return planted_clusters(0)


def suggested(
    planted: PlantedClusters, latents: Array, *, n_firings: Array | None = None
) -> MissingMembers:
    cloud, ids, core = planted.cluster(latents)
    coordinate = fit_coordinate(cloud, ids, core_types=core, seed=0)
    return missing_members(
        cloud,
        coordinate,
        tuning_curves(cloud, coordinate),
        planted.by_token,
        planted.experiment.decoder,
        n_firings=np.diff(planted.by_latent.indptr) if n_firings is None else n_firings,
        seed=0,
    )


def judged(planted: PlantedClusters, latents: Array) -> dict[int, Influence]:
    cloud, ids, core = planted.cluster(latents)
    coordinate = fit_coordinate(cloud, ids, core_types=core, seed=0)
    return {found.latent: found for found in influences(cloud, coordinate)}


@pytest.mark.parametrize("name", SHAPES)
def test_a_spoke_that_was_left_out_is_suggested_first(planted: PlantedClusters, name: str) -> None:
    thing, _ = planted.thing(name)
    latents = planted.latents(name)
    spokes = [place for place, role in enumerate(thing.roles) if role.role == "spoke"]
    first = 0
    tried = spokes[:: max(len(spokes) // 3, 1)][:3]
    for place in tried:
        found = suggested(planted, np.delete(latents, place))
        first += bool(found.members) and found.members[0].latent == latents[place]
    # The spoke in a sheet's middle points nowhere on it.
    assert first >= len(tried) - (name == "grid-0")


@pytest.mark.parametrize("name", SHAPES)
def test_nothing_is_missing_in_a_whole_manifold(planted: PlantedClusters, name: str) -> None:
    found = suggested(planted, planted.latents(name))
    assert found.members == ()
    assert found.n_looked_at > 50


def test_what_a_suggestion_says_is_so(planted: PlantedClusters) -> None:
    latents = planted.latents("circle12-0")
    found = suggested(planted, latents[1:])
    member = found.members[0]
    tokens, _ = planted.by_latent.latent(int(latents[0]))
    cloud, ids, core = planted.cluster(latents[1:])
    on_core = np.isin(tokens, cloud.tokens[np.isin(ids, core)]).sum()
    assert found.n_tokens_read == found.n_core_tokens
    assert member.share == pytest.approx(on_core / found.n_core_tokens)
    rate = len(tokens) / planted.by_latent.n_tokens
    assert member.lift == pytest.approx(member.share / rate)
    assert member.lift > 10
    assert member.alignment > 0.9
    assert member.evens > 0.5
    assert member.adds > 0.05
    assert member.p < 1e-6


def test_a_latent_that_fires_mostly_elsewhere_is_not_suggested(planted: PlantedClusters) -> None:
    """It is much likelier on the cluster's words than elsewhere, and points where it fires."""
    latents = planted.latents("circle12-0")
    for as_many, is_suggested in ((1.5, True), (3, False)):
        n_firings = np.diff(planted.by_latent.indptr).astype(np.float64)
        n_firings[latents[0]] *= as_many
        found = suggested(planted, latents[1:], n_firings=n_firings)
        assert [member.latent for member in found.members] == [latents[0]] * is_suggested
        assert all(member.lift > 5 for member in found.members)


def test_p_is_corrected_for_the_number_looked_at(
    planted: PlantedClusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing_module, "LEAST_OWN", 0.0)
    monkeypatch.setattr(missing_module, "LEAST_LIFT", 0.0)
    monkeypatch.setattr(missing_module, "LEAST_ALIGNMENT", -1.0)
    monkeypatch.setattr(missing_module, "LARGEST_P", 0.5)
    found = suggested(planted, planted.latents("circle24-0"))
    assert len(found.members) <= 3
    monkeypatch.setattr(missing_module, "LEAST_ALIGNMENT", 1.01)
    assert suggested(planted, planted.latents("circle24-0")[1:]).members == ()


def test_work_is_bounded_and_the_tokens_read_are_stated(
    planted: PlantedClusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing_module, "MOST_TOKENS", 200)
    latents = planted.latents("circle12-0")
    found = suggested(planted, latents[1:])
    assert found.n_tokens_read == 200 < found.n_core_tokens
    assert found.members[0].latent == latents[0]
    assert found == suggested(planted, latents[1:])


@pytest.mark.parametrize("name", SHAPES[:-1])
def test_a_random_latent_is_an_impostor_and_members_are_not(
    planted: PlantedClusters, name: str
) -> None:
    latents = planted.latents(name)
    assert not any(found.is_impostor for found in judged(planted, latents).values())
    strangers = generator(0, "strangers", name).choice(planted.others(), 2, replace=False)
    caught = 0
    for stranger in strangers.tolist():
        judgement = judged(planted, np.append(latents, stranger))
        assert not any(judgement[latent].is_impostor for latent in latents.tolist())
        caught += judgement[stranger].is_impostor
    assert caught == 2


def test_influences_are_those_of_taking_the_member_out(planted: PlantedClusters) -> None:
    cloud, ids, core = planted.cluster(planted.latents("circle12-0"))
    coordinate = fit_coordinate(cloud, ids, core_types=core, seed=0)
    dense = cloud.activations.toarray().astype(np.float64)
    found = {one.latent: one for one in influences(cloud, coordinate)}
    whole = np.stack([dense[ids == kind].mean(axis=0) for kind in coordinate.types])
    points = whole @ cloud.coordinates
    radius = np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean())
    for place, latent in enumerate(cloud.latents.tolist()):
        left = whole.copy()
        left[:, place] = whole[:, place].mean()
        without = left @ cloud.coordinates
        angle = coordinate.shape.locate(coordinate.frame.project(without))[0]
        shift = np.abs(coordinate.apart(angle, coordinate.type_values)).max()
        assert found[latent].shift == pytest.approx(shift, abs=1e-6)
        moves = np.linalg.norm(without - points, axis=1).max() / radius
        assert found[latent].moves <= moves + 1e-6
        if found[latent].moves > 0.2:
            assert found[latent].moves == pytest.approx(moves, rel=1e-5)
        fires = dense[:, place] > 0
        inside = np.isin(ids, core)
        assert found[latent].on_core == pytest.approx(fires[inside].mean())
        assert found[latent].of_own == pytest.approx(inside[fires].mean())


def test_a_loud_latent_that_fires_seldom_and_anywhere_is_an_impostor() -> None:
    """On one token in fifty: it moves types by chance, but by no more than three errors."""
    rng = np.random.default_rng(3)
    words = np.repeat(np.arange(12), 40)
    places = 2 * np.pi * np.arange(8) / 8
    near = np.cos(2 * np.pi * words[:, None] / 12 - places)
    loud = 8.0 * (rng.random((480, 1)) < 0.02)
    level = np.concatenate([np.clip(near, 0, 1), loud], axis=1)
    rows = np.zeros((9, 12))
    rows[:8, 0], rows[:8, 1], rows[8, 2] = np.cos(places), np.sin(places), 1
    basis, upper = np.linalg.qr(rows.T)
    cloud = Cloud(
        np.arange(9),
        np.arange(480, dtype=np.uint32),
        sp.csr_matrix(level.astype(np.float32)),
        np.ascontiguousarray(upper.T),
        basis.T,
    )
    coordinate = fit_coordinate(cloud, words, core_types=words, seed=0)
    found = {one.latent: one.is_impostor for one in influences(cloud, coordinate)}
    assert found == {latent: latent == 8 for latent in range(9)}


def test_a_latent_that_brings_its_own_words_is_seen_to(planted: PlantedClusters) -> None:
    circle, exclusive = planted.latents("circle7-0"), planted.latents("onehot-0")[0]
    judgement = judged(planted, np.append(circle, exclusive))
    assert judgement[int(exclusive)].n_own_types == 1
    hub = int(circle[-1])
    assert all(judgement[int(latent)].n_own_types == 0 for latent in circle if latent != hub)


def test_surprise_is_that_of_dealing_activations_to_tokens() -> None:
    rng = np.random.default_rng(0)
    answers = np.where(rng.random((3, 60)) < 0.3, rng.random((3, 60)), 0)
    scores = rng.standard_normal((60, 3))
    found = _surprise(sp.csr_matrix(answers), scores)
    for latent in range(3):
        value = answers[latent] @ scores[:, latent]
        dealt = np.array(
            [rng.permutation(answers[latent]) @ scores[:, latent] for _ in range(4000)]
        )
        assert found[latent] == pytest.approx((value - dealt.mean()) / dealt.std(), abs=0.1)
