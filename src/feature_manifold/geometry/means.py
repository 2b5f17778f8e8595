"""Means of a cloud over the occurrences of each token type."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.cloud import Cloud


@dataclass(frozen=True)
class TypeMeans:
    """Mean point of each token type that has points.

    Attributes
    ----------
    types
        int64 (m,), vocabulary ids, ascending.
    counts
        int64 (m,), points of each, at least 1.
    activations
        float64 (m, k), mean activation of each member.
    means
        float64 (m, r), mean reconstruction in the cloud's basis.
    """

    types: Int64Array
    counts: Int64Array
    activations: Float64Array
    means: Float64Array


def type_means(
    cloud: Cloud, token_ids: Array, types: Array | None = None, *, unit: bool = False
) -> TypeMeans:
    """Average the points of each token type.

    Occurrences at which no member fires are no points and do not count.

    Parameters
    ----------
    cloud
        A cloud of n points.
    token_ids
        int (n,), vocabulary id of each point; below 0, where it is not known, it is of no type.
    types
        The types wanted, in any order, for instance a cluster's core tokens; those without points
        are left out. None: all that have points.
    unit
        Average points of length one; points of length zero are left out.

    Raises
    ------
    InputError
        If there is not one token id per point.
    """
    if len(token_ids) != cloud.n_points:
        raise InputError(f"{len(token_ids):,} token ids for a cloud of {cloud.n_points:,} points.")
    ids = np.asarray(token_ids, dtype=np.int64)
    wanted = ids >= 0 if types is None else np.isin(ids, types) & (ids >= 0)
    weights = cloud.unit_scales() if unit else np.ones(len(ids))
    rows = np.flatnonzero(wanted & (weights > 0))
    found, place, counts = np.unique(ids[rows], return_inverse=True, return_counts=True)
    pick = sp.csr_matrix((weights[rows], (place, rows)), shape=(len(found), len(ids)))
    activations = (pick @ cloud.activations).toarray() / counts[:, None]
    return TypeMeans(found, counts, activations, activations @ cloud.coordinates)
