"""Core tokens: the token types on which a cluster usually fires strongly.

A cluster is judged on them. Without the rule, clusters of function words fill the top of every
ranking, and one stray token takes an axis of the PCA.
"""

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float64Array, Int64Array

MIN_OCCURRENCES = 8
"""A type that is rarer says nothing about what is usual."""

USUALLY = 0.5
"""Share of a type's occurrences on which the cluster has to fire."""

STRONGLY = 0.4
"""Mean activation on a type, over all its occurrences, that is needed: of the cluster's reference,
which is its mean activation where the mean is weighted by activation."""


def core_tokens(mass: Array, token_ids: Array, *, occurrences: Int64Array) -> Int64Array:
    """Return the token types on which a cluster usually fires strongly.

    Parameters
    ----------
    mass
        (n_points,), summed activation of the members at each token on which one fires; further
        tokens, with 0, change nothing.
    token_ids
        int (n_points,), vocabulary id of each token; negative ones (unknown) are in no type.
    occurrences
        int64 (n_types,), tokens of each type in the whole corpus (`count_types`).

    Returns
    -------
    numpy.ndarray
        int64 (n_core,), ascending; empty if the cluster never fires.
    """
    known = token_ids >= 0
    ids, known_mass = token_ids[known], mass[known].astype(np.float64)
    n_types = len(occurrences)
    on = np.bincount(ids, weights=known_mass > 0, minlength=n_types)
    by_type = np.bincount(ids, weights=known_mass, minlength=n_types)
    return core_of_sums(by_type, on, occurrences, reference=reference_mass(known_mass))


def core_of_sums(
    by_type: Array, on: Array, occurrences: Int64Array, *, reference: float
) -> Int64Array:
    """Return the core tokens by what is known of each type.

    Parameters
    ----------
    by_type, on
        float (n_types,), summed activation of the cluster on each type, and on how many tokens of
        it the cluster fires.
    occurrences
        int64 (n_types,), tokens of each type.
    reference
        The cluster's `reference_mass`.
    """
    often = (occurrences >= MIN_OCCURRENCES) & (on > USUALLY * occurrences)
    return np.flatnonzero(often & (by_type > STRONGLY * reference * occurrences))


def reference_mass(mass: Float64Array) -> float:
    """Return the mean of a cluster's activations (n_points,), weighted by themselves."""
    total = mass.sum()
    return float((mass**2).sum() / total) if total > 0 else 0.0


def count_types(token_ids: Array, *, n_types: int = 0) -> Int64Array:
    """Return how many tokens each type has, int64 (n_types or more,); unknown ones are left out."""
    return np.bincount(token_ids[token_ids >= 0], minlength=n_types).astype(np.int64)


def type_means(activations: sp.csr_matrix, token_ids: Array, types: Int64Array) -> Float64Array:
    """Return the mean activations at each of some types.

    The mean is linear: times the members' decoder rows, or their coordinates in a cloud, it is the
    mean reconstruction.

    Parameters
    ----------
    activations
        (n, k), of the members at n tokens.
    token_ids
        int (n,).
    types
        int64 (n_types,), ascending.

    Returns
    -------
    numpy.ndarray
        float64 (n_types, k), over the tokens given; 0 for a type that has none.
    """
    where = np.flatnonzero(np.isin(token_ids, types))
    slot = np.searchsorted(types, token_ids[where])
    count = np.maximum(1, np.bincount(slot, minlength=len(types)))
    pick = sp.csr_matrix((1 / count[slot], (slot, where)), shape=(len(types), len(token_ids)))
    means: Float64Array = (pick @ activations).toarray()
    return means
