"""Everything about one latent, as its page shows it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import CorruptArtifactError, InputError
from feature_manifold.examples.contexts import firings_before
from feature_manifold.store.examples import GROUPS, ExampleSet
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.token_table import TokenTable

UNKNOWN_TOKEN = "\N{REPLACEMENT CHARACTER}"
"""Text of a token whose id is not known (adopted data tells only of tokens that fired)."""


class PageSource(Protocol):
    """What a page is made of; ``store.experiment.Experiment`` has it."""

    @property
    def tokens(self) -> TokenTable:
        """The token table."""

    @property
    def vocabulary(self) -> Sequence[str]:
        """Text of every token id."""

    @property
    def by_latent(self) -> FiringsByLatent:
        """Firings by latent."""

    @property
    def statistics(self) -> Array:
        """STATISTICS_DTYPE (n_latents,)."""

    @property
    def examples(self) -> ExampleSet:
        """Picked examples."""


class Example(NamedTuple):
    """One context in which a latent fires; the fields are the specification's keys.

    Attributes
    ----------
    max_activation
        The greatest of the activations.
    context
        The tokens, joined.
    tokens
        Their texts.
    token_activations
        The latent's activation on each, 0 where silent.
    firing_positions
        Places in ``tokens`` where it fires.
    n_firings
        How many these are.
    """

    max_activation: float
    context: str
    tokens: list[str]
    token_activations: list[float]
    firing_positions: list[int]
    n_firings: int


@dataclass(frozen=True)
class ActivationStats:
    """Range and percentiles over all firings; all 0 for a latent that never fires."""

    min: float
    max: float
    mean: float
    p10: float
    p50: float
    p90: float


@dataclass(frozen=True)
class LatentPage:
    """What the page of a latent shows.

    Attributes
    ----------
    latent_id
        The latent.
    label
        Text of the token on which it fires most; None if it never fires.
    total_firings
        Firings in the whole corpus.
    activation_stats
        Over all firings.
    bins, counts
        Histogram over all firings: 31 edges and 30 counts, or none if it never fires.
    examples
        Contexts by group: top, high, medium, low.
    """

    latent_id: int
    label: str | None
    total_firings: int
    activation_stats: ActivationStats
    bins: list[float]
    counts: list[int]
    examples: dict[str, list[Example]]

    def to_json(self) -> dict[str, Any]:
        """Return the specification's keys, as values that strict JSON can say."""
        return {
            "latent_id": self.latent_id,
            "label": self.label,
            "total_firings": self.total_firings,
            "activation_stats": vars(self.activation_stats).copy(),
            "histogram": {"bins": self.bins, "counts": self.counts},
            "examples": {
                group: [example._asdict() for example in found]
                for group, found in self.examples.items()
            },
        }


def latent_page(source: PageSource, latent: int) -> LatentPage:
    """Gather what the page of one latent shows.

    Parameters
    ----------
    source
        An open experiment. Only the slices of this latent are read.
    latent
        Latent id.

    Returns
    -------
    LatentPage
        Of a latent that never fires too: no label, zeros, no histogram, no examples.

    Raises
    ------
    InputError
        If there is no such latent.
    CorruptArtifactError
        If the artifacts do not belong together.
    """
    n_latents = source.by_latent.n_latents
    if not 0 <= latent < n_latents:
        raise InputError(f"No latent {latent}: this experiment has latents 0 to {n_latents - 1:,}.")
    record = source.statistics[latent]
    count = int(record["count"])
    if count != len(source.by_latent.latent(latent)[0]):
        raise _damaged(f"Statistics and firings of latent {latent} differ", stage="index")
    stats = ActivationStats(
        **{name: float(record[name]) for name in ("min", "max", "mean", "p10", "p50", "p90")}
    )
    shown = source.examples
    # JSON would turn NaN into null, so that a bad value would look missing.
    if not all(map(math.isfinite, vars(stats).values())):
        raise _damaged(f"Statistics of latent {latent} are not finite", stage="index")
    if not np.isfinite(shown.histogram_bins[latent]).all():
        raise _damaged(f"Histogram edges of latent {latent} are not finite", stage="examples")
    return LatentPage(
        latent_id=latent,
        label=token_text(source.vocabulary, int(record["label_token_id"])) if count else None,
        total_firings=count,
        activation_stats=stats,
        bins=shown.histogram_bins[latent].tolist() if count else [],
        counts=shown.histogram_counts[latent].tolist() if count else [],
        examples=_examples(source, latent),
    )


