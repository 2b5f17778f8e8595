"""Clusters with every awkwardness: firings, decoder and members, and their full-width points."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from tests.firing_strategies import activations
from tests.reference import by_latent_of

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.store.firings import FiringsByLatent


@dataclass(frozen=True)
class Latents:
    """All latents of a small SAE.

    Attributes
    ----------
    dense
        float16 or float32 (n_tokens, n_latents).
    decoder
        float32 (n_latents, d_model).
    """

    dense: Array
    decoder: Array

    @property
    def firings(self) -> FiringsByLatent:
        return by_latent_of(self.dense)

    def reconstructions(self, members: list[int]) -> tuple[Array, Float64Array]:
        """Return tokens with a member firing, and the sums of their decoder rows, d_model wide."""
        tokens, points = [], []
        for token, row in enumerate(self.dense):
            if any(row[latent] > 0 for latent in members):
                tokens.append(token)
                points.append(
                    sum(
                        float(row[latent]) * self.decoder[latent].astype(np.float64)
                        for latent in sorted(set(members))
                    )
                )
        width = self.decoder.shape[1]
        return np.array(tokens, dtype=np.uint32), np.array(points).reshape(-1, width)


@st.composite
def latents(draw: st.DrawFn) -> Latents:
    """Draw latents with equal, opposite and zero decoder rows, in spaces narrow and wide."""
    dense = draw(activations())
    width = draw(st.sampled_from([1, 2, 5, 40]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    decoder = random.standard_normal((dense.shape[1], width)).astype(np.float32)
    for latent in range(1, len(decoder)):
        kind = random.choice(["own", "own", "own", "equal", "opposite", "zero"])
        other = decoder[random.integers(latent)]
        decoder[latent] = {
            "own": decoder[latent],
            "equal": other,
            "opposite": -other,
            "zero": 0 * other,
        }[str(kind)]
    return Latents(dense, decoder)


def assert_same_bits(found: Cloud, expected: Cloud) -> None:
    """Fail unless two clouds are the same to the bit, moments and types included."""
    for name in ("latents", "tokens", "coordinates", "basis"):
        same_array(getattr(found, name), getattr(expected, name), name)
    for name in ("data", "indices", "indptr"):
        same_array(getattr(found.activations, name), getattr(expected.activations, name), name)
    assert found.activations.shape == expected.activations.shape
    assert found.moments.n_points == expected.moments.n_points
    same_array(found.moments.sums, expected.moments.sums, "sums")
    same_array(found.moments.products, expected.moments.products, "products")


def same_array(found: Array, expected: Array, name: str) -> None:
    assert found.dtype == expected.dtype, name
    assert found.shape == expected.shape, name
    assert found.tobytes() == expected.tobytes(), name
