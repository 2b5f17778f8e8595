"""Where labels go: beside their points, without covering one another."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from feature_manifold.core.arrays import Array

GAP_POINTS = (6.0, 10.0)
"""Distances from the point that are tried."""

N_DIRECTIONS = 12
HALO_POINTS = 2.0


def place_labels(
    axes: Axes, places: Array, labels: Sequence[str], *, size: float, colours: Array
) -> None:
    """Write labels beside points, outward from their middle where there is room.

    A label that would cover an earlier one is tried all round its point, then left out.

    Parameters
    ----------
    axes
        With limits that stay as they are.
    places
        float (n, 2), in data units.
    labels
        As ``text.label_text`` returns them; those that come first have the better chance.
    size
        Of the letters, in points.
    colours
        float (n, 3), sRGB.
    """
    if not len(places):
        return
    outward = np.asarray(places) - np.mean(places, axis=0)
    taken: list[Bbox] = []
    for point, label, direction, colour in zip(places, labels, outward, colours, strict=True):
        _place(axes, point, label, direction, taken, size=size, colour=colour)


def _place(
    axes: Axes,
    point: Array,
    label: str,
    direction: Array,
    taken: list[Bbox],
    *,
    size: float,
    colour: Array,
) -> None:
    for dx, dy in _offsets(direction):
        text = axes.annotate(
            label,
            (float(point[0]), float(point[1])),
            xytext=(dx, dy),
            textcoords="offset points",
            ha="left" if dx > 1 else "right" if dx < -1 else "center",
            va="center" if abs(dx) > 1 else "bottom" if dy > 0 else "top",
            fontsize=size,
            color=tuple(0.62 * np.asarray(colour)),
            parse_math=False,
            annotation_clip=False,
            path_effects=[withStroke(linewidth=HALO_POINTS, foreground="white")],
            zorder=6,
        )
        # Constrained layout moves the axes for what sticks out; labels shall not move them.
        text.set_in_layout(False)
        box = text.get_window_extent()
        if _is_inside(box, axes) and not any(box.overlaps(other) for other in taken):
            taken.append(box)
            return
        text.remove()


def _offsets(direction: Array) -> list[tuple[float, float]]:
    """Return offsets in points, the outward ones first."""
    turns = np.arange(N_DIRECTIONS) * 2 * np.pi / N_DIRECTIONS
    order = np.argsort(np.abs((turns + np.pi) % (2 * np.pi) - np.pi), kind="stable")
    angles = np.arctan2(direction[1], direction[0]) + turns[order]
    return [(gap * np.cos(angle), gap * np.sin(angle)) for gap in GAP_POINTS for angle in angles]


def _is_inside(box: Bbox, axes: Axes) -> bool:
    frame = axes.get_window_extent()
    return bool(
        box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1
    )