def _examples(source: PageSource, latent: int) -> dict[str, list[Example]]:
    """Return the examples of each group; all of the latent are gathered at once."""
    shown = source.examples
    span = slice(int(shown.indptr[latent]), int(shown.indptr[latent + 1]))
    numbers = np.asarray(shown.group[span])
    starts, stops = (np.asarray(rows[span], np.int64) for rows in (shown.start, shown.stop))
    if (numbers >= len(GROUPS)).any():
        raise _damaged(f"Examples of latent {latent} are of no group", stage="examples")
    found = _rows_of(source, latent, starts, stops)
    groups: dict[str, list[Example]] = {group: [] for group in GROUPS}
    for number, example in zip(numbers.tolist(), found, strict=True):
        groups[GROUPS[number]].append(example)
    return groups


def _rows_of(
    source: PageSource, latent: int, starts: Int64Array, stops: Int64Array
) -> Iterator[Example]:
    """Yield the example of each run of token rows."""
    tokens, activations = (np.asarray(part) for part in source.by_latent.latent(latent))
    firsts, lasts = firings_before(tokens, starts), firings_before(tokens, stops)
    within = (starts < stops) & (stops <= source.tokens.n_tokens)
    if not within.all() or (firsts >= lasts).any():
        raise _damaged(f"Examples of latent {latent} hold no firing", stage="examples")
    if len(starts) == 0:
        return
    ends = np.cumsum(stops - starts)
    heads = ends - (stops - starts)
    values = np.zeros(ends[-1], dtype=np.float64)
    firings = _runs(firsts, lasts)
    rows, lengths = tokens[firings].astype(np.int64), lasts - firsts
    # Tokens that do not rise mislead the search for them.
    if (rows < np.repeat(starts, lengths)).any() or (rows >= np.repeat(stops, lengths)).any():
        raise _damaged(f"Firings of latent {latent} are out of order", stage="index")
    values[rows + np.repeat(heads - starts, lengths)] = activations[firings]
    if not np.isfinite(values).all():
        raise _damaged(f"Activations of latent {latent} are not finite", stage="index")
    places = np.flatnonzero(values > 0)
    cuts = np.searchsorted(places, np.append(heads, ends[-1]))
    places -= np.repeat(heads, np.diff(cuts))
    texts = _texts(source.vocabulary, source.tokens.token_id[_runs(starts, stops)])
    greatest = np.maximum.reduceat(values, heads).tolist()
    bounds = zip(heads.tolist(), ends.tolist(), pairwise(cuts.tolist()), greatest, strict=True)
    shown, firing = values.tolist(), places.tolist()
    for head, end, (first, last), most in bounds:
        words = texts[head:end]
        yield Example(
            most, "".join(words), words, shown[head:end], firing[first:last], last - first
        )


def _runs(starts: Int64Array, stops: Int64Array) -> Int64Array:
    """Return the numbers from each start to its stop, one run after the other."""
    lengths = stops - starts
    heads = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(lengths.sum()) + np.repeat(starts - heads, lengths))


def _texts(vocabulary: Sequence[str], token_id: Array) -> list[str]:
    """Return the text of each token id, checked as ``token_text`` does."""
    ids = token_id.tolist()
    if min(ids) < 0 or max(ids) >= len(vocabulary):
        return [token_text(vocabulary, found) for found in ids]
    return list(map(vocabulary.__getitem__, ids))


def _damaged(what: str, *, stage: str) -> CorruptArtifactError:
    return CorruptArtifactError(
        f"{what}: damaged, or of another run. Make them again with: "
        f"fmi run CONFIG.yaml --only {stage} --force"
    )


def token_text(vocabulary: Sequence[str], token_id: int) -> str:
    """Return the text of a token id.

    Parameters
    ----------
    vocabulary
        Text of every token id.
    token_id
        -1 for unknown, which reads as UNKNOWN_TOKEN.

    Raises
    ------
    CorruptArtifactError
        If the vocabulary is too short.
    """
    if token_id < 0:
        return UNKNOWN_TOKEN
    if token_id >= len(vocabulary):
        raise CorruptArtifactError(
            f"Token id {token_id:,} is not in the vocabulary of {len(vocabulary):,} entries: "
            "vocabulary.json is of another tokenizer. Make the corpus again."
        )
    return vocabulary[token_id]
