"""Planted manifolds, rebuilt from firings and decoder, have their shapes; decoys have none."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from feature_manifold.testing.planted.experiment import PlantedExperiment, plant
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.things import KINDS, Thing, plan_things
from feature_manifold.testing.planted.truth import ground_truth

SPEC = PlantedSpec(
    n_tokens=60_000, n_latents=512, d_model=128, l0=12, seed=3, concept_share=0.5, shard_tokens=9999
)
MANIFOLDS = ["circle7", "circle12", "circle24", "line100", "grid", "torus"]
CIRCLES = MANIFOLDS[:3]


@cache
def planted() -> PlantedExperiment:
    return plant(SPEC)


def number_of(kind: str) -> int:
    return next(n for n, thing in enumerate(planted().plan.things) if thing.kind == kind)


def thing_of(kind: str) -> Thing:
    return planted().plan.things[number_of(kind)]


@cache
def words_and_activations(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the thing's words each of its tokens is, and its latents' activations."""
    experiment, number = planted(), number_of(kind)
    ids = experiment.plan.corpus.vocabulary.words_of(number)
    rows = np.flatnonzero(np.isin(experiment.table.token_id, ids))
    dense = np.zeros(len(experiment.table.token_id))
    columns = []
    for latent in experiment.plan.population.latents_of(number):
        span = slice(*experiment.firings.indptr[latent : latent + 2])
        dense[:] = 0
        dense[experiment.firings.tokens[span]] = experiment.firings.activations[span]
        columns.append(dense[rows])
    return experiment.table.token_id[rows] - ids[0], np.stack(columns, axis=1)


@cache
def cloud(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each word's reconstructions, and the scatter about it."""
    words, activations = words_and_activations(kind)
    latents = planted().plan.population.latents_of(number_of(kind))
    points = activations @ planted().decoder[latents].astype(np.float64)
    of_word = [points[words == word] for word in range(thing_of(kind).n_words)]
    means = np.stack([own.mean(axis=0) for own in of_word])
    scatter = np.mean([np.linalg.norm(own - own.mean(axis=0), axis=1).mean() for own in of_word])
    return means - means.mean(axis=0), scatter


def spectrum(kind: str) -> np.ndarray:
    """Return the share of the words' variance along each principal axis."""
    squares = np.linalg.svd(cloud(kind)[0], compute_uv=False) ** 2
    return squares / squares.sum()


def principal(kind: str, n: int) -> np.ndarray:
    left, size, _ = np.linalg.svd(cloud(kind)[0], full_matrices=False)
    return left[:, :n] * size[:n]


def explained(points: np.ndarray, by: np.ndarray) -> float:
    """Return R squared of a linear map with offset."""
    design = np.column_stack([by, np.ones(len(by))])
    rest = points - design @ np.linalg.lstsq(design, points, rcond=None)[0]
    return 1 - (rest**2).sum() / ((points - points.mean(axis=0)) ** 2).sum()


def test_one_of_each_kind_is_planted() -> None:
    assert [thing.kind for thing in planted().plan.things] == list(KINDS)


def test_a_large_experiment_has_several_of_each() -> None:
    many = plan_things(replace(SPEC, n_latents=65_536))
    assert len(many) == 21 * len(KINDS)
    assert len({thing.name for thing in many}) == len(many)


@pytest.mark.parametrize("kind", CIRCLES)
def test_a_circle_lies_in_a_plane_in_angle_order(kind: str) -> None:
    assert spectrum(kind)[:2].sum() > 0.97
    assert spectrum(kind)[0] < 0.6
    plane = principal(kind, 2)
    radius = np.linalg.norm(plane, axis=1)
    assert radius.max() / radius.min() < 1.25
    angle = np.unwrap(np.arctan2(plane[:, 1], plane[:, 0]))
    steps = np.diff(angle) * np.sign(angle[1] - angle[0])
    n = len(angle)
    assert steps == pytest.approx(2 * np.pi / n, rel=0.5)
    assert abs(angle[-1] - angle[0]) == pytest.approx(2 * np.pi * (n - 1) / n, rel=0.03)


def test_a_line_lies_on_its_horseshoe_in_order() -> None:
    plane = principal("line100", 2)
    along = thing_of("line100").coordinates[:, 0]
    turn = 1.5 * np.pi * (along - 0.5)
    assert explained(plane, np.column_stack([np.cos(turn), np.sin(turn)])) > 0.97
    basis = thing_of("line100").basis(SPEC.seed, SPEC.d_model)
    inside = cloud("line100")[0] @ basis.T
    assert (inside**2).sum() / (cloud("line100")[0] ** 2).sum() > 0.95
    angle = np.unwrap(np.arctan2(inside[:, 2], inside[:, 1]))
    ranks = np.argsort(np.argsort(angle))
    assert abs(np.corrcoef(ranks, along)[0, 1]) > 0.99


def test_a_grid_is_flat_and_square() -> None:
    assert spectrum("grid")[:2].sum() > 0.95
    assert explained(principal("grid", 2), thing_of("grid").coordinates) > 0.97


def test_a_torus_is_a_product_of_two_circles() -> None:
    assert spectrum("torus")[:4].sum() > 0.95
    assert spectrum("torus")[0] < 0.4
    angle = 2 * np.pi * thing_of("torus").coordinates
    circles = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    assert explained(principal("torus", 4), circles) > 0.97


@pytest.mark.parametrize("kind", MANIFOLDS)
def test_occurrences_scatter_less_than_the_manifold_is_wide(kind: str) -> None:
    means, scatter = cloud(kind)
    assert scatter < 0.35 * np.linalg.norm(means, axis=1).mean()


@pytest.mark.parametrize("kind", MANIFOLDS)
def test_few_latents_are_active_at_a_point(kind: str) -> None:
    _, activations = words_and_activations(kind)
    on = (activations[:, :-1] > 0).sum(axis=1)
    assert 1.8 < on.mean() < 4
    assert np.percentile(on, 99) <= (6 if kind in ("grid", "torus") else 4)


def test_one_hot_words_have_no_order() -> None:
    means, _ = cloud("onehot")
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)[np.triu_indices(len(means), 1)]
    assert apart.max() / apart.min() < 1.3
    assert spectrum("onehot")[:2].sum() < 0.45
    _, activations = words_and_activations("onehot")
    assert ((activations[:, :-1] > 0).sum(axis=1) <= 1).all()


