"""Counter-based random numbers: what is drawn depends on seed, purpose and place, not on order.

The mixer is SplitMix64's: Steele, Lea & Flood (2014), Fast splittable pseudorandom number
generators.
"""

import numpy as np
import numpy.typing as npt

from feature_manifold.core.kernels import kernel
from feature_manifold.core.rng import generator

Uint64Array = npt.NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)
UNIFORM_BITS = np.uint64(11)
UNIFORM_STEP = 2.0**-53


def stream_key(seed: int, purpose: str) -> np.uint64:
    """Return the key of one purpose's streams."""
    key = generator(seed, "planted", "stream", purpose).integers(2**64, dtype=np.uint64)
    return np.uint64(key)


@kernel()
def mix(state: np.uint64) -> np.uint64:
    """Return 64 well mixed bits of a state; states of a stream are ``GOLDEN`` apart."""
    state = (state ^ (state >> _30)) * _FIRST
    state = (state ^ (state >> _27)) * _SECOND
    return state ^ (state >> _31)


def bits_of_rows(key: np.uint64, start: int, stop: int) -> Uint64Array:
    """Return 64 random bits for each of the rows ``[start, stop)``."""
    bits = np.empty(stop - start, dtype=np.uint64)
    _fill(key, np.uint64(start), bits)
    return bits


@kernel()
def _fill(key: np.uint64, start: np.uint64, bits: Uint64Array) -> None:
    state = key + start * GOLDEN
    for row in range(len(bits)):
        bits[row] = mix(state)
        state += GOLDEN


def uniforms(bits: Uint64Array) -> npt.NDArray[np.float64]:
    """Turn bits into numbers of [0, 1)."""
    return (bits >> UNIFORM_BITS).astype(np.float64) * UNIFORM_STEP
