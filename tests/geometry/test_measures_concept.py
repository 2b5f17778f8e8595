"""Measures against a concept: known answers, no leak from word to word, honest p-values."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings, strategies as st
from scipy.stats import binom, spearmanr

from feature_manifold.core.arrays import Float64Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.measures import (
    CONCEPT_MEASURES,
    EFFORTS,
    measure_concept,
    values_of_points,
)
from feature_manifold.geometry.measures.concept_statistics import (
    circular_correlation,
    concept_statistics,
    cyclic_adjacency,
    isometry_of,
)
from feature_manifold.geometry.measures.regression import RIDGE, folds, held_out_r2
from feature_manifold.geometry.measures.steps import StepPoints, steps_of_values

QUICK = replace(EFFORTS["survey"], rounds=8, resamples=8)


def turns(n: int) -> Float64Array:
    return 2 * np.pi * np.arange(n) / n


def cloud_of(active: Float64Array, decoder: Float64Array) -> Cloud:
    basis, upper = np.linalg.qr(decoder.T)
    return Cloud(
        latents=np.arange(len(decoder)),
        tokens=np.arange(len(active), dtype=np.uint32),
        activations=sp.csr_matrix(active.astype(np.float32)),
        coordinates=np.ascontiguousarray(upper.T),
        basis=np.ascontiguousarray(basis.T),
    )


def ring(n_words: int, n_points: int, rng: np.random.Generator) -> tuple[Cloud, Int64Array]:
    """Words round a circle by latents with tuning curves, a shared direction, and noise."""
    words = rng.integers(0, n_words, n_points)
    words[:n_words] = np.arange(n_words)
    peaks = turns(n_words)
    tuned = np.exp(2 * (np.cos(turns(n_words)[words][:, None] - peaks) - 1))
    active = np.where(tuned > 0.2, tuned, 0) * np.exp(0.1 * rng.standard_normal(tuned.shape))
    decoder = np.column_stack([np.cos(peaks), np.sin(peaks), np.full(n_words, 0.5)])
    return cloud_of(active, np.pad(decoder, ((0, 0), (0, n_words)))), words


def one_hot(n_words: int, n_points: int, rng: np.random.Generator) -> tuple[Cloud, Int64Array]:
    """A direction for each word: linearly separable, and without any order."""
    words = rng.integers(0, n_words, n_points)
    words[:n_words] = np.arange(n_words)
    strength = np.exp(0.1 * rng.standard_normal((n_points, 1)))
    return cloud_of(np.eye(n_words)[words] * strength, np.eye(n_words)), words


def test_weekdays_on_a_circle_are_found_by_every_measure() -> None:
    cloud, words = ring(7, 1500, generator(0, "test", "ring"))
    found = measure_concept(cloud, words.astype(float), period=7, n_steps=7, effort=QUICK)
    assert list(found) == [measure.name for measure in CONCEPT_MEASURES]
    assert found["angular_r2"].value > 0.9
    assert found["circular_correlation"].value > 0.99
    assert found["cyclic_adjacency"].value == 1
    assert found["isometry"].value > 0.9
    assert found["periodic_gain"].value > 0.5
    assert found["concept_coverage"].value == 1
    for name in ("angular_r2", "circular_correlation", "isometry"):
        measured = found[name]
        assert measured.low <= measured.value <= measured.high <= measured.value + 0.1
        assert set(measured.nulls) == {"labels", "spectrum"}
        assert measured.nulls["labels"].p <= 2 / 41
        assert measured.nulls["labels"].median < 0.6


def test_a_direction_for_each_word_knows_nothing_of_their_order() -> None:
    """Folds of points instead of words would find R2 = 1 here."""
    cloud, words = one_hot(7, 1500, generator(0, "test", "hot"))
    found = measure_concept(cloud, words.astype(float), period=7, effort=QUICK)
    angles = turns(7)[words]
    design = np.column_stack([cloud.points(), np.ones(len(words))])
    targets = np.column_stack([np.cos(angles), np.sin(angles)])
    weights = np.linalg.lstsq(design[:1000], targets[:1000], rcond=None)[0]
    leaked = 1 - ((targets[1000:] - design[1000:] @ weights) ** 2).mean() / 0.5
    assert leaked > 0.9
    assert found["angular_r2"].value < 0.1
    assert found["ordinal_r2"].value < 0.1


def test_years_along_a_line_are_ordinal_and_have_no_angles() -> None:
    rng = generator(0, "test", "line")
    years = rng.integers(0, 40, 2000)
    along = years / 39
    peaks = np.linspace(0, 1, 9)
    active = np.maximum(1 - np.abs(along[:, None] - peaks) * 5, 0) + 0.02 * rng.random((2000, 9))
    decoder = np.pad(np.column_stack([peaks, peaks**2, np.ones(9)]), ((0, 0), (0, 6)))
    cloud = cloud_of(active, decoder)
    found = measure_concept(cloud, 1900.0 + years, effort=QUICK)
    assert found["ordinal_r2"].value > 0.9
    assert found["isometry"].value > 0.9
    for name in ("angular_r2", "circular_correlation", "cyclic_adjacency", "periodic_gain"):
        assert np.isnan(found[name].value)
    assert np.isnan(found["concept_coverage"].value)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), n_steps=st.integers(4, 24), r=st.integers(1, 6))
def test_r2_from_moments_is_that_of_a_weighted_ridge_on_points(
    seed: int, n_steps: int, r: int
) -> None:
    rng = generator(seed, "test")
    slots = np.r_[np.arange(n_steps), rng.integers(0, n_steps, 60)]
    active = np.abs(rng.standard_normal((len(slots), r)))
    points = StepPoints(
        sp.csr_matrix(active), rng.standard_normal((r, r)), slots, np.arange(n_steps) * 1.0
    )
    targets = rng.standard_normal((n_steps, 2))
    steps = points.steps()
    found = held_out_r2(steps, targets)
    assert found == pytest.approx(slow_r2(points, targets), rel=1e-6, abs=1e-6)
    # With all weights alike nothing changes.
    again = held_out_r2(points.steps(np.full(len(slots), 3.0)), targets)
    assert again == pytest.approx(found, rel=1e-9, abs=1e-9)


def test_steps_moved_to_where_they_are_stay_what_they_were() -> None:
    cloud, words = ring(9, 400, generator(0, "test", "moved"))
    steps = StepPoints(cloud.activations, cloud.coordinates, words, np.arange(9.0)).steps()
    again = concept_statistics(steps.moved(steps.means), 9)
    assert again == pytest.approx(concept_statistics(steps, 9), abs=0.02)
    # Other means, other statistics.
    moved = steps.moved(generator(1, "test", "moved").standard_normal(steps.means.shape))
    assert concept_statistics(moved, 9)[0] < 0.5


def slow_r2(points: StepPoints, targets: Float64Array) -> float:
    slots, n = points.slots, len(targets)
    x = points.activations.toarray() @ points.coordinates
    means = np.stack([x[slots == step].mean(axis=0) for step in range(n)])
    _, scale, axes = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    c = min(5, max(2, (n - 1) // 2), int((scale > 1e-5 * scale[0]).sum()))
    x = (x - means.mean(axis=0)) @ axes[:c].T
    weight = 1 / np.bincount(slots)[slots]
    missed = against = 0.0
    for left_out in folds(n):
        test = np.isin(slots, left_out)
        w, y = weight[~test] / weight[~test].sum(), targets[slots[~test]]
        centre, middle = w @ x[~test], w @ y
        away = x[~test] - centre
        covariance = (away * w[:, None]).T @ away
        ridge = RIDGE * np.trace(covariance) / c * np.eye(c)
        beta = np.linalg.solve(covariance + ridge, (away * w[:, None]).T @ (y - middle))
        guess = (x[test] - centre) @ beta + middle
        missed += (weight[test, None] * (targets[slots[test]] - guess) ** 2).sum()
        against += (weight[test, None] * (targets[slots[test]] - middle) ** 2).sum()
    return float(1 - missed / against)


def test_no_step_is_both_seen_and_left_out() -> None:
    for n in (4, 7, 10, 12, 100):
        parts = folds(n)
        assert sorted(np.concatenate(parts).tolist()) == list(range(n))
        assert len(parts) == min(n, 10)


@pytest.mark.parametrize("n", [3, 7, 12, 24])
@pytest.mark.parametrize("turn", [1, -1])
def test_two_perfect_circles_correlate_however_they_are_turned(n: int, turn: int) -> None:
    """Evenly spread angles have no mean direction; the formula that needs one gives anything."""
    naive = []
    for start in np.linspace(0, 6, 13):
        found, true = start + turn * turns(n), turns(n)
        assert circular_correlation(found, true) == pytest.approx(1)
        one, other = (
            np.sin(angles - np.angle(np.exp(1j * angles).sum())) for angles in (found, true)
        )
        naive.append(abs(one @ other) / np.sqrt((one @ one) * (other @ other)))
    assert min(naive) < 0.95


def test_circular_correlation_is_that_of_the_definition_where_means_agree() -> None:
    rng = generator(0, "test", "circular")
    one = rng.normal(0, 0.5, 4000)
    other = one + rng.normal(0, 0.5, 4000)
    a, b = (np.sin(angles - np.angle(np.exp(1j * angles).sum())) for angles in (one, other))
    naive = (a @ b) / np.sqrt((a @ a) * (b @ b))
    assert circular_correlation(one, other) == pytest.approx(naive, abs=0.01)
    assert circular_correlation(one, rng.uniform(0, 6.28, 4000)) < 0.05
    assert np.isnan(circular_correlation(np.zeros(5), one[:5]))


def test_adjacency_counts_neighbours_round_the_circle() -> None:
    assert cyclic_adjacency(turns(12) - 3) == 1
    assert cyclic_adjacency(-turns(12)) == 1
    assert cyclic_adjacency(turns(12)[np.arange(12) * 5 % 12]) == 0
    swapped = turns(12)[[1, 0, *range(2, 12)]]
    assert cyclic_adjacency(swapped) == pytest.approx(10 / 12)


def test_isometry_is_spearmans_correlation_of_distances() -> None:
    rng = generator(0, "test", "isometry")
    means, values = rng.standard_normal((9, 4)), np.sort(rng.random(9))
    first, second = np.triu_indices(9, 1)
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[first, second]
    wanted = spearmanr(np.abs(values[first] - values[second]), -cosines).statistic
    assert isometry_of(means, values, None) == pytest.approx(wanted)
    circle = np.column_stack([np.cos(turns(12)), np.sin(turns(12)), np.full(12, 2.0)])
    assert isometry_of(circle, np.arange(12.0), 12) == pytest.approx(1)
    assert isometry_of(circle, np.arange(12.0), None) < 0.7
    assert np.isnan(isometry_of(np.zeros((5, 2)), np.arange(5.0), None))


def test_labels_dealt_at_random_are_found_at_the_rate_that_p_says() -> None:
    n_sets, names = 24, ("angular_r2", "circular_correlation", "ordinal_r2", "isometry")
    found = []
    for number in range(n_sets):
        rng = generator(number, "test", "labels")
        cloud, words = ring(9, 120, rng)
        values = rng.permutation(9).astype(float)[words]
        found.append(
            measure_concept(
                cloud, values, period=9, seed=number, effort=replace(QUICK, rounds=2, resamples=2)
            )
        )
    for name in names:
        p = np.array([one[name].nulls["labels"].p for one in found])
        for level in (0.1, 0.2, 0.5):
            below = int((p <= level).sum())
            expected = np.floor(level * 11) / 11
            assert below <= binom.ppf(0.9999, n_sets, level), (name, level, below)
            if name != "circular_correlation":
                assert below >= binom.ppf(0.0001, n_sets, expected), (name, level, below)


def test_spellings_share_a_step_and_other_tokens_have_none() -> None:
    values = values_of_points(
        np.array([5, 9, 7, 2, 5]), np.array([9, 5, 7]), np.array([1.0, 0.0, 0.0])
    )
    assert values[[0, 1, 2, 4]].tolist() == [0, 1, 0, 0]
    assert np.isnan(values[3])
    slots, steps = steps_of_values(values[[0, 1, 2, 4]])
    assert slots.tolist() == [0, 1, 0, 0]
    assert steps.tolist() == [0, 1]
    assert np.isnan(values_of_points(np.array([1]), np.array([], int), np.array([]))).all()


def test_coordinates_of_points_are_cut_into_bins() -> None:
    values = generator(0, "test", "bins").random(1000)
    slots, steps = steps_of_values(values)
    assert len(steps) == 100
    assert np.bincount(slots).tolist() == [10] * 100
    assert (np.diff(steps) > 0).all()
    assert steps[slots] == pytest.approx(values, abs=0.03)


def test_steps_that_are_put_together_in_bins_are_found_all_the_same() -> None:
    cloud, _ = ring(7, 900, generator(0, "test", "many"))
    years = np.arange(cloud.n_points) % 300.0
    found = measure_concept(cloud, years, n_steps=400, effort=QUICK)
    assert found["concept_coverage"].value == 0.75


def test_few_steps_and_wrong_input() -> None:
    cloud, words = ring(7, 60, generator(0, "test", "few"))
    values = np.where(words < 3, words, np.nan)
    found = measure_concept(cloud, values, period=7, n_steps=7, effort=QUICK)
    assert np.isnan(found["angular_r2"].value)
    assert found["concept_coverage"].value == pytest.approx(3 / 7)
    with pytest.raises(InputError, match="values for a cloud"):
        measure_concept(cloud, values[1:])
    with pytest.raises(InputError, match="positive"):
        measure_concept(cloud, values, period=0)
    with pytest.raises(InputError, match="one for each"):
        values_of_points(words, np.array([1, 1]), np.array([0.0, 1.0]))


def test_results_are_repeatable_to_the_byte() -> None:
    cloud, words = ring(7, 300, generator(0, "test", "again"))
    one, other = (
        measure_concept(cloud, words.astype(float), period=7, effort=QUICK) for _ in range(2)
    )
    assert repr(one) == repr(other)
