"""Clouds in which one kind of structure was destroyed, and everything else kept."""

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Float64Array
from feature_manifold.geometry.measures.planes import Principal

#: Silent tokens that are added, at most, in points of the cloud: beyond it latents that fire
#: independently of one another meet on less than 1 % of the points anyway.
MOST_SILENT = 64


def shuffled(activations: sp.csr_matrix, rng: np.random.Generator) -> sp.csr_matrix:
    """Let each latent fire on tokens of its own, drawn anew, with the activations that it has.

    Keeps every latent's activations; destroys which latents fire together. The tokens are those of
    the cluster, plus as many on which no member fires as there would be if members fired
    independently of one another; rows without a firing are then left out, as in a cloud. So the
    expected number of points stays the same, and so does that of members active at a point.
    (Over the points alone, a third of the rows of a sparse cluster would come out empty and the
    others too full.)

    Parameters
    ----------
    activations
        (n, k), CSR, at least one in each row.
    rng
        Draws the tokens.

    Returns
    -------
    scipy.sparse.csr_matrix
        (about n, k), at least one in each row.
    """
    by_latent = activations.tocsc()
    counts = np.diff(by_latent.indptr)
    n_tokens = _tokens_if_independent(counts, activations.shape[0])
    rows = [rng.choice(n_tokens, int(count), replace=False) for count in counts]
    columns = np.repeat(np.arange(len(counts)), counts)
    drawn = sp.csr_matrix(
        (by_latent.data, (np.concatenate(rows), columns)), shape=(n_tokens, len(counts))
    )
    return drawn[np.diff(drawn.indptr) > 0]


def _tokens_if_independent(counts: np.ndarray, n: int) -> int:
    """Solve N prod(1 - c_i / N) = N - n: the expected number of silent tokens among N is N - n.

    The left side is the larger one at N = n, and the smaller one for large N if latents ever meet.
    """
    low, high = n, MOST_SILENT * n
    while low < high:
        middle = (low + high + 1) // 2
        silent = middle * float(np.prod(1 - counts / middle))
        if silent >= middle - n:
            low = middle
        else:
            high = middle - 1
    return low


def shuffled_types(means: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Permute each latent's mean activations over the token types.

    Keeps every latent's tuning, destroys how the latents' tunings lie to one another.

    Parameters
    ----------
    means
        float64 (n_types, k).
    """
    return rng.permuted(means, axis=0)


def matched_gaussian(found: Principal, n: int, rng: np.random.Generator) -> Float64Array:
    """Draw a Gaussian cloud with the mean and the covariance of another, both exactly.

    Keeps how many points there are and how they spread in each direction; destroys every shape.
    With centred points U S V, U is replaced by a random matrix with orthonormal columns that sum
    to 0: what it would be if the points had been Gaussian.

    Parameters
    ----------
    found
        Principal components of the points.
    n
        Number of points, more than components.
    rng
        Draws.

    Returns
    -------
    numpy.ndarray
        float64 (n, r).
    """
    drawn = rng.standard_normal((n, len(found.variances)))
    columns, upper = np.linalg.qr(drawn - drawn.mean(axis=0))
    # Without the signs, columns would depend on the conventions of the decomposition.
    columns *= np.sign(np.diag(upper))
    return (columns * np.sqrt(found.variances * n)) @ found.axes + found.mean
