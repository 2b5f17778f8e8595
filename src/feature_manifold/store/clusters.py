"""Clusters of latents that were found without labels, best first, with their measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from feature_manifold.core.arrays import Array, Int64Array, check_indptr
from feature_manifold.core.errors import CorruptArtifactError, InputError, MissingArtifactError
from feature_manifold.store.npy import open_npy, save_npy

MEASURES = "measures.npy"
MEASURE_NAMES = "measures.json"

_TYPES = {
    "indptr": "<i8",
    "latents": "<u4",
    "core_indptr": "<i8",
    "core_token_ids": "<i4",
}


@dataclass(frozen=True)
class ClusterSet:
    """Clusters, best first. They may share latents.

    Attributes
    ----------
    indptr
        int64 (n_clusters + 1,), first member of each cluster.
    latents
        uint32 (n_members,), rising within a cluster.
    core_indptr
        int64 (n_clusters + 1,), first core token of each cluster.
    core_token_ids
        int32 (n_core,), token types on which the cluster usually fires strongly, rising.
    measures
        By column name, float64 (n_clusters,): ``score``, by which the clusters are ordered, its
        parts, and ``NAME``, ``NAME_low``, ``NAME_high``, ``NAME_p_NULL`` of every measure. NaN
        where a measure does not apply.
    """

    indptr: Array
    latents: Array
    core_indptr: Array
    core_token_ids: Array
    measures: Mapping[str, Array]

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.indptr) - 1

    def members(self, cluster: int) -> Int64Array:
        """Return the latents of one cluster, int64 (k,), rising.

        Raises
        ------
        InputError
            If there is no such cluster.
        """
        return self._row(self.indptr, self.latents, cluster)

    def core(self, cluster: int) -> Int64Array:
        """Return the core tokens of one cluster, int64 (n,), rising.

        Raises
        ------
        InputError
            If there is no such cluster.
        """
        return self._row(self.core_indptr, self.core_token_ids, cluster)

    def _row(self, indptr: Array, values: Array, cluster: int) -> Int64Array:
        if not 0 <= cluster < self.n_clusters:
            raise InputError(f"No cluster {cluster}: there are {self.n_clusters}, from 0.")
        return values[indptr[cluster] : indptr[cluster + 1]].astype(np.int64)


def save_clusters(folder: Path, clusters: ClusterSet) -> None:
    """Write every array of the set into ``folder``."""
    for name, dtype in _TYPES.items():
        save_npy(folder / f"{name}.npy", getattr(clusters, name).astype(dtype))
    columns = [np.asarray(column, dtype="<f8") for column in clusters.measures.values()]
    save_npy(folder / MEASURES, np.stack(columns) if columns else np.zeros((0, 0)))
    (folder / MEASURE_NAMES).write_bytes(orjson.dumps(list(clusters.measures)))


def open_clusters(folder: Path) -> ClusterSet:
    """Open the set in a ``clusters/`` folder, memory-mapped.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If a file is missing, truncated or foreign.
    """
    arrays: dict[str, Any] = {
        name: open_npy(folder / f"{name}.npy", dtypes=(dtype,), shape=(None,))
        for name, dtype in _TYPES.items()
    }
    for offsets, values in (("indptr", "latents"), ("core_indptr", "core_token_ids")):
        check_indptr(f"{folder}/{offsets}.npy", arrays[offsets], n_entries=len(arrays[values]))
    n_clusters = len(arrays["indptr"]) - 1
    if len(arrays["core_indptr"]) - 1 != n_clusters:
        raise CorruptArtifactError(
            f"{folder}: core tokens of {len(arrays['core_indptr']) - 1:,} clusters and members of "
            f"{n_clusters:,}. Make them again with: fmi run CONFIG.yaml --only clusters --force"
        )
    names = _measure_names(folder / MEASURE_NAMES)
    measures = open_npy(
        folder / MEASURES, dtypes=("<f8",), shape=(len(names), n_clusters if names else 0)
    )
    return ClusterSet(**arrays, measures=dict(zip(names, measures, strict=True)))


def _measure_names(path: Path) -> list[str]:
    try:
        names = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingArtifactError(
            f"No file {path}. Make it with: fmi run CONFIG.yaml --only clusters"
        ) from None
    except orjson.JSONDecodeError as error:
        raise CorruptArtifactError(f"{path} is not JSON: {error}") from error
    strings = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not strings or len(set(names)) != len(names):
        raise CorruptArtifactError(f"{path} is not an array of different strings.")
    return list(names)
