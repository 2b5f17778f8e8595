"""Random and awkward firings for property tests."""

import numpy as np
from hypothesis import strategies as st

from feature_manifold.core.arrays import Array


@st.composite
def activations(draw: st.DrawFn, *, max_tokens: int = 24, max_latents: int = 8) -> Array:
    """Draw a float16 matrix (n_tokens, n_latents) of few distinct values, so that ties abound.

    Silent latents, latents that always fire and tokens without a firing are all likely.
    """
    n_tokens = draw(st.integers(0, max_tokens))
    n_latents = draw(st.integers(1, max_latents))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    shares = random.choice([0.0, 0.1, 0.5, 1.0], size=n_latents)
    fires = random.random((n_tokens, n_latents)) < shares
    values = random.choice([0.25, 0.5, 1.0, 1.5, 3.0, 7.25], size=fires.shape)
    return np.where(fires, values, 0).astype(np.float16)
