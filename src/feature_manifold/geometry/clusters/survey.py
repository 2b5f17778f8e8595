"""Measures of every cluster of a list, as columns."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.progress import Progress
from feature_manifold.geometry.clusters.discover import Corpus
from feature_manifold.geometry.coordinate import measure_coordinate
from feature_manifold.geometry.measures import max_statistic
from feature_manifold.geometry.measures.measure import measure_cloud
from feature_manifold.geometry.measures.registry import MEASURES
from feature_manifold.geometry.measures.results import Measured
from feature_manifold.store.clusters import ClusterSet

EVIDENCE = {measure.name: measure.evidence for measure in MEASURES}


def survey(
    corpus: Corpus, clusters: ClusterSet, *, seed: int, n_workers: int, progress: Progress
) -> dict[str, Float64Array]:
    """Measure every cluster with little effort: its points, its types, its fitted coordinate.

    Parameters
    ----------
    corpus
        Firings and token ids.
    clusters
        What to measure.
    seed
        Of every random choice.
    n_workers
        Threads; the result does not depend on them.

    Returns
    -------
    dict
        float64 (n_clusters,) by ``NAME``, ``NAME_low``, ``NAME_high`` and ``NAME_p_NULL``: p-values
        are corrected for the clusters measured, by the greatest statistic. Columns in which no
        cluster has a value are left out, but for values themselves.
    """

    def measure(place: int) -> Mapping[str, Measured]:
        cloud, ids = corpus.cloud(clusters.members(place).tolist())
        core = clusters.core(place)
        found = measure_cloud(cloud, ids, core_types=core, seed=seed, effort="survey")
        return {**found, **measure_coordinate(cloud, ids, core_types=core, seed=seed)}

    with (
        progress.task("measure clusters", total=clusters.n_clusters, unit="clusters") as task,
        ThreadPoolExecutor(n_workers) as pool,
    ):
        rows = []
        for row in pool.map(measure, range(clusters.n_clusters)):
            rows.append(row)
            task.advance()
    columns: dict[str, Float64Array] = {}
    for name in rows[0] if rows else ():
        columns |= _columns(name, [row[name] for row in rows])
    return columns


def _columns(name: str, measured: Sequence[Measured]) -> dict[str, Float64Array]:
    columns = {name: np.array([one.value for one in measured])}
    for end in ("low", "high"):
        columns[f"{name}_{end}"] = np.array([getattr(one, end) for one in measured])
    for null in dict.fromkeys(null for one in measured for null in one.nulls):
        columns[f"{name}_p_{null}"] = _corrected(name, null, measured)
    return {
        column: values
        for column, values in columns.items()
        if column == name or not np.isnan(values).all()
    }


def _corrected(name: str, null: str, measured: Sequence[Measured]) -> Float64Array:
    known = [one.nulls.get(null) for one in measured]
    rounds = max(len(found.draws) for found in known if found is not None)
    observed = np.full(len(known), np.nan)
    draws: Array = np.full((len(known), rounds), np.nan)
    for place, found in enumerate(known):
        # Without a p of its own a measure says nothing against its null.
        if found is not None and len(found.draws) == rounds and not np.isnan(found.p):
            observed[place], draws[place] = found.observed, found.draws
    return max_statistic(observed, draws, evidence=EVIDENCE.get(name) or "high")
