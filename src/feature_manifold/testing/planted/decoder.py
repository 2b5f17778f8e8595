"""Decoder rows of length 1: planted ones in their thing's basis, a topic's near each other."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from feature_manifold.core.arrays import Float32Array
from feature_manifold.core.jobs import in_order
from feature_manifold.core.rng import generator
from feature_manifold.testing.planted.population import Population
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.text import Corpus
from feature_manifold.testing.planted.things import Thing

TOPIC_COSINE = 0.36
"""Expected cosine of two latents of one topic."""

BLOCK_ROWS = 1024
"""Rows drawn at a time: 1,024 x 5,376 float32 = 22 MB. Each block has its own generator."""


@dataclass(frozen=True)
class DecoderSource:
    """Makes the decoder block by block.

    Attributes
    ----------
    spec, things, corpus, population
        What is planted.
    """

    spec: PlantedSpec
    things: tuple[Thing, ...]
    corpus: Corpus
    population: Population

    def blocks(self) -> Generator[Float32Array]:
        """Yield float32 (at most BLOCK_ROWS, d_model), the rows in order.

        The next ones are drawn while the caller writes. More threads would not help: numpy draws
        normals under the interpreter's lock.
        """
        return in_order(self._block, range(0, self.spec.n_latents, BLOCK_ROWS), n_workers=1)

    def _block(self, first: int) -> Float32Array:
        spec, population = self.spec, self.population
        last = min(first + BLOCK_ROWS, spec.n_latents)
        rng = generator(spec.seed, "planted", "decoder", str(first))
        rows = rng.standard_normal((last - first, spec.d_model), dtype=np.float32)
        rows /= np.float32(np.sqrt(spec.d_model))
        topic, thing = population.topic[first:last], population.thing[first:last]
        topical = np.flatnonzero(topic < self.corpus.n_topics)
        rows[topical] *= np.float32(np.sqrt(1 - TOPIC_COSINE))
        rows[topical] += np.float32(np.sqrt(TOPIC_COSINE)) * self._topics[topic[topical]]
        for row in np.flatnonzero(thing >= 0):
            number, place = int(thing[row]), int(population.place[first + row])
            own = self.things[number].directions[place].astype(np.float32) @ self._bases[number]
            rows[row] = own + np.float32(spec.decoder_noise) * rows[row]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    @cached_property
    def _topics(self) -> Float32Array:
        shape = (self.corpus.n_topics, self.spec.d_model)
        rng = generator(self.spec.seed, "planted", "topic-directions")
        directions = rng.standard_normal(shape, dtype=np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return directions

    @cached_property
    def _bases(self) -> list[Float32Array]:
        spec = self.spec
        return [thing.basis(spec.seed, spec.d_model).astype(np.float32) for thing in self.things]
