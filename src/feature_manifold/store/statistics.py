"""The statistics record of a latent."""

import numpy as np

STATISTICS_DTYPE = np.dtype(
    [
        ("count", "<i8"),
        ("min", "<f4"),
        ("max", "<f4"),
        ("mean", "<f4"),
        ("p10", "<f4"),
        ("p50", "<f4"),
        ("p90", "<f4"),
        ("label_token_id", "<i4"),
        ("label_count", "<i8"),
    ]
)
"""Firings, their least, greatest and mean activation and percentiles (0 when the latent never
fires), the token id it fires on most (-1 when it never fires) and how often it does."""
