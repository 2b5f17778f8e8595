"""From a concept to a cluster: the latents whose activation lies mostly on the concept's tokens."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.concepts import ConceptMatch
from feature_manifold.core.errors import InputError
from feature_manifold.examples.frequent_tokens import FrequentTokens
from feature_manifold.examples.occurrences import Occurrences, rows_of_groups
from feature_manifold.examples.responsible import (
    MIN_FIRINGS,
    TINY,
    Totals,
    gathered,
    row_cap,
)
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken
from feature_manifold.store.type_rows import TypeRows

CORE_SHARE = 0.5
"""Share of its activation on the concept's tokens that makes a latent a member."""

MAX_MEMBERS = 1000
MAX_CANDIDATES = 500
MAX_OWN_FIRINGS = 500_000
"""Firings read to compute the shares of all candidates: 1,000 each if there are 500."""

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sources:
    """The artifacts that a concept is looked up in."""

    type_rows: TypeRows
    token_id: Array
    by_token: FiringsByToken
    by_latent: FiringsByLatent
    frequent: FrequentTokens
    totals: Totals


@dataclass(frozen=True)
class ConceptMember:
    """A latent of the cluster.

    Attributes
    ----------
    latent
        The latent.
    share
        Share of its activation that lies on the concept's tokens.
    firings
        Firings in the whole corpus.
    peak
        Step on whose tokens its mean activation is greatest.
    """

    latent: int
    share: float
    firings: int
    peak: int


@dataclass(frozen=True)
class StepCoverage:
    """How a step of the concept is covered.

    Attributes
    ----------
    step, label
        The step and its usual spelling.
    token_ids
        Vocabulary entries that spell it.
    n_occurrences, n_used
        How often they occur in the corpus, and how many of these rows were read.
    covered
        Share of the rows read on which a member fires; None if there are none.
    n_peaks
        Members that peak on this step.
    """

    step: int
    label: str
    token_ids: tuple[int, ...]
    n_occurrences: int
    n_used: int
    covered: float | None
    n_peaks: int


@dataclass(frozen=True, eq=False)
class ConceptCluster:
    """Latents that are about a concept.

    Attributes
    ----------
    match
        The concept and the vocabulary entries that stand for it.
    members
        By step of their peak, then by falling share.
    tuning
        float64 (n_members, n_steps), mean activation of each member over the rows read of each
        step, silence counted as 0; NaN where a step has no rows.
    steps
        One per step.
    n_occurrences, n_used, is_exact
        Rows of all steps, how many were read, and whether these are all. If not, ``covered`` and
        ``tuning`` are estimates, and a latent that fires rarely may have been missed.
    shares_are_exact
        Whether every share was computed from all firings.
    n_members_found
        Members before the limit was applied: those of the greatest activation are kept.
    """

    match: ConceptMatch
    members: tuple[ConceptMember, ...]
    tuning: Float64Array
    steps: tuple[StepCoverage, ...]
    n_occurrences: int
    n_used: int
    is_exact: bool
    shares_are_exact: bool
    n_members_found: int

    @property
    def latents(self) -> tuple[int, ...]:
        """The members, in their order."""
        return tuple(member.latent for member in self.members)


def concept_cluster(
    sources: Sources,
    match: ConceptMatch,
    *,
    share: float = CORE_SHARE,
    min_firings: int = MIN_FIRINGS,
    limit: int = 200,
) -> ConceptCluster:
    """Find the latents that have more than a share of their activation on a concept's tokens.

    Of a concept of few occurrences every row is read and the shares follow. Of a frequent one a
    sample of rows, and the token ids that each latent fires on most, name candidates with at least
    half of the share; the share of each is then computed from its own firings, of all together at
    most MAX_OWN_FIRINGS, spaced evenly.

    Parameters
    ----------
    sources
        Artifacts; may be memory-mapped.
    match
        The concept in this vocabulary.
    share
        In (0, 1).
    min_firings
        Members fire at least so often in the corpus.
    limit
        Members returned at most, those with the greatest activation on the concept's tokens.

    Raises
    ------
    InputError
        If no token spells the concept, or a number is out of range.
    """
    _check(match, share=share, min_firings=min_firings, limit=limit)
    totals, n_steps = sources.totals, match.concept.n_steps
    groups = [match.token_ids[match.steps == step].tolist() for step in range(n_steps)]
    rows, step_of = rows_of_groups(sources.type_rows, groups, most=row_cap(totals))
    blocks = list(gathered(sources.by_token, rows.rows))
    sums = np.zeros(len(totals.counts))
    for _, latents, activations in blocks:
        sums += np.bincount(latents, weights=activations, minlength=len(sums))
    sums *= rows.n_occurrences / max(1, rows.n_used)
    shares = np.minimum(1.0, sums / np.maximum(totals.activations, TINY))
    exact_shares = True
    often = totals.counts >= min_firings
    if rows.is_exact:
        found = np.flatnonzero(often & (shares > share))
    else:
        found = _candidates(sources, match, np.where(often, shares, 0.0), share / 2)
        found = found[often[found]]
        shares[found], exact_shares = own_shares(sources, match, found)
        found = found[shares[found] > share]
    kept = np.sort(found[np.lexsort((found, -sums[found]))][:limit])
    tuning, fired = _tuning(blocks, kept, step_of, rows, n_latents=len(sums), n_steps=n_steps)
    peaks = np.argmax(np.nan_to_num(tuning), axis=1) if len(kept) else np.zeros(0, dtype=np.int64)
    order = np.lexsort((kept, -shares[kept], peaks))
    members = tuple(
        ConceptMember(*row)
        for row in zip(
            kept[order].tolist(),
            shares[kept][order].tolist(),
            totals.counts[kept][order].tolist(),
            peaks[order].tolist(),
            strict=True,
        )
    )
    return ConceptCluster(
        match=match,
        members=members,
        tuning=tuning[order],
        steps=_coverage(sources.type_rows, match, groups, step_of, fired, peaks),
        n_occurrences=rows.n_occurrences,
        n_used=rows.n_used,
        is_exact=rows.is_exact,
        shares_are_exact=exact_shares,
        n_members_found=len(found),
    )


