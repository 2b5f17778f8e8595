"""Everything about one latent, as its page shows it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from feature_manifold.core.arrays import Array
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


@dataclass(frozen=True)
class Example:
    """One context: the texts of its tokens and the latent's activation on each, 0 where silent."""

    tokens: tuple[str, ...]
    token_activations: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the specification's keys."""
        firing = [place for place, value in enumerate(self.token_activations) if value > 0]
        return {
            "max_activation": max(self.token_activations),
            "context": "".join(self.tokens),
            "tokens": list(self.tokens),
            "token_activations": list(self.token_activations),
            "firing_positions": firing,
            "n_firings": len(firing),
        }


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
    bins: tuple[float, ...]
    counts: tuple[int, ...]
    examples: dict[str, tuple[Example, ...]]

    def to_json(self) -> dict[str, Any]:
        """Return the specification's keys, as values that strict JSON can say."""
        return {
            "latent_id": self.latent_id,
            "label": self.label,
            "total_firings": self.total_firings,
            "activation_stats": asdict(self.activation_stats),
            "histogram": {"bins": list(self.bins), "counts": list(self.counts)},
            "examples": {
                group: [example.to_json() for example in found]
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
    if not np.isfinite(list(asdict(stats).values())).all():
        raise _damaged(f"Statistics of latent {latent} are not finite", stage="index")
    if not np.isfinite(shown.histogram_bins[latent]).all():
        raise _damaged(f"Histogram edges of latent {latent} are not finite", stage="examples")
    return LatentPage(
        latent_id=latent,
        label=token_text(source.vocabulary, int(record["label_token_id"])) if count else None,
        total_firings=count,
        activation_stats=stats,
        bins=tuple(shown.histogram_bins[latent].tolist()) if count else (),
        counts=tuple(shown.histogram_counts[latent].tolist()) if count else (),
        examples=_examples(source, latent),
    )


def _examples(source: PageSource, latent: int) -> dict[str, tuple[Example, ...]]:
    tokens, activations = source.by_latent.latent(latent)
    shown = source.examples
    groups: dict[str, list[Example]] = {group: [] for group in GROUPS}
    span = slice(int(shown.indptr[latent]), int(shown.indptr[latent + 1]))
    starts, stops = shown.start[span], shown.stop[span]
    firsts, lasts = firings_before(tokens, starts), firings_before(tokens, stops)
    if (stops > source.tokens.n_tokens).any() or (firsts >= lasts).any():
        raise _damaged(f"Examples of latent {latent} hold no firing", stage="examples")
    if (shown.group[span] >= len(GROUPS)).any():
        raise _damaged(f"Examples of latent {latent} are of no group", stage="examples")
    rows = zip(starts, stops, firsts, lasts, shown.group[span], strict=True)
    for start, stop, first, last, group in (map(int, row) for row in rows):
        row = np.zeros(stop - start, dtype=np.float64)
        row[tokens[first:last].astype(np.int64) - start] = activations[first:last]
        if not np.isfinite(row).all():
            raise _damaged(f"Activations of latent {latent} are not finite", stage="index")
        ids = source.tokens.token_id[start:stop].tolist()
        texts = tuple(token_text(source.vocabulary, token_id) for token_id in ids)
        groups[GROUPS[group]].append(Example(texts, tuple(row.tolist())))
    return {group: tuple(found) for group, found in groups.items()}


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
