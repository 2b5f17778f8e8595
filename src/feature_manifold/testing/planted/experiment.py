"""A planted experiment: the plan that everything is drawn from, and a small one in memory."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from feature_manifold.core.arrays import Float32Array
from feature_manifold.store.shards import Shard
from feature_manifold.store.token_table import TokenTable
from feature_manifold.testing.planted.decoder import DecoderSource
from feature_manifold.testing.planted.firings import FiringSource
from feature_manifold.testing.planted.population import Population, plan_population
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.text import Corpus, plan_corpus
from feature_manifold.testing.planted.things import Thing, plan_things


@dataclass(frozen=True)
class PlantedPlan:
    """All that is decided before a firing is drawn; a few hundred bytes a latent and document.

    Attributes
    ----------
    spec, things, corpus, population
        What is planted.
    """

    spec: PlantedSpec
    things: tuple[Thing, ...]
    corpus: Corpus
    population: Population

    @cached_property
    def firings(self) -> FiringSource:
        """Draws shards."""
        return FiringSource(self.spec, self.things, self.corpus, self.population)

    @cached_property
    def decoder(self) -> DecoderSource:
        """Makes decoder rows."""
        return DecoderSource(self.spec, self.things, self.corpus, self.population)

    @cached_property
    def shards(self) -> list[tuple[int, int]]:
        """Windows of each shard."""
        return self.corpus.ranges(self.spec.shard_tokens)

    @property
    def n_firings(self) -> int:
        """Firings that are expected."""
        return round(self.spec.n_tokens * self.spec.l0)

    @property
    def shard_firings(self) -> int:
        """Firings that are expected in a shard."""
        return round(min(self.spec.shard_tokens, self.spec.n_tokens) * self.spec.l0)


def make_plan(spec: PlantedSpec) -> PlantedPlan:
    """Decide all of an experiment.

    Raises
    ------
    ConfigError
        If the sizes do not go together.
    """
    things = plan_things(spec)
    corpus = plan_corpus(spec, things)
    return PlantedPlan(spec, things, corpus, plan_population(spec, things, corpus))


@dataclass(frozen=True)
class PlantedExperiment:
    """A whole small experiment in memory.

    Attributes
    ----------
    plan
        With the ground truth.
    table
        All tokens.
    firings
        All firings, by latent, then token.
    decoder
        float32 (n_latents, d_model).
    """

    plan: PlantedPlan
    table: TokenTable
    firings: Shard
    decoder: Float32Array


def plant(spec: PlantedSpec) -> PlantedExperiment:
    """Make a small experiment of one shard in memory, whatever ``shard_tokens`` is.

    It takes some 24 bytes a token and 14 a firing, and the decoder twice.
    """
    plan = make_plan(spec)
    n_windows = plan.corpus.n_windows
    return PlantedExperiment(
        plan=plan,
        table=plan.corpus.table(0, n_windows),
        firings=plan.firings.shard(0, n_windows),
        decoder=np.concatenate(list(plan.decoder.blocks())),
    )
