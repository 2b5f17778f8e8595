"""Rough cosines of blocks of decoder rows, and how far they are off."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from feature_manifold.core.arrays import Array, Float32Array
from feature_manifold.store.npy import release

UNIT_ROWS = 512
"""Rows brought to unit length at a time: 22 MB in float64 at a d_model of 5,376."""

ACCUMULATION = 2.0**-23
"""Error of a float32 sum per term, whatever its order, truncating hardware included."""


class Products(Protocol):
    """Unit rows in some precision, and their products."""

    @property
    def errors(self) -> Array:
        """How far at most a product with each latent is off, float64 (n_latents,)."""
        ...

    @property
    def relative(self) -> float:
        """Further error, relative to the product."""
        ...

    def block(self, rows: slice, columns: slice) -> Float32Array:
        """Return the products of some latents with some, float32 (rows, columns)."""
        ...


MakeProducts = Callable[[Array, Array], Products]
"""From decoder and norms."""


class FloatProducts:
    """Products by numpy, in float32.

    Parameters
    ----------
    decoder
        float32 (n_latents, d_model). May be memory-mapped; copied.
    norms
        float64 (n_latents,), from ``row_norms``.
    """

    relative = 0.0

    def __init__(self, decoder: Array, norms: Array) -> None:
        self._unit = np.empty(decoder.shape, dtype=np.float32)
        residuals = np.empty(len(decoder), dtype=np.float64)
        for span, rows in unit_rows(decoder, norms):
            self._unit[span] = rows
            residuals[span] = np.linalg.norm(rows - self._unit[span], axis=1)
        self.errors = product_errors(residuals, decoder.shape[1])

    def block(self, rows: slice, columns: slice) -> Float32Array:
        """Return the products of some latents with some."""
        products: Float32Array = self._unit[rows] @ self._unit[columns].T
        return products


def unit_rows(decoder: Array, norms: Array) -> Iterator[tuple[slice, Array]]:
    """Yield the decoder's rows at unit length, in blocks, float64; rows of zeros as they are."""
    for start in range(0, len(decoder), UNIT_ROWS):
        span = slice(start, min(start + UNIT_ROWS, len(decoder)))
        rows = decoder[span].astype(np.float64)
        rows /= np.where(norms[span] > 0, norms[span], 1)[:, None]
        yield span, rows
        release(decoder)


def product_errors(residuals: Array, d_model: int) -> Array:
    """Bound the error of products of rounded unit rows, float64 (n_latents,).

    With x = h + l, where h is what x was rounded to: |x·y - h·h'| <= |l||y| + |h||l'|. The sum of
    d_model products in float32 adds at most d_model roundings of |h||h'|.

    Parameters
    ----------
    residuals
        float64 (n_latents,), |l| of each row, measured.
    d_model
        Terms of a product.
    """
    largest = residuals.max(initial=0)
    errors: Array = residuals + (1 + residuals) * largest
    errors += d_model * ACCUMULATION * (1 + largest) ** 2
    return errors
