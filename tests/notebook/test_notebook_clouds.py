from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from feature_manifold.core.errors import InputError
from feature_manifold.geometry.measures.registry import BY_NAME
from feature_manifold.notebook.experiment import Experiment
from feature_manifold.notebook.figures import coordinate_colours
from tests.notebook.planted import DAYS, HOSTILE, MONTHS, N_LATENTS, NAMES, RARE, SILENT, WEEKDAYS


def full_width(experiment: Experiment, latents: tuple[int, ...]) -> np.ndarray:
    """Return every reconstruction, (n_tokens, d_model), the long way."""
    dense = np.zeros((experiment.tokens.n_tokens, N_LATENTS))
    for latent in latents:
        tokens, activations = experiment.latent(latent)
        dense[tokens, latent] = activations
    on = dense.any(axis=1)
    return (dense @ experiment.decoder)[on]


def test_points_are_the_reconstructions(experiment: Experiment) -> None:
    cloud = experiment.cloud(reversed(WEEKDAYS))
    assert cloud.latents.tolist() == list(WEEKDAYS)
    wide = full_width(experiment, WEEKDAYS)
    assert len(cloud) == cloud.n_points == len(wide)
    assert np.allclose(cloud.points() @ cloud.exact.basis, wide, atol=1e-5)
    assert set(cloud.texts()) == {f" {day}" for day in DAYS}
    assert [text.strip() for text in experiment.texts(cloud.core)] == list(DAYS)


def test_adding_and_removing_ends_where_building_does(experiment: Experiment) -> None:
    cloud = experiment.cloud(WEEKDAYS[:4]).add(*MONTHS).remove(*MONTHS[2:], WEEKDAYS[0])
    built = experiment.cloud([*WEEKDAYS[1:4], *MONTHS[:2]])
    assert np.array_equal(cloud.points(), built.points())
    assert np.array_equal(cloud.tokens, built.tokens)
    assert cloud.texts() == built.texts()


def test_members_that_are_not_there_are_named(experiment: Experiment) -> None:
    with pytest.raises(InputError, match=f"No latent {N_LATENTS}"):
        experiment.cloud([0, N_LATENTS])
    with pytest.raises(InputError, match="Latent 3 is not in the cluster"):
        experiment.cloud([1]).remove(3)
    with pytest.raises(InputError, match="at least one latent"):
        experiment.cloud([])


def test_members_are_ids_and_never_a_mask_or_a_text(experiment: Experiment) -> None:
    mask = np.isin(np.arange(N_LATENTS), WEEKDAYS)
    for wrong in (mask, mask.tolist(), "17", [1.0, 2.5]):
        with pytest.raises(InputError, match="flatnonzero"):
            experiment.cloud(wrong)  # type: ignore[arg-type]
    for right in (np.flatnonzero(mask), set(WEEKDAYS), iter(WEEKDAYS)):
        assert experiment.cloud(right).latents.tolist() == list(WEEKDAYS)
    assert experiment.cloud(np.flatnonzero(mask)[0]).latents.tolist() == [WEEKDAYS[0]]


def test_axes_are_those_of_the_full_width_points(experiment: Experiment) -> None:
    cloud = experiment.cloud(MONTHS)
    projection = cloud.pca(5)
    wide = full_width(experiment, MONTHS)
    centred = wide - wide.mean(axis=0)
    _, scale, axes = np.linalg.svd(centred, full_matrices=False)
    assert np.allclose(projection.variances, scale[:5] ** 2 / len(wide))
    assert np.allclose(np.abs(np.sum(projection.directions() * axes[:5], axis=1)), 1)
    assert np.allclose(projection.points, centred @ projection.directions().T, atol=1e-4)
    assert projection.share.sum() == pytest.approx((scale[:5] ** 2).sum() / (scale**2).sum())
    assert projection.arrows().shape == (len(MONTHS), 5)
    turned = cloud.remove(MONTHS[0]).pca(2, reference=projection)
    overlap = np.sum(turned.directions() * projection.directions()[:2], axis=1)
    assert (overlap > 0).all()


def test_axes_of_core_tokens_count_each_type_once(experiment: Experiment) -> None:
    cloud = experiment.cloud(WEEKDAYS)
    assert cloud.pca(3, fit_on="core").axes.n_fitted == len(DAYS)
    assert cloud.pca(3).axes.n_fitted == cloud.n_points


def test_passages_show_the_strongest_points(experiment: Experiment) -> None:
    cloud = experiment.cloud(WEEKDAYS)
    passages = cloud.passages(3, context=2)
    norms = np.linalg.norm(cloud.points(), axis=1)
    assert [passage.row for passage in passages] == cloud.tokens[np.argsort(-norms)[:3]].tolist()
    row = passages.to_rows()[0]
    assert str(row["at"]).strip() in DAYS
    assert len(passages[0].tokens) <= 5


