"""From firings and edges to the ranked list: what the stage ``clusters`` does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from feature_manifold.core.arrays import Array
from feature_manifold.core.progress import Progress
from feature_manifold.geometry.clusters.affinities import LatentGraph
from feature_manifold.geometry.clusters.discover import Candidate, Corpus, discover, ranked
from feature_manifold.geometry.clusters.nulls import Significance, significance
from feature_manifold.geometry.clusters.score import PARTS
from feature_manifold.geometry.clusters.survey import survey
from feature_manifold.store.clusters import ClusterSet


@dataclass(frozen=True)
class Search:
    """How to look for clusters; see the config keys of the same names.

    Attributes
    ----------
    methods
        Of ``discover.METHODS``.
    resolutions
        Of communities.
    draws
        From each null.
    most
        Clusters kept.
    seed
        Of every random choice.
    measured
        Whether the clusters kept are measured, too, which takes most of the time.
    """

    methods: Sequence[str]
    resolutions: Sequence[float]
    draws: int
    most: int
    seed: int
    measured: bool = True


def find_clusters(
    corpus: Corpus, graph: LatentGraph, search: Search, *, n_workers: int, progress: Progress
) -> tuple[ClusterSet, int]:
    """Find, judge and rank groups of latents, without labels.

    Parameters
    ----------
    corpus, graph
        Firings and edges of the experiment.
    search
        How to look.
    n_workers
        Threads; the result does not depend on them.

    Returns
    -------
    ClusterSet
        The best, best first. Columns: ``score``, its `PARTS`, ``hollow`` with the p-values against
        each null, ``p`` (the larger), ``n_methods`` (how many methods led to the cluster), and the
        measures of ``survey``.
    int
        How many candidates were tried: the p-values are corrected for them.
    """
    # Matrices are small: threads of BLAS would only spin, and change the last bits.
    with threadpool_limits(1, user_api="blas"):
        candidates = discover(
            corpus,
            graph,
            methods=search.methods,
            resolutions=search.resolutions,
            seed=search.seed,
            n_workers=n_workers,
            progress=progress,
        )
        chance = significance(
            [candidate.evidence.tuning for candidate in candidates],
            draws=search.draws,
            seed=search.seed,
            n_workers=n_workers,
            progress=progress,
        )
        found = cluster_set(candidates, ranked(candidates, most=search.most), chance)
        if search.measured:
            columns = survey(
                corpus, found, seed=search.seed, n_workers=n_workers, progress=progress
            )
            found = replace(found, measures={**found.measures, **columns})
    return found, len(candidates)


def cluster_set(
    candidates: Sequence[Candidate], places: Sequence[int], chance: Significance
) -> ClusterSet:
    """Return the candidates at some places, with everything that their ranks rest on."""
    chosen = [candidates[place] for place in places]
    at = np.array(places, dtype=np.int64)
    parts = [candidate.evidence.parts for candidate in chosen]
    measures = {"score": np.array([candidate.evidence.score for candidate in chosen])}
    measures |= {name: np.array([one[name] for one in parts]) for name in PARTS}
    measures |= {
        "hollow": chance.hollow[at],
        "hollow_p_shuffle": chance.shuffle[at],
        "hollow_p_spectrum": chance.spectrum[at],
        "p": chance.both[at],
        "n_methods": np.array([float(len(candidate.found_by)) for candidate in chosen]),
    }
    members = _rows([candidate.latents for candidate in chosen])
    core = _rows([candidate.evidence.tuning.core for candidate in chosen])
    return ClusterSet(*members, *core, measures)


def _rows(parts: Sequence[Array]) -> tuple[Array, Array]:
    indptr = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    return indptr, np.concatenate([np.zeros(0, dtype=np.int64), *parts])
