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
    n_latents, n_topics = spec.n_latents, corpus.n_topics
    order = rng.permutation(n_latents)
    thing, place = (np.full(n_latents, -1, dtype=np.int32) for _ in range(2))
    n_planted = sum(one.n_latents for one in things)
    thing[order[:n_planted]] = np.repeat(np.arange(len(things)), [t.n_latents for t in things])
    place[order[:n_planted]] = np.concatenate([np.arange(t.n_latents) for t in things])
    n_silent = max(round(spec.silent_share * n_latents), 1)
    always, rest = int(order[n_planted]), order[n_planted + 1 + n_silent :]
    n_general = max(round(GENERAL_SHARE * len(rest)), 1)
    general, topical = rest[:n_general], rest[n_general:]
    topic = np.full(n_latents, n_topics, dtype=np.int32)
    topic[topical] = np.arange(len(topical)) % n_topics

    planted_rate = _planted_rates(spec, things, corpus, thing, place)
    wanted = spec.l0 - 1 - float(planted_rate.sum())
    inside, outside = (np.zeros(n_latents) for _ in range(2))
    inside[always] = 1
    inside[thing >= 0] = spec.stray
    free = np.concatenate([general, topical])
    spread = np.repeat(list(FREQUENCY_SPREAD.values()), [len(general), len(topical)])
    most = np.repeat([MOST_GENERAL, MOST_IN_TOPIC], [len(general), len(topical)])
    leak = np.repeat([1.0, LEAKAGE], [len(general), len(topical)])
    # What one firing per token in the topic's documents makes over the whole corpus.
    mass = np.append(corpus.topic_share, 1.0)[topic[free]]
    worth = mass + (1 - mass) * leak
    weight = np.exp(spread * rng.standard_normal(len(free)))
    inside[free] = _chances(weight / np.mean(weight), most, worth, wanted, spec)
    outside[free] = inside[free] * leak
    rate = planted_rate.copy()
    rate[always] = 1
    rate[free] = inside[free] * worth
    return Population(
        thing=thing,
        place=place,
        topic=topic,
        inside=inside,
        outside=outside,
        scale=np.exp(0.5 * rng.standard_normal(n_latents)).astype(np.float32) * 2,
        always=always,
        rate=rate,
    )


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