def test_the_coordinate_orders_the_days(experiment: Experiment) -> None:
    coordinate = experiment.cloud(WEEKDAYS).coordinate()
    assert coordinate.kind == "circle"
    order = [DAYS.index(text.strip()) for text in coordinate.order()]
    steps = {(after - before) % 7 for before, after in pairwise(order)}
    assert steps in ({1}, {6})
    assert len(coordinate.gaps()) == 3
    assert {member.latent for member in coordinate.influences()} == set(WEEKDAYS)
    assert not {member.latent for member in coordinate.missing()} & {*WEEKDAYS, SILENT}


def test_measures_stand_beside_what_chance_gives(experiment: Experiment) -> None:
    measures = experiment.cloud(WEEKDAYS).measures(concept="weekdays")
    assert measures["angular_r2"].value > 0.9
    assert measures["cyclic_adjacency"].value == measures["concept_coverage"].value == 1
    loop = measures["type_loop"]
    assert loop.value > loop.nulls["spectrum"].median
    rows = {row["measure"]: row for row in measures.to_rows()}
    assert len(rows) == len(measures)
    assert rows["Loop of types"]["value"] == loop.value
    assert rows["Loop of types"]["spectrum p"] == loop.nulls["spectrum"].p
    assert all(BY_NAME[name].title in repr(measures) for name in measures)
    assert rows["Longest loop"]["as draws"] == measures["loop"].nulls["spectrum"].observed
    assert rows["Token entropy"]["as draws"] is None


def test_without_core_tokens_no_types_are_measured(experiment: Experiment) -> None:
    cloud = experiment.cloud(MONTHS)
    without = replace(cloud)
    vars(without)["core"] = np.empty(0, dtype=np.int64)
    assert not np.isnan(cloud.measures()["type_participation_ratio"].value)
    assert np.isnan(without.measures()["type_participation_ratio"].value)


def test_a_silent_and_a_single_latent_are_clouds_too(experiment: Experiment) -> None:
    assert experiment.cloud(SILENT).n_points == 0
    assert experiment.cloud(SILENT).texts() == []
    assert repr(experiment.cloud(RARE)) == f"Cloud of 1 latents ({RARE}): 3 points"
    assert experiment.cloud(RARE).pca().n_components == 0
    with pytest.raises(InputError, match="do not vary"):
        experiment.cloud(RARE).pca().plot()


@pytest.mark.parametrize(("latents", "n_axes"), [([SILENT], 0), ([RARE], 0), ([HOSTILE[0]], 1)])
def test_a_figure_needs_two_axes(experiment: Experiment, latents: list[int], n_axes: int) -> None:
    with pytest.raises(InputError, match=f"vary along {n_axes} axes"):
        experiment.cloud(latents).plot()


def test_a_concept_colours_its_steps_and_other_tokens_are_grey(experiment: Experiment) -> None:
    cloud = experiment.cloud([*MONTHS, *WEEKDAYS])
    drawing = cloud.plot([(0, 1)], concept="months")
    grey, coloured, means = drawing.axes[0].collections
    is_month = np.array([text.strip() in NAMES for text in cloud.texts()])
    assert len(coloured.get_offsets()) == is_month.sum()
    assert len(grey.get_offsets()) == (~is_month).sum()
    assert len(means.get_offsets()) == len(NAMES)
    assert len({tuple(colour) for colour in coloured.get_facecolors()}) == len(NAMES)


def test_without_a_concept_core_tokens_are_coloured_along_the_coordinate(
    experiment: Experiment,
) -> None:
    drawing = experiment.cloud(WEEKDAYS).plot()
    assert len(drawing.axes) == 3
    assert {text.get_text() for text in drawing.axes[0].texts} == set(DAYS)
    _, coloured, means = drawing.axes[0].collections
    assert len(coloured.get_offsets()) == experiment.cloud(WEEKDAYS).n_points
    assert len({tuple(colour) for colour in means.get_facecolors()}) == len(DAYS)


def test_a_sample_is_said(experiment: Experiment) -> None:
    cloud = experiment.cloud(WEEKDAYS)
    drawing = cloud.plot(max_points=100)
    assert drawing.get_supxlabel().startswith(f"100 of {cloud.n_points:,} points")
    assert len(drawing.axes[0].collections[1].get_offsets()) == 100


def test_tuning_curves_are_drawn_along_the_circle(experiment: Experiment) -> None:
    drawing = experiment.cloud(WEEKDAYS).coordinate().plot()
    names = [label.get_text() for label in drawing.axes[0].get_xticklabels()]
    assert set(names) == set(DAYS)
    lines = drawing.axes[0].get_lines()
    assert {line.get_label() for line in lines} == {str(latent) for latent in WEEKDAYS}
    # It closes: a day beyond either end.
    assert len(lines[0].get_xdata()) == len(DAYS) + 2


def test_on_a_surface_tokens_have_no_order(experiment: Experiment) -> None:
    coordinate = experiment.cloud([*MONTHS, *WEEKDAYS]).coordinate("surface")
    assert coordinate.values.shape[1] == 2
    assert "a surface through 19 token types" in repr(coordinate)
    with pytest.raises(InputError, match="have no order"):
        coordinate.order()
    with pytest.raises(InputError, match="not on a surface"):
        coordinate.plot()
    shown = coordinate_colours(coordinate.fit, coordinate.fit.type_values)
    assert len(np.unique(shown.round(3), axis=0)) > 10
