"""The measures of planted shapes tell them apart; of odd clouds they are not applicable."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.cloud import Cloud, build_cloud
from feature_manifold.geometry.clusters.core import core_tokens, count_types
from feature_manifold.geometry.measures import EFFORTS, MEASURES, Measured, measure_cloud
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.testing.planted.experiment import PlantedExperiment, plant
from feature_manifold.testing.planted.spec import PlantedSpec

QUICK = replace(EFFORTS["survey"], resamples=4, points=600, landmarks=48, pool=1000, ascended=64)


@cache
def planted() -> PlantedExperiment:
    return plant(
        PlantedSpec(n_tokens=40_000, n_latents=512, d_model=64, l0=15, seed=3, concept_share=0.4)
    )


def cloud_of(kind: str) -> tuple[Cloud, Array, Array]:
    """The cloud of a planted thing, the token ids of its points, and its core tokens."""
    experiment = planted()
    number = next(place for place, thing in enumerate(experiment.plan.things) if thing.kind == kind)
    shard, ids = experiment.firings, experiment.table.token_id.astype(np.int64)
    firings = FiringsByLatent(shard.indptr, shard.tokens, shard.activations, len(ids))
    cloud = build_cloud(
        firings, experiment.decoder, experiment.plan.population.latents_of(number).tolist()
    )
    mass = np.asarray(cloud.activations.sum(axis=1)).ravel()
    here = ids[cloud.tokens]
    return cloud, here, core_tokens(mass, here, occurrences=count_types(ids))


@cache
def measured(kind: str) -> dict[str, Measured]:
    cloud, ids, core = cloud_of(kind)
    return dict(measure_cloud(cloud, ids, core_types=core, seed=1, effort=QUICK))


def survives(kind: str, name: str) -> bool:
    """Whether both nulls are as far from it as 19 rounds can tell."""
    return all(null.p <= 0.05 + 1e-9 for null in measured(kind)[name].nulls.values())


@pytest.mark.parametrize("kind", ["circle7", "circle12", "circle24"])
def test_a_circle_is_one_regular_ring_of_types(kind: str) -> None:
    found = measured(kind)
    for name in ("type_loop", "angular_regularity", "separability_corrected"):
        assert survives(kind, name), name
    assert found["type_loop"].value > 0.7
    assert found["angular_regularity"].value > 0.7
    assert found["type_loop_ratio"].value < 0.3
    assert found["type_participation_ratio"].value == pytest.approx(2, abs=0.3)
    assert found["plane"].value == 1


def test_a_line_is_a_curve_without_a_ring() -> None:
    found = measured("line100")
    assert survives("line100", "type_dimension")
    assert found["type_dimension"].value == pytest.approx(1, abs=0.25)
    assert found["type_loop"].value < 0.1
    assert found["angular_regularity"].value < 0
    assert found["separability_corrected"].nulls["spectrum"].p <= 0.05 + 1e-9


def test_a_grid_is_a_surface_in_two_dimensions_without_a_ring() -> None:
    found = measured("grid")
    assert found["type_dimension"].value == pytest.approx(2, abs=0.25)
    assert found["type_participation_ratio"].value == pytest.approx(2, abs=0.2)
    assert found["type_loop"].value < 0.3
    assert found["type_participation_ratio"].nulls["shuffle"].p <= 0.05 + 1e-9


def test_a_torus_has_two_rings_and_takes_four_dimensions() -> None:
    found = measured("torus")
    for name in ("type_loop", "type_loop_second"):
        assert survives("torus", name), name
    assert found["type_loop_ratio"].value > 0.8
    assert found["type_participation_ratio"].value == pytest.approx(4, abs=0.3)


def test_one_latent_for_each_word_is_a_mixture_without_order() -> None:
    found = measured("onehot")
    # Separability alone is taken in: the trap that ranks letters above months.
    assert found["separability_corrected"].value > 0.8
    assert found["mixture"].value > 0.3
    assert 0 < found["mixture_published"].value < found["mixture"].value + 0.2
    assert found["type_participation_ratio"].value == pytest.approx(6, abs=0.2)
    assert found["type_loop"].value < 0.1
    assert not survives("onehot", "type_loop")
    assert not survives("onehot", "angular_regularity")


def test_a_blob_has_nothing_that_survives() -> None:
    found = measured("blob")
    for name in ("type_loop", "angular_regularity", "separability_corrected", "loop"):
        assert not survives("blob", name), name
    assert found["separability_corrected"].value < 0.1
    assert found["intrinsic_dimension"].value > 5


def test_a_latent_alone_has_a_line_and_nothing_to_say_about_planes() -> None:
    found = measured("intensity")
    assert found["participation_ratio"].value == pytest.approx(1)
    assert found["intrinsic_dimension"].value == pytest.approx(1, abs=0.35)
    for name in ("separability", "mixture", "engels_score", "plane", "type_loop"):
        assert np.isnan(found[name].value), name
    assert found["loop"].value == 0


def test_entropy_counts_the_words() -> None:
    # Words are alike frequent, and a few stray tokens add a little.
    for kind, n_words in (("circle7", 7), ("circle24", 24), ("grid", 64)):
        assert measured(kind)["token_entropy"].value == pytest.approx(np.log2(n_words), abs=0.7)


def test_results_are_complete_in_order_and_repeatable_to_the_byte() -> None:
    cloud, ids, core = cloud_of("circle7")
    again = measure_cloud(cloud, ids, core_types=core[::-1], seed=1, effort=QUICK)
    assert list(again) == [measure.name for measure in MEASURES]
    assert repr(again) == repr(measured("circle7"))
    other = measure_cloud(cloud, ids, core_types=core, seed=2, effort=QUICK)
    assert other["loop"].nulls["spectrum"].median != again["loop"].nulls["spectrum"].median
    # The planes' values are of all points: no seed moves them.
    assert other["separability"].value == again["separability"].value


def test_every_measure_has_what_the_list_says() -> None:
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    for measure in MEASURES:
        found = measured("circle24")[measure.name]
        assert tuple(found.nulls) == measure.nulls, measure.name
        assert np.isnan(found.low) == (measure.interval == "none"), measure.name
        for null in found.nulls.values():
            assert np.isnan(null.p) == (measure.evidence is None), measure.name
        for bound, side in ((measure.low, -1), (measure.high, 1)):
            if bound is not None:
                assert side * found.value <= side * bound + 1e-9, measure.name
    json.dumps([vars(measure) for measure in MEASURES])


def test_observed_statistics_are_of_as_many_points_as_draws() -> None:
    cloud, ids, core = cloud_of("torus")
    few = measure_cloud(cloud, ids, core_types=core, effort=replace(QUICK, points=150))
    null = few["separability"].nulls["spectrum"]
    assert null.observed > few["separability"].value + 0.05
    assert null.median > 0.1
    assert len(null.draws) == QUICK.rounds


def test_clouds_too_small_to_measure_are_not_applicable() -> None:
    cloud, ids, _ = cloud_of("circle7")
    for n in (0, 1, 2, 19, 20, 25):
        rows = np.arange(n)
        found = measure_cloud(cloud.selected(rows), ids[rows], effort=QUICK)
        assert np.isnan(found["separability"].value) == (n < 20)
    same = cloud.selected(np.zeros(40, dtype=np.int64))
    found = measure_cloud(same, ids[:40], effort=QUICK)
    assert np.isnan(found["separability"].value)
    assert np.isnan(found["participation_ratio"].value)


def test_unknown_tokens_are_in_no_type() -> None:
    cloud, ids, _ = cloud_of("circle7")
    found = measure_cloud(cloud, np.full(len(ids), -1), effort=QUICK)
    assert np.isnan(found["token_entropy"].value)
    assert np.isnan(found["type_loop"].value)
    assert found["separability"].value > 0.5


def test_wrong_input_is_an_error() -> None:
    cloud, ids, _ = cloud_of("circle7")
    with pytest.raises(InputError, match="token ids"):
        measure_cloud(cloud, ids[1:])
    with pytest.raises(InputError, match="survey and full"):
        measure_cloud(cloud, ids, effort="most")
