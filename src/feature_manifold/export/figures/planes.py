"""A cloud in planes of its principal axes, coloured by token or by step of a concept."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.errors import InputError
from feature_manifold.export.figures.colours import GREY
from feature_manifold.export.figures.drawing import (
    FAINT,
    TEXT_POINTS,
    Drawing,
    bare,
    new_drawing,
    styled,
)
from feature_manifold.export.figures.placing import place_labels
from feature_manifold.export.figures.text import drawable, label_text

PANEL_INCHES = 3.0
HEAD_INCHES = 0.2
FOOT_INCHES = 0.25
LETTERS_PER_INCH = 15
MARGIN = 0.16
"""Room round the points for labels, as a share of their extent."""

MOST_LABELS = 24
"""Of more categories, every second, third ... is labelled."""

BULK = 99.8
"""Per cent of the coloured points, and of all, that the frame must hold: one stray point far out
would shrink the rest to a dot."""


@dataclass(frozen=True)
class Categories:
    """What points are coloured by.

    Attributes
    ----------
    of_points
        int (n,), category of each point; -1 for none: those are grey.
    labels
        Text of each category, as it comes from the vocabulary; drawn as text, whatever it holds.
    colours
        float64 (n_categories, 3), sRGB.
    means
        float (n_categories, c), mean of each, along the axes; NaN for one without points.
    """

    of_points: Array
    labels: Sequence[str]
    colours: Float64Array
    means: Array


def planes_figure(
    points: Array,
    share: Array,
    categories: Categories,
    *,
    planes: Sequence[tuple[int, int]],
    title: str = "",
    note: str = "",
) -> Drawing:
    """Draw points in pairs of axes, with the mean of every category labelled.

    Parameters
    ----------
    points
        float (n, c), along the principal axes; only what is to be drawn.
    share
        float (c,), of the variance, of each axis.
    categories
        What points are coloured by.
    planes
        Pairs of axes, from 0, one panel each.
    title
        Above the panels; drawn as it is.
    note
        Below them, for instance how many points are drawn of how many.

    Raises
    ------
    InputError
        If no plane is asked for, or an axis that there is not.
    """
    if not planes:
        raise InputError("A figure needs at least one plane, for instance (0, 1).")
    for axis in {axis for plane in planes for axis in plane}:
        if not 0 <= axis < points.shape[1]:
            raise InputError(
                f"No axis {axis}: the points vary along {points.shape[1]}, counted from 0."
            )
    height = PANEL_INCHES + HEAD_INCHES * bool(title) + FOOT_INCHES * bool(note)
    with styled():
        drawing = new_drawing(PANEL_INCHES * len(planes) + 0.2, height)
        if title:
            drawing.suptitle(drawable(title), parse_math=False, fontsize=TEXT_POINTS + 2)
        if note:
            lines = textwrap.fill(drawable(note), int(LETTERS_PER_INCH * drawing.get_figwidth()))
            drawing.supxlabel(lines, parse_math=False, fontsize=TEXT_POINTS, color=FAINT)
        panels = drawing.subplots(1, len(planes), squeeze=False)[0]
        for axes, plane in zip(panels, planes, strict=True):
            _draw_points(axes, points[:, plane], categories)
            _frame(axes, points[:, plane], categories.of_points >= 0)
            axes.set_xlabel(_axis_name(plane[0], share))
            axes.set_ylabel(_axis_name(plane[1], share))
        # Labels are placed in the frame as it will be.
        drawing.draw_without_rendering()
        for axes, plane in zip(panels, planes, strict=True):
            _draw_means(axes, categories, plane)
        drawing.set_layout_engine("none")
    return drawing


def _draw_points(axes: Axes, points: Array, categories: Categories) -> None:
    known = categories.of_points >= 0
    size = float(np.clip(20_000 / max(1, len(points)), 3.0, 14.0))
    axes.axhline(0, color="0.9", linewidth=0.6, zorder=0)
    axes.axvline(0, color="0.9", linewidth=0.6, zorder=0)
    _dots(axes, points[~known], colours=GREY, size=size, alpha=0.6, zorder=1)
    colours = categories.colours[categories.of_points[known]]
    _dots(axes, points[known], colours=colours, size=size, alpha=0.55, zorder=2)


def _dots(
    axes: Axes, points: Array, *, colours: Any, size: float, alpha: float, zorder: float
) -> None:
    # Thousands of points are one picture within an SVG or a PDF.
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=size,
        c=colours,
        alpha=alpha,
        linewidths=0,
        rasterized=True,
        zorder=zorder,
    )


def _draw_means(axes: Axes, categories: Categories, plane: tuple[int, int]) -> None:
    means = np.asarray(categories.means)[:, plane]
    there = np.flatnonzero(np.isfinite(means).all(axis=1))
    every = -(-len(there) // MOST_LABELS) or 1
    size = 26 if every == 1 else 12
    colours = categories.colours[there]
    axes.scatter(
        means[there, 0],
        means[there, 1],
        c=colours,
        s=size,
        linewidths=0.8,
        edgecolors="white",
        zorder=5,
    )
    named = there[::every]
    place_labels(
        axes,
        means[named],
        [label_text(categories.labels[at]) for at in named.tolist()],
        size=TEXT_POINTS if len(named) <= MOST_LABELS // 2 else TEXT_POINTS - 1,
        colours=categories.colours[named],
    )


def _frame(axes: Axes, points: Array, known: Array) -> None:
    """Fit square limits to the bulk of the points, and of those with a colour."""
    tails = (100 - BULK) / 2, (100 + BULK) / 2
    spans = [np.percentile(part, tails, axis=0) for part in (points, points[known]) if len(part)]
    if not spans:
        return
    low, high = np.min([span[0] for span in spans], 0), np.max([span[1] for span in spans], 0)
    half = float(max(high - low)) * (0.5 + MARGIN) or 1.0
    middle = (low + high) / 2
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)
    axes.set_box_aspect(1)
    axes.locator_params(nbins=5)
    bare(axes)


def _axis_name(axis: int, share: Array) -> str:
    return f"PC {axis + 1}  ({100 * float(share[axis]):.0f} % of variance)"
