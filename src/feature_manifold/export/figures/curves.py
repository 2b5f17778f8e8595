"""Tuning curves along a coordinate, and variances of principal axes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
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
LABEL_SPACE = 1 / 30
"""Least distance of two labels along the axis, as a share of it: closer ones are left out."""

NAMED_CURVES = 16


def tuning_figure(
    places: Array,
    curves: Array,
    latents: Sequence[int],
    *,
    colours: Float64Array,
    coordinate: str,
    period: float | None = None,
    ticks: Sequence[tuple[float, str]] = (),
    title: str = "",
) -> Drawing:
    """Draw how strongly each latent fires along a coordinate.

    Parameters
    ----------
    places
        float (n_places,), rising; at least one.
    curves
        float (n_latents, n_places), mean activation.
    latents
        Whose curves they are.
    colours
        float64 (n_latents, 3), sRGB.
    coordinate
        Name and unit of the coordinate.
    period
        Of a coordinate that closes, in its unit: curves run on from its end to its start.
    ticks
        Places of token types and their texts; where they crowd, later ones are left out.

    Raises
    ------
    InputError
        If curves, places and latents do not go together.
    """
    if np.shape(curves) != (len(latents), len(places)) or not len(places):
        raise InputError(
            f"Curves of shape {np.shape(curves)} for {len(latents)} latents at {len(places)} "
            "places: expected one row a latent, one column a place, and a place at least."
        )
    ends = (float(places[0]), float(places[-1])) if period is None else (0.0, period)
    if period is not None:
        places = np.concatenate([places[-1:] - period, places, places[:1] + period])
        curves = np.concatenate([curves[:, -1:], curves, curves[:, :1]], axis=1)
    with styled():
        drawing = new_drawing(WIDTH_INCHES, HEIGHT_INCHES)
        axes = drawing.subplots()
        if title:
            axes.set_title(drawable(title), parse_math=False)
        for latent, curve, colour in zip(latents, curves, colours, strict=True):
            paint = tuple(colour)
            axes.plot(places, curve, "o-", color=paint, lw=1.2, ms=2.2, label=str(latent))
            axes.fill_between(places, 0, curve, color=paint, alpha=0.07, linewidth=0)
        axes.set_ylim(bottom=0)
        axes.set_xlim(*ends)
        axes.set_xlabel(drawable(coordinate), parse_math=False)
        axes.set_ylabel("mean activation")
        _name_places(axes, ticks, ends)
        if len(latents) <= NAMED_CURVES:
            _name_curves(axes)
        bare(axes)
    return drawing


def _name_places(axes: Axes, ticks: Sequence[tuple[float, str]], ends: tuple[float, float]) -> None:
    if not ticks:
        return
    spread = _apart(sorted(ticks), LABEL_SPACE * (ends[1] - ends[0]))
    axes.set_xticks([place for place, _ in spread])
    texts = [label_text(text) for _, text in spread]
    for name in axes.set_xticklabels(texts, rotation=60, ha="right", rotation_mode="anchor"):
        name.set_parse_math(False)


def _name_curves(axes: Axes) -> None:
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


def _apart(ticks: Sequence[tuple[float, str]], least: float) -> list[tuple[float, str]]:
    kept = list(ticks[:1])
    for tick in ticks[1:]:
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
