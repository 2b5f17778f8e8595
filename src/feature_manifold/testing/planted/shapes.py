"""Shapes that can be planted: where words and latents lie on them, and how they lie in space."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

BUMP_WIDTH = 0.75
"""Standard deviation of a tuning curve, in distances of neighbouring latents."""

REACH = {1: 1.25, 2: 1.1}
"""How far a latent fires, in the same unit, by the number of axes: 2 to 3 fire at a point of a
line, 1 to 5 at a point of a sheet."""


@dataclass(frozen=True)
class Shape:
    """A manifold with words and latents on it.

    Attributes
    ----------
    kind
        Its name.
    words
        float64 (n_words, n_axes), coordinates of the words: turns on a circle, else 0 to 1.
    centres
        float64 (n_spokes, n_axes), where each latent's tuning curve peaks.
    periodic
        Whether each axis closes.
    embed
        Coordinates (n, n_axes) to points of space (n, n_dims), about the origin.
    """

    kind: str
    words: Float64Array
    centres: Float64Array
    periodic: tuple[bool, ...]
    embed: Callable[[Float64Array], Float64Array]

    @property
    def n_axes(self) -> int:
        """Axes of the coordinate."""
        return len(self.periodic)

    def step(self, points: Float64Array) -> Float64Array:
        """Return the least distance of different points on each axis, float64 (n_axes,)."""
        gaps = [np.diff(np.unique(axis)) for axis in points.T]
        return np.array([gap.min() for gap in gaps])

    def tuning(self, coordinates: Float64Array) -> Float64Array:
        """Return how strongly each latent answers to each coordinate.

        Bumps (von Mises or Gaussian to the eye), cut off at their reach and normalised to sum to
        1 at each point, so that the latents' peaks, mixed in these shares, lie on the shape.

        Parameters
        ----------
        coordinates
            float64 (n, n_axes).

        Returns
        -------
        numpy.ndarray
            float64 (n_spokes, n).
        """
        apart = np.abs(self.centres[:, None, :] - coordinates[None, :, :])
        closes = np.array(self.periodic)
        apart = np.where(closes, np.minimum(apart % 1.0, 1.0 - apart % 1.0), apart)
        square = ((apart / self.step(self.centres)) ** 2).sum(axis=2)
        bumps = np.where(square < REACH[self.n_axes] ** 2, np.exp(-square / 2 / BUMP_WIDTH**2), 0)
        shares: Float64Array = bumps / bumps.sum(axis=0)
        return shares


def circle(kind: str, n_words: int, n_spokes: int) -> Shape:
    """Return a circle of words in a plane."""
    return Shape(kind, _turns(n_words), _turns(n_spokes), (True,), _on_circle)


def line(kind: str, n_words: int, n_spokes: int) -> Shape:
    """Return words along a horseshoe that also rises."""
    return Shape(kind, _along(n_words), _along(n_spokes), (False,), _on_horseshoe)


def grid(kind: str, n_words: int, n_spokes: int) -> Shape:
    """Return a flat sheet of ``n_words`` x ``n_words`` words."""
    return Shape(
        kind,
        _product(_along(n_words)),
        _product(_along(n_spokes)),
        (False, False),
        lambda coordinates: 2 * coordinates - 1,
    )


def torus(kind: str, n_words: int, n_spokes: int) -> Shape:
    """Return the product of two circles of ``n_words``, in four dimensions."""
    return Shape(
        kind, _product(_turns(n_words)), _product(_turns(n_spokes)), (True, True), _on_torus
    )


def _turns(n: int) -> Float64Array:
    return np.arange(n)[:, None] / n


def _along(n: int) -> Float64Array:
    return np.linspace(0, 1, n)[:, None]


def _product(axis: Float64Array) -> Float64Array:
    first, second = np.meshgrid(axis[:, 0], axis[:, 0], indexing="ij")
    return np.column_stack([first.ravel(), second.ravel()])


def _on_circle(turns: Float64Array) -> Float64Array:
    angle = 2 * np.pi * turns[:, 0]
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _on_horseshoe(along: Float64Array) -> Float64Array:
    angle = 1.5 * np.pi * (along[:, 0] - 0.5)
    return np.column_stack([np.cos(angle), np.sin(angle), along[:, 0] - 0.5])


def _on_torus(turns: Float64Array) -> Float64Array:
    both = [_on_circle(turns[:, axis : axis + 1]) for axis in (0, 1)]
    points: Float64Array = np.concatenate(both, axis=1) / np.sqrt(2)
    return points
