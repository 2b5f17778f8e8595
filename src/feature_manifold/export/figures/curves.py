"""Tuning curves along a coordinate, and variances of principal axes."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.ticker import MaxNLocator

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.errors import InputError
from feature_manifold.export.figures.drawing import (
    FAINT,
    LINE_POINTS,
    TEXT_POINTS,
    Drawing,
    bare,
    new_drawing,
    styled,
)
from feature_manifold.export.figures.text import drawable, label_text

WIDTH_INCHES = 5.2
HEIGHT_INCHES = 2.6
LABEL_SPACE = 1 / 40
"""Least distance of two labels along the axis, as a share of it: closer ones are left out."""

NAMED_CURVES = 16


def tuning_figure(
    places: Array,
    curves: Array,
    latents: Sequence[int],
    *,
    colours: Float64Array,
    coordinate: str,
    ticks: Sequence[tuple[float, str]] = (),
    title: str = "",
) -> Drawing:
    """Draw how strongly each latent fires along a coordinate.

    Parameters
    ----------
    places
        float (n_places,), rising.
    curves
        float (n_latents, n_places), mean activation; NaN where there are no points.
    latents
        Whose curves they are.
    colours
        float64 (n_latents, 3), sRGB.
    coordinate
        Name and unit of the coordinate.
    ticks
        Places of token types and their texts; where they crowd, later ones are left out.

    Raises
    ------
    InputError
        If curves, places and latents do not go together.
    """
    if np.shape(curves) != (len(latents), len(places)):
        raise InputError(
            f"Curves of shape {np.shape(curves)} for {len(latents)} latents at {len(places)} "
            "places: expected one row a latent, one column a place."
        )
    with styled():
        drawing = new_drawing(WIDTH_INCHES, HEIGHT_INCHES)
        axes = drawing.subplots()
        if title:
            axes.set_title(drawable(title), parse_math=False)
        for latent, curve, colour in zip(latents, curves, colours, strict=True):
            axes.plot(places, curve, color=tuple(colour), linewidth=1.3, label=str(latent))
            axes.fill_between(places, 0, curve, color=tuple(colour), alpha=0.08, linewidth=0)
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
        axes.set_xlabel(drawable(coordinate), parse_math=False)
        axes.set_ylabel("mean activation")
        if ticks:
            spread = _apart(sorted(ticks), LABEL_SPACE * float(places[-1] - places[0]))
            axes.set_xticks([place for place, _ in spread])
            names = axes.set_xticklabels(
                [label_text(text) for _, text in spread], rotation=60, ha="right"
            )
            for name in names:
                name.set_parse_math(False)
                name.set_rotation_mode("anchor")
        if len(latents) <= NAMED_CURVES:
            legend = axes.legend(
                title="latent",
                loc="upper left",
                bbox_to_anchor=(1.0, 1.02),
                frameon=False,
                fontsize=TEXT_POINTS - 1,
                handlelength=1.2,
                labelspacing=0.25,
            )
            legend.get_title().set_fontsize(TEXT_POINTS - 1)
        bare(axes)
    return drawing


def _apart(ticks: Sequence[tuple[float, str]], least: float) -> list[tuple[float, str]]:
    kept = list(ticks[:1])
    for (before, _), tick in pairwise([(-np.inf, ""), *ticks]):
        del before
        if tick[0] - kept[-1][0] >= least:
            kept.append(tick)
    return kept


def spectrum_figure(share: Array, *, title: str = "") -> Drawing:
    """Draw the share of variance of each axis, and of all up to it.

    Parameters
    ----------
    share
        float (c,), falling, of the variance.
    """
    numbers = np.arange(1, len(share) + 1)
    with styled():
        drawing = new_drawing(3.2, 2.2)
        axes = drawing.subplots()
        if title:
            axes.set_title(drawable(title), parse_math=False)
        axes.bar(numbers, 100 * np.asarray(share), color="0.35", width=0.7)
        axes.plot(
            numbers,
            100 * np.cumsum(share),
            color=FAINT,
            linewidth=LINE_POINTS * 1.5,
            marker="o",
            markersize=2.5,
        )
        axes.set_ylim(0, 102)
        axes.set_xlabel("principal axis")
        axes.set_ylabel("% of variance")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        bare(axes)
    return drawing
