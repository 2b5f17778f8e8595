"""Find groups of latents without labels, judge each on its core tokens, and rank them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.progress import Progress
from feature_manifold.geometry.cloud import Cloud, build_cloud
from feature_manifold.geometry.clusters.affinities import (
    AFFINITIES,
    MIN_OVERLAP,
    TOP_NEIGHBOURS,
    LatentGraph,
    strongest,
)
from feature_manifold.geometry.clusters.communities import (
    MIN_LATENTS,
    knn_components,
    leiden,
    spectral,
    usable_latents,
)
from feature_manifold.geometry.clusters.core import core_tokens, count_types
from feature_manifold.geometry.clusters.profiles import TypeProfiles, type_profiles
from feature_manifold.geometry.clusters.score import Evidence, evidence_of
from feature_manifold.geometry.clusters.tuning import tuning_of
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.npy import release

MIN_CORE = 6
"""Fewer core tokens make no shape."""

CORE_SHARE = 0.5
"""Share of a latent's activation on a cluster's core tokens that makes it a member."""

MOST_LATENTS = 512
"""A group of more latents is a region of the graph, not one thing."""

MAX_OVERLAP = 0.5
"""Clusters that share more than this share of the smaller one's latents show the same thing."""

LEIDEN_METHODS = tuple(f"leiden-{name}" for name in AFFINITIES)
METHODS = (*LEIDEN_METHODS, "knn", "spectral")
"""Ways to find groups: communities of the graph of each affinity, and the published clusterings.
The config offers the same."""


@dataclass(frozen=True)
class Candidate:
    """A group of latents with its evidence.

    Attributes
    ----------
    evidence
        Members, core tokens and what was measured on them.
    found_by
        The methods that led to it, in the order in which they ran.
    """

    evidence: Evidence
    found_by: tuple[str, ...]

    @property
    def latents(self) -> Int64Array:
        """Members, int64 (k,), ascending."""
        return self.evidence.tuning.latents


@dataclass(frozen=True)
class Corpus:
    """What is known of every latent and token type.

    Attributes
    ----------
    firings, decoder, token_ids
        Of the experiment.
    occurrences
        int64 (n_types,), tokens of each type.
    profiles
        Strongest types of every latent.
    selective
        bool (n_latents,), usable latents that are about token types: only they can be members.
    selective_mass
        float64 (n_types,), their activation on each type.
    """

    firings: FiringsByLatent
    decoder: Array
    token_ids: Array
    occurrences: Int64Array
    profiles: TypeProfiles
    selective: Array
    selective_mass: Float64Array

    def cloud(self, latents: Iterable[int]) -> tuple[Cloud, Array]:
        """Return the cloud of some latents, and the token id of each of its points."""
        cloud = build_cloud(self.firings, self.decoder, list(latents))
        release(self.firings.tokens, self.firings.activations)
        return cloud, self.token_ids[cloud.tokens]

    def mass(self, latents: Iterable[int]) -> tuple[Array, Float64Array]:
        """Return the tokens on which some latents fire, rising, and their summed activation."""
        parts = [self.firings.latent(latent) for latent in latents]
        tokens = np.concatenate([part[0] for part in parts])
        values = np.concatenate([part[1] for part in parts])
        release(self.firings.tokens, self.firings.activations)
        order = np.argsort(tokens, kind="stable")
        tokens = tokens[order]
        starts = np.flatnonzero(np.r_[True, tokens[1:] != tokens[:-1]])
        return tokens[starts], np.add.reduceat(values[order].astype(np.float64), starts)


def read_corpus(
    firings: FiringsByLatent, decoder: Array, token_ids: Array, *, progress: Progress
) -> Corpus:
    """Read all firings once.

    Parameters
    ----------
    firings
        By latent; may be memory-mapped.
    decoder
        float32 (n_latents, d_model); may be memory-mapped.
    token_ids
        int (n_tokens,), vocabulary id of each token; -1 where unknown.
    """
    ids = np.asarray(token_ids)
    occurrences = count_types(ids, n_types=1)
    profiles = type_profiles(firings, ids, n_types=len(occurrences), progress=progress)
    usable = usable_latents(profiles.count, firings.n_tokens)
    selective = usable & profiles.is_selective(occurrences)
    mass = np.asarray(profiles.by_type[selective].sum(axis=0), dtype=np.float64).ravel()
    return Corpus(firings, decoder, ids, occurrences, profiles, selective, mass)


