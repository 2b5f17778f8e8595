"""Who the latents are (planted, always on, silent, of a topic or none), and how often they fire."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Float32Array, Int64Array
from feature_manifold.core.errors import ConfigError
from feature_manifold.core.rng import generator
from feature_manifold.testing.planted.shapes import Float64Array
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.text import Corpus
from feature_manifold.testing.planted.things import Thing

GENERAL_SHARE = 0.2
"""Of the latents that are in no thing, those that fire in all documents alike."""

LEAKAGE = 0.02
"""How often a topic's latent fires in other documents, relative to its own."""

MOST_GENERAL = 0.45
MOST_IN_TOPIC = 0.9
"""No latent but the one that is always on fires more often."""

FREQUENCY_SPREAD = {"general": 1.5, "topic": 1.1}
"""Standard deviation of the logarithm of firing rates."""


@dataclass(frozen=True)
class Population:
    """Every latent's part.

    Attributes
    ----------
    thing, place
        int32 (n_latents,): the planted thing and the place among its latents; -1 if in none.
    topic
        int32 (n_latents,): topic, or ``n_topics`` for a latent that fires in all documents alike.
    inside, outside
        float64 (n_latents,): chance of firing on a token in documents of the topic, and in others.
        Of a latent in a thing: on other tokens than the thing's words.
    scale
        float32 (n_latents,), median activation of those firings.
    always
        The latent that fires on every token.
    rate
        float64 (n_latents,), expected firings per corpus token.
    """

    thing: npt.NDArray[np.int32]
    place: npt.NDArray[np.int32]
    topic: npt.NDArray[np.int32]
    inside: Float64Array
    outside: Float64Array
    scale: Float32Array
    always: int
    rate: Float64Array

    @property
    def silent(self) -> Int64Array:
        """Latents that never fire."""
        return np.flatnonzero(self.rate == 0)

    def latents_of(self, thing: int) -> Int64Array:
        """Return the latents of a thing in the order of their places."""
        latents = np.flatnonzero(self.thing == thing)
        return latents[np.argsort(self.place[latents])]


def plan_population(spec: PlantedSpec, things: tuple[Thing, ...], corpus: Corpus) -> Population:
    """Deal out the latents at random and set rates that sum to ``l0``.

    Raises
    ------
    ConfigError
        If so few latents cannot fire so often, or the planted ones alone fire more.
    """
    rng = generator(spec.seed, "planted", "latents")
    parts = _deal(spec, things, corpus, rng)
    thing, topic, free, n_general = parts.thing, parts.topic, parts.free, parts.n_general
    rate = _planted_rates(spec, things, corpus, thing, parts.place)
    wanted = spec.l0 - 1 - float(rate.sum())
    inside, outside = (np.zeros(spec.n_latents) for _ in range(2))
    inside[thing >= 0] = spec.stray
    inside[parts.always] = rate[parts.always] = 1

    is_general = np.arange(len(free)) < n_general
    most = np.where(is_general, MOST_GENERAL, MOST_IN_TOPIC)
    leak = np.where(is_general, 1.0, LEAKAGE)
    # What one firing per token in the topic's documents makes over the whole corpus.
    mass = np.append(corpus.topic_share, 1.0)[topic[free]]
    worth = mass + (1 - mass) * leak
    spread = np.where(is_general, *FREQUENCY_SPREAD.values())
    weight = np.exp(spread * rng.standard_normal(len(free)))
    inside[free] = _chances(weight / np.mean(weight), most, worth, wanted, spec)
    outside[free] = inside[free] * leak
    rate[free] = inside[free] * worth
    scale = np.exp(0.5 * rng.standard_normal(spec.n_latents)).astype(np.float32) * 2
    return Population(
        thing, parts.place, topic, inside, outside, scale=scale, always=parts.always, rate=rate
    )


@dataclass(frozen=True)
class _Parts:
    """Who is what: as in ``Population``, and ``free``, the latents whose rates are to be set, the
    first ``n_general`` of them of no topic."""

    thing: npt.NDArray[np.int32]
    place: npt.NDArray[np.int32]
    topic: npt.NDArray[np.int32]
    always: int
    free: Int64Array
    n_general: int


def _deal(
    spec: PlantedSpec, things: tuple[Thing, ...], corpus: Corpus, rng: np.random.Generator
) -> _Parts:
    """Deal out the latents at random: to things, always on, silent, general, to topics."""
    order = rng.permutation(spec.n_latents)
    thing, place = (np.full(spec.n_latents, -1, dtype=np.int32) for _ in range(2))
    sizes = [one.n_latents for one in things]
    n_planted = sum(sizes)
    thing[order[:n_planted]] = np.repeat(np.arange(len(things)), sizes)
    place[order[:n_planted]] = np.concatenate([np.arange(size) for size in sizes])
    n_silent = max(round(spec.silent_share * spec.n_latents), 1)
    free = order[n_planted + 1 + n_silent :]
    n_general = max(round(GENERAL_SHARE * len(free)), 1)
    topic = np.full(spec.n_latents, corpus.n_topics, dtype=np.int32)
    topic[free[n_general:]] = np.arange(len(free) - n_general) % corpus.n_topics
    return _Parts(thing, place, topic, int(order[n_planted]), free, n_general)


def _planted_rates(
    spec: PlantedSpec,
    things: tuple[Thing, ...],
    corpus: Corpus,
    thing: npt.NDArray[np.int32],
    place: npt.NDArray[np.int32],
) -> Float64Array:
    """Return how often planted latents fire, 0 for the others."""
    rate = np.zeros(len(thing))
    for number, one in enumerate(things):
        words = corpus.vocabulary.chance[corpus.vocabulary.words_of(number)]
        fires = (one.responses > 0).mean(axis=2) @ words * (1 - spec.miss)
        latents = np.flatnonzero(thing == number)
        rate[latents] = fires[place[latents]] + spec.stray * (1 - words.sum())
    return rate


def _chances(
    weight: Float64Array,
    most: Float64Array,
    worth: Float64Array,
    wanted: float,
    spec: PlantedSpec,
) -> Float64Array:
    """Scale weights to chances that bend off below ``most`` and make ``wanted`` firings a token."""
    reachable = float((most * worth).sum())
    if not 0 < wanted < 0.95 * reachable:
        raise ConfigError(
            f"An l0 of {spec.l0:g} is out of reach of {spec.n_latents:,} latents: the planted ones "
            f"and the one that is always on take {spec.l0 - wanted:.2f}, and the others can fire "
            f"{0.95 * reachable:.1f} times a token at most."
        )
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        chance = -most * np.expm1(-middle * weight / most)
        if float((chance * worth).sum()) < wanted:
            low = middle
        else:
            high = middle
    return -most * np.expm1(-high * weight / most)
