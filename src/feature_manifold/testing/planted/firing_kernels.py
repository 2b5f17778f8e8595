"""The loops that draw firings, one latent after the other; see ``firings``."""

import math

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.kernels import kernel
from feature_manifold.testing.planted.streams import GOLDEN, mix

QUANTILE_BITS = 11
"""The 11 bits of a draw that the wait does not use pick one of 2,048 quantiles."""

_QUANTILES = np.uint64((1 << QUANTILE_BITS) - 1)
_WAIT_SHIFT = np.uint64(QUANTILE_BITS)
_WAIT_STEP = 2.0**-53
_MISS_SHIFT = np.uint64(40)
_MISS_STEP = 2.0**-24
LEAST_PLANTED = 0.05
"""A planted activation is at least this share of what it would be without noise."""


@kernel()
def fire_latents(
    key: np.uint64,
    start: int,
    background: tuple[Array, Array, Array, Array],
    planted: tuple[Array, Array, Array, float],
    responses: Array,
    stretches: tuple[Array, Array, Array],
    occurrences: tuple[Array, Array, Array],
    row_of: Array,
    quantiles: tuple[Array, Array],
    out: tuple[Array, Array, Array],
) -> int:
    """Draw all latents; return the number of firings, or -1 if there is no room for them."""
    topic, wait_inside, wait_outside, scale = background
    thing, cells, noise, miss = planted
    stretch_indptr, stretch_stop, stretch_inside = stretches
    found_indptr, found_text, found_cell = occurrences
    spread, normal = quantiles
    indptr, tokens, values = out
    at = 0
    of_range = mix(key + np.uint64(start) * GOLDEN)
    for latent in range(len(topic)):
        state = mix(of_range ^ mix(np.uint64(latent + 1) * GOLDEN))
        indptr[latent] = at
        if thing[latent] < 0:
            first, last = stretch_indptr[topic[latent]], stretch_indptr[topic[latent] + 1]
            at = _fire_background(
                state,
                wait_inside[latent],
                wait_outside[latent],
                scale[latent],
                stretch_stop[first:last],
                stretch_inside[first:last],
                row_of,
                spread,
                tokens,
                values,
                at,
            )
        else:
            first, last = found_indptr[thing[latent]], found_indptr[thing[latent] + 1]
            at = _fire_planted(
                state,
                wait_inside[latent],
                scale[latent],
                found_text[first:last],
                found_cell[first:last],
                responses[cells[latent] :],
                noise[thing[latent]],
                miss,
                row_of,
                spread,
                normal,
                tokens,
                values,
                at,
            )
        if at < 0:
            return -1
    indptr[len(topic)] = at
    return at


@kernel()
def _wait(bits: np.uint64) -> float:
    """Return an exponential of mean 1."""
    return -math.log(np.float64((bits >> _WAIT_SHIFT) + np.uint64(1)) * _WAIT_STEP)


@kernel()
def _after(text: int, gap: float, n_text: int) -> int:
    return text + int(gap) if gap < n_text - text else n_text


@kernel()
def _fire_background(
    state: np.uint64,
    wait_inside: float,
    wait_outside: float,
    scale: float,
    stops: Array,
    insides: Array,
    row_of: Array,
    spread: Array,
    tokens: Array,
    values: Array,
    at: int,
) -> int:
    """Append the firings of one latent; return the new length, or -1 if there is no room."""
    bits = mix(state)
    state += GOLDEN
    wait = _wait(bits)
    text = 0
    for stretch in range(len(stops)):
        per_unit = wait_inside if insides[stretch] else wait_outside
        stop = stops[stretch]
        while text < stop:
            gap = wait * per_unit
            # Not a number, of a wait of 0 for a latent that never fires, is no gap either.
            if not gap < stop - text:
                wait -= (stop - text) / per_unit
                break
            text += int(gap)
            if at == len(tokens):
                return -1
            tokens[at] = row_of[text]
            values[at] = scale * spread[bits & _QUANTILES]
            at += 1
            text += 1
            bits = mix(state)
            state += GOLDEN
            wait = _wait(bits)
        text = stop
    return at


@kernel()
def _fire_planted(
    state: np.uint64,
    per_unit: float,
    scale: float,
    texts: Array,
    found_cells: Array,
    responses: Array,
    noise: float,
    miss: float,
    row_of: Array,
    spread: Array,
    normal: Array,
    tokens: Array,
    values: Array,
    at: int,
) -> int:
    """Append the firings of a planted latent, on its words and astray, as ``_fire_background``."""
    n_text = len(row_of)
    bits = mix(state)
    state += GOLDEN
    stray = _after(0, _wait(bits) * per_unit, n_text)
    for found in range(len(texts) + 1):
        text = texts[found] if found < len(texts) else n_text
        while stray < n_text and stray <= text:
            if stray < text:
                if at == len(tokens):
                    return -1
                tokens[at] = row_of[stray]
                values[at] = scale * spread[bits & _QUANTILES]
                at += 1
            bits = mix(state)
            state += GOLDEN
            stray = _after(stray + 1, _wait(bits) * per_unit, n_text)
        if found == len(texts):
            break
        response = responses[found_cells[found]]
        if response <= 0:
            continue
        draw = mix(state)
        state += GOLDEN
        if np.float64(draw >> _MISS_SHIFT) * _MISS_STEP < miss:
            continue
        if at == len(tokens):
            return -1
        tokens[at] = row_of[text]
        values[at] = response * max(1 + noise * normal[draw & _QUANTILES], LEAST_PLANTED)
        at += 1
    return at