def discover(
    corpus: Corpus,
    graph: LatentGraph,
    *,
    methods: Sequence[str] = LEIDEN_METHODS,
    resolutions: Sequence[float] = (1.0, 2.0, 4.0, 8.0),
    seed: int,
    n_workers: int,
    progress: Progress,
) -> list[Candidate]:
    """Find candidate groups of latents; each is judged once, however often it was found.

    Communities of sparse graphs are ragged: they take in a stray pair of latents or lose one to a
    neighbour. Which token types they are about is robust, and settles who belongs: the latents with
    most of their activation on the community's core tokens. What never fires together is split.
    Groups of the same latents are merged.

    Parameters
    ----------
    corpus
        From `read_corpus`.
    graph
        Nearest neighbours of the latents.
    methods
        Of `METHODS`.
    resolutions
        Of the communities: more gives smaller ones.
    seed
        Of the searches.
    n_workers
        Threads; the result does not depend on them.

    Returns
    -------
    list of Candidate
        All different groups of 3 to 512 latents with 6 core tokens or more, best first.
    """
    things: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    found: dict[tuple[int, ...], list[str]] = {}
    with progress.task("find groups", total=len(methods), unit="methods") as task:
        for method in methods:
            for group in groups_of(corpus, graph, method, resolutions=resolutions, seed=seed):
                key = tuple(group[corpus.selective[group]].tolist())
                if len(key) < MIN_LATENTS:
                    continue
                if key not in things:
                    parts = parts_of(graph, members_of(corpus, key))
                    things[key] = [tuple(part.tolist()) for part in parts]
                for latents in things[key]:
                    ways = found.setdefault(latents, [])
                    ways += [method] if method not in ways else []
            task.advance()
    with (
        progress.task("judge groups", total=len(found), unit="groups") as task,
        ThreadPoolExecutor(n_workers) as pool,
    ):
        candidates = []
        for ways, evidence in zip(
            found.values(), pool.map(lambda one: judge(corpus, one), found), strict=True
        ):
            if evidence is not None:
                candidates.append(Candidate(evidence, tuple(ways)))
            task.advance()
    return sorted(candidates, key=lambda one: (-one.evidence.score, one.latents.tolist()))


def members_of(corpus: Corpus, group: Sequence[int]) -> Int64Array:
    """Return the latents that fire mostly on the core tokens of a group, int64, ascending."""
    tokens, mass = corpus.mass(group)
    core = core_tokens(mass, corpus.token_ids[tokens], occurrences=corpus.occurrences)
    if len(core) < MIN_CORE:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero((corpus.profiles.share_on(core) > CORE_SHARE) & corpus.selective)


def parts_of(graph: LatentGraph, members: Int64Array) -> list[Int64Array]:
    """Split a group into parts of 3 to 512 latents that never fire together.

    A part is a component of the graph of members whose Jaccard overlap is above 0.02. A group in
    which hardly anything fires together, held by its directions alone, stays whole.
    """
    inside = graph.jaccard[members][:, members]
    inside.data[inside.data <= MIN_OVERLAP] = 0
    inside.eliminate_zeros()
    _, label = connected_components(inside, directed=False)
    parts = [members[label == part] for part in range(int(label.max(initial=-1)) + 1)]
    parts = [part for part in parts if len(part) >= MIN_LATENTS] or [members]
    return [part for part in parts if MIN_LATENTS <= len(part) <= MOST_LATENTS]


def judge(corpus: Corpus, latents: Sequence[int]) -> Evidence | None:
    """Measure a group on its own core tokens; None if these are too few to make a shape."""
    tuning = tuning_of(*corpus.cloud(latents), corpus.occurrences)
    if len(tuning.core) < MIN_CORE:
        return None
    own = corpus.profiles.by_type[tuning.latents][:, tuning.core].sum(dtype=np.float64)
    all_mass = corpus.selective_mass[tuning.core].sum()
    return evidence_of(tuning, own_share=float(own / max(all_mass, 1e-30)))


def ranked(candidates: Sequence[Candidate], *, most: int) -> list[int]:
    """Return the places of the best candidates; of those that show the same thing, of the best.

    A candidate is left out if it shares more than half of the smaller one's latents with a better
    one.

    Parameters
    ----------
    candidates
        Best first.
    most
        How many are wanted.

    Returns
    -------
    list of int
        Places in ``candidates``, rising.
    """
    kept: list[int] = []
    holders: dict[int, list[int]] = {}
    for place, candidate in enumerate(candidates):
        if len(kept) == most:
            break
        latents = candidate.latents.tolist()
        shared = Counter(better for latent in latents for better in holders.get(latent, ()))
        if any(
            n > MAX_OVERLAP * min(len(latents), len(candidates[better].latents))
            for better, n in shared.items()
        ):
            continue
        for latent in latents:
            holders.setdefault(latent, []).append(place)
        kept.append(place)
    return kept


def groups_of(
    corpus: Corpus,
    graph: LatentGraph,
    method: str,
    *,
    resolutions: Sequence[float],
    seed: int,
) -> Iterator[Int64Array]:
    """Yield the groups of latents that one of `METHODS` finds, as they are found."""
    usable = usable_latents(corpus.profiles.count, corpus.firings.n_tokens)
    if method == "knn":
        yield from knn_components(graph)
    elif method == "spectral":
        yield from spectral(graph, usable, seed=seed)
    else:
        weights = AFFINITIES[method.removeprefix("leiden-")](graph)
        edges = strongest(weights, usable, top_k=TOP_NEIGHBOURS)
        for resolution in resolutions:
            yield from leiden(edges, resolution=resolution, seed=seed)
