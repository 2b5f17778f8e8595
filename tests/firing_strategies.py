"""Random and awkward firings for property tests."""

import itertools

import numpy as np
from hypothesis import strategies as st

from feature_manifold.core.arrays import Array
from feature_manifold.store.token_table import TokenTable


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


@st.composite
def token_tables(draw: st.DrawFn, n_tokens: int) -> TokenTable:
    """Draw windows of any length, one token included, some with a put-in BOS."""
    cuts = draw(st.lists(st.integers(0, n_tokens), max_size=6))
    windows = np.unique([0, *cuts, n_tokens]).astype(np.int64)
    ids = draw(st.lists(st.integers(-1, 30), min_size=n_tokens, max_size=n_tokens))
    position = np.arange(n_tokens, dtype=np.int32)
    doc_id = np.zeros(n_tokens, dtype=np.int32)
    for window, (start, stop) in enumerate(itertools.pairwise(windows)):
        position[start:stop] = np.arange(stop - start) - draw(st.integers(0, 1))
        doc_id[start:stop] = window
    token_id = np.array(ids, dtype=np.int32)
    return TokenTable(token_id, doc_id, position, windows, np.zeros((0, 2), dtype=np.int64))