def own_shares(
    sources: Sources, match: ConceptMatch, latents: Int64Array
) -> tuple[Float64Array, bool]:
    """Return the share of activation on the concept's tokens of each latent, float64 (n,).

    The second value says whether all firings of each were read.
    """
    by_latent, token_id = sources.by_latent, np.asarray(sources.token_id)
    most = max(1, MAX_OWN_FIRINGS // max(1, len(latents)))
    indptr = np.asarray(by_latent.indptr)
    counts = indptr[latents + 1] - indptr[latents]
    read = np.minimum(counts, most)
    owner = np.repeat(np.arange(len(latents)), read)
    number = np.arange(len(owner)) - (np.cumsum(read) - read)[owner]
    entries = indptr[latents][owner] + number * counts[owner] // read[owner]
    weights = np.asarray(by_latent.activations)[entries].astype(np.float64)
    on = _marked(sources, match)[token_id[np.asarray(by_latent.tokens)[entries]]]
    whole = np.bincount(owner, weights=weights, minlength=len(latents))
    inside = np.bincount(owner, weights=np.where(on, weights, 0), minlength=len(latents))
    return inside / np.maximum(whole, TINY), bool((read == counts).all())


def _marked(sources: Sources, match: ConceptMatch) -> Array:
    """Return for each token id whether it is of the concept; the last is for unknown ids, -1."""
    n_types = max(sources.type_rows.n_types, int(match.token_ids[-1]) + 1)
    marked = np.zeros(n_types + 1, dtype=bool)
    marked[match.token_ids] = True
    return marked


def _candidates(
    sources: Sources, match: ConceptMatch, shares: Float64Array, least: float
) -> Int64Array:
    """Return latents that may have a share: by a sample of rows, or by their frequent tokens."""
    on_concept = sources.frequent.firings_on(match.token_ids)
    likely = np.maximum(shares, on_concept / np.maximum(1, sources.totals.counts))
    found = np.flatnonzero(likely >= least)
    return found[np.argsort(-likely[found], kind="stable")][:MAX_CANDIDATES]


def _tuning(
    blocks: list[tuple[Int64Array, Array, Float64Array]],
    members: Int64Array,
    step_of: Int64Array,
    rows: Occurrences,
    *,
    n_latents: int,
    n_steps: int,
) -> tuple[Float64Array, Array]:
    """Return the mean activation of members by step, and whether each row has one that fires."""
    place_of = np.full(n_latents, -1, dtype=np.int64)
    place_of[members] = np.arange(len(members))
    sums = np.zeros(len(members) * n_steps)
    fired = np.zeros(rows.n_used, dtype=bool)
    for place, latents, activations in blocks:
        own = np.flatnonzero(place_of[latents] >= 0)
        fired[place[own]] = True
        cell = place_of[latents[own]] * n_steps + step_of[place[own]]
        sums += np.bincount(cell, weights=activations[own], minlength=len(sums))
    n_rows = np.bincount(step_of, minlength=n_steps).astype(np.float64)
    n_rows[n_rows == 0] = np.nan
    return sums.reshape(len(members), n_steps) / n_rows, fired


def _coverage(
    type_rows: TypeRows,
    match: ConceptMatch,
    groups: list[list[int]],
    step_of: Int64Array,
    fired: Array,
    peaks: Int64Array,
) -> tuple[StepCoverage, ...]:
    n_steps = len(groups)
    used = np.bincount(step_of, minlength=n_steps).tolist()
    hit = np.bincount(step_of[fired], minlength=n_steps).tolist()
    n_peaks = np.bincount(peaks, minlength=n_steps).tolist()
    return tuple(
        StepCoverage(
            step=step,
            label=label,
            token_ids=tuple(groups[step]),
            n_occurrences=sum(type_rows.count(token_id) for token_id in groups[step]),
            n_used=used[step],
            covered=hit[step] / used[step] if used[step] else None,
            n_peaks=n_peaks[step],
        )
        for step, label in enumerate(match.concept.labels)
    )


def _check(match: ConceptMatch, *, share: float, min_firings: int, limit: int) -> None:
    if not len(match.token_ids):
        raise InputError(
            f"No single token of this vocabulary spells a step of '{match.concept.name}'."
        )
    if not 0 < share < 1:
        raise InputError(f"share is {share}: more than 0 and less than 1 is wanted.")
    if min_firings < 1:
        raise InputError(f"min_firings is {min_firings}: at least 1 is wanted.")
    if not 1 <= limit <= MAX_MEMBERS:
        raise InputError(f"limit is {limit:,}: 1 to {MAX_MEMBERS:,} latents can be asked for.")