def test_a_blob_does_not_tell_its_words_apart() -> None:
    means, scatter = cloud("blob")
    assert np.linalg.norm(means, axis=1).max() < 0.3 * scatter
    _, activations = words_and_activations("blob")
    both = activations[(activations > 0).all(axis=1)]
    assert np.abs(np.corrcoef(both.T) - np.eye(both.shape[1])).max() < 0.15


def test_an_intensity_is_one_latent_of_a_wide_range() -> None:
    _, activations = words_and_activations("intensity")
    assert activations.shape[1] == 1
    low, high = np.percentile(activations[activations > 0], [5, 95])
    assert high / low > 6


@pytest.mark.parametrize("kind", MANIFOLDS)
def test_spokes_share_a_hub_and_point_apart(kind: str) -> None:
    experiment, thing = planted(), thing_of(kind)
    latents = experiment.plan.population.latents_of(number_of(kind))
    cosines = experiment.decoder[latents] @ experiment.decoder[latents].T
    assert thing.roles[-1].role == "hub"
    assert cosines[-1, :-1].min() > 0.2
    assert cosines.min() < -0.3
    _, activations = words_and_activations(kind)
    assert (activations[:, -1] > 0).mean() == pytest.approx(1 - SPEC.miss, abs=0.02)


@pytest.mark.parametrize("kind", MANIFOLDS)
def test_a_split_role_is_played_by_one_of_two(kind: str) -> None:
    thing = thing_of(kind)
    _, activations = words_and_activations(kind)
    latents = planted().plan.population.latents_of(number_of(kind))
    splits = [place for place, role in enumerate(thing.roles) if role.role == "split"]
    assert len(splits) == round(SPEC.split_share * sum(r.role == "spoke" for r in thing.roles))
    for place in splits:
        partner = thing.roles[place].partner
        assert not (activations[:, place] * activations[:, partner]).any()
        assert 0.5 < (activations[:, place] > 0).sum() / (activations[:, partner] > 0).sum() < 2
        rows = planted().decoder[latents[[place, partner]]]
        assert rows[0] @ rows[1] > 0.95


@pytest.mark.parametrize("kind", MANIFOLDS)
def test_an_absorbed_spoke_is_silent_where_another_fires(kind: str) -> None:
    thing = thing_of(kind)
    words, activations = words_and_activations(kind)
    absorbers = [place for place, role in enumerate(thing.roles) if role.role == "absorber"]
    assert absorbers
    for place in absorbers:
        role = thing.roles[place]
        taken = activations[:, place] > 0
        assert set(words[taken]) == {role.word}
        assert not activations[taken, role.partner].any()
        own = words == role.word
        assert 0.2 < taken[own].mean() < 0.8
        assert (activations[own & ~taken, role.partner] > 0).mean() > 0.8


def test_planted_latents_rarely_fire_elsewhere() -> None:
    experiment = plant(replace(SPEC, stray=0.001))
    latents = experiment.plan.population.latents_of(number_of("circle7"))
    ids = experiment.plan.corpus.vocabulary.words_of(number_of("circle7"))
    for latent in latents:
        tokens = experiment.firings.tokens[slice(*experiment.firings.indptr[latent : latent + 2])]
        astray = ~np.isin(experiment.table.token_id[tokens], ids)
        assert 20 < astray.sum() < 120


def test_the_ground_truth_tells_all_of_it() -> None:
    experiment = planted()
    truth = ground_truth(experiment.plan)
    assert truth["spec"]["seed"] == SPEC.seed
    planted_latents = [one["latent"] for thing in truth["things"] for one in thing["latents"]]
    assert len(set(planted_latents)) == len(planted_latents)
    assert {thing["kind"] for thing in truth["things"] if thing["is_decoy"]} == {
        "onehot",
        "blob",
        "intensity",
    }
    for number, thing in enumerate(truth["things"]):
        own = experiment.plan.things[number]
        basis = own.basis(SPEC.seed, SPEC.d_model)
        assert np.allclose(basis @ basis.T, np.eye(thing["n_dims"]))
        ids = [word["token_id"] for word in thing["words"]]
        assert ids == experiment.plan.corpus.vocabulary.words_of(number).tolist()
        for one in thing["latents"]:
            row = experiment.decoder[one["latent"]]
            assert row @ (np.array(one["direction"]) @ basis) > 0.98
            span = slice(*experiment.firings.indptr[one["latent"] : one["latent"] + 2])
            tokens = experiment.firings.tokens[span]
            on = np.isin(
                experiment.table.token_id[tokens], [int(key) for key in one["activations"]]
            )
            assert on.sum() >= len(on) - 15
