"""Colours of categories: round a circle, along a line, or simply apart."""

import matplotlib as mpl
import numpy as np

from feature_manifold.core.arrays import Array, Float64Array

LIGHTNESS, CHROMA = 0.68, 0.114
"""At this lightness sRGB has every hue up to this chroma."""

FIRST_HUE = 25.0
GREY = "0.82"
"""Of what belongs to no category."""

LINE_MAP = "viridis"
LINE_END = 0.9
"""The last tenth of the map is too bright for white paper."""


def circle_colours(angles: Array) -> Float64Array:
    """Return colours of angles in radians, sRGB float64 (n, 3) in [0, 1].

    All are equally light and saturated (OKLCH), so that no place of the circle stands out.

    References
    ----------
    Ottosson (2020), A perceptual color space for image processing: OKLab and its inverse.
    """
    hue = np.asarray(angles, dtype=np.float64) + np.deg2rad(FIRST_HUE)
    return _colours(CHROMA * np.cos(hue), CHROMA * np.sin(hue))


def sheet_colours(places: Array) -> Float64Array:
    """Return colours of places (n, 2) in the unit square, sRGB float64 (n, 3).

    Along one side from green to red, along the other from blue to yellow, all equally light.
    """
    a, b = (2 * np.asarray(places, dtype=np.float64).T - 1) * CHROMA * np.sqrt(0.5)
    return _colours(a, b)


def _colours(a: Array, b: Array) -> Float64Array:
    """Return sRGB (n, 3) of OKLab's two axes of colour, at the one lightness."""
    lab = np.stack([np.full(a.shape, LIGHTNESS), a, b])
    to_cones = [
        [1, 0.3963377774, 0.2158037573],
        [1, -0.1055613458, -0.0638541728],
        [1, -0.0894841775, -1.2914855480],
    ]
    to_rgb = [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
    linear = np.clip(np.array(to_rgb) @ (np.array(to_cones) @ lab) ** 3, 0, 1)
    # The transfer curve of sRGB, IEC 61966-2-1.
    curved = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )
    return np.asarray(curved.T, dtype=np.float64)


def line_colours(places: Array) -> Float64Array:
    """Return colours of places in [0, 1] along a line, sRGB float64 (n, 3), dark to bright."""
    return np.asarray(mpl.colormaps[LINE_MAP](LINE_END * np.asarray(places)))[:, :3]


def apart_colours(n: int) -> Float64Array:
    """Return colours of categories without an order, sRGB float64 (n, 3), neighbours far apart."""
    # Turns by the golden angle never come back near to where one was just before.
    return circle_colours(np.arange(n) * np.pi * (3 - np.sqrt(5)))
