"""The firings of a range of windows, drawn straight in the order of a shard: latent, then token.

A latent's firings are a Bernoulli process whose chance depends on the document. Instead of a draw
per token, the wait for the next firing is an exponential one, used up at the rate of each stretch
of text: the number of failures before a success of chance p is floor(E / -log(1 - p)), and what is
left of E at the end of a stretch is exponential again.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from feature_manifold.core.arrays import Array, Float32Array, Int64Array
from feature_manifold.store.shards import Shard
from feature_manifold.testing.planted.firing_kernels import QUANTILE_BITS, fire_latents
from feature_manifold.testing.planted.population import Population
from feature_manifold.testing.planted.shapes import Float64Array
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.streams import stream_key
from feature_manifold.testing.planted.text import Corpus
from feature_manifold.testing.planted.things import N_VARIANTS, Thing

ACTIVATION_SPREAD = 0.6
"""Standard deviation of the logarithm of activations outside planted things."""


@dataclass(frozen=True)
class _Stretches:
    """For each topic, the text of a range cut into runs of documents of it and of others.

    ``indptr`` int64 (n_topics + 2,), ``stop`` int64 (n,): where each run ends, counted in corpus
    tokens of the range; ``inside`` bool (n,). The last topic stands for all: one run, inside.
    """

    indptr: Int64Array
    stop: Int64Array
    inside: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Occurrences:
    """Words of things in a range, by thing: ``indptr`` int64 (n_things + 1,); ``text`` int64 (n,),
    counted in corpus tokens of the range; ``cell`` int64 (n,), word and variant."""

    indptr: Int64Array
    text: Int64Array
    cell: Int64Array


@dataclass(frozen=True)
class FiringSource:
    """Draws shards.

    Attributes
    ----------
    spec, things, corpus, population
        What is planted.
    """

    spec: PlantedSpec
    things: tuple[Thing, ...]
    corpus: Corpus
    population: Population

    def shard(self, first: int, last: int) -> Shard:
        """Return the firings of the windows ``[first, last)``.

        They depend on the seed and the range, not on what was drawn before.
        """
        corpus, population = self.corpus, self.population
        table = corpus.table(first, last)
        start = int(corpus.windows[first])
        row_of = np.flatnonzero(table.position >= 0)
        stretches = self._stretches(first, last)
        found = self._occurrences(
            table.token_id[row_of], corpus.variants(start, start + len(table.token_id))[row_of]
        )
        capacity = self._capacity(stretches, found, len(row_of))
        indptr = np.zeros(population.thing.size + 1, dtype=np.int64)
        while True:
            tokens = np.empty(capacity, dtype=np.uint32)
            values = np.empty(capacity, dtype=np.float32)
            n_firings = fire_latents(
                self._key,
                start,
                (population.topic, *self._waits, population.scale),
                (population.thing, self._cells, self._noise, self.spec.miss),
                self._responses,
                (stretches.indptr, stretches.stop, stretches.inside),
                (found.indptr, found.text, found.cell),
                (row_of + start).astype(np.uint32),
                (self._spread, self._normal),
                (indptr, tokens, values),
            )
            if n_firings >= 0:
                break
            capacity *= 2
        return Shard(
            indptr=indptr,
            tokens=tokens[:n_firings].copy(),
            activations=values[:n_firings].astype(np.float16),
            start=start,
            stop=int(corpus.windows[last]),
        )

    @cached_property
    def _key(self) -> np.uint64:
        return stream_key(self.spec.seed, "firings")

    @cached_property
    def _waits(self) -> tuple[Float64Array, Float64Array]:
        """Tokens per unit of the exponential wait: 0 where a latent always fires, inf if never."""
        with np.errstate(divide="ignore"):
            inside, outside = (
                -1 / np.log1p(-chance)
                for chance in (self.population.inside, self.population.outside)
            )
        return np.abs(inside), np.abs(outside)

    @cached_property
    def _responses(self) -> Float32Array:
        return np.concatenate(
            [thing.responses.ravel() for thing in self.things] or [np.zeros(0, np.float32)]
        )

    @cached_property
    def _cells(self) -> Int64Array:
        """Where each latent's responses start."""
        population = self.population
        sizes = np.array([thing.responses.size for thing in self.things], dtype=np.int64)
        first = np.cumsum(sizes) - sizes
        cells = np.array([thing.n_words * N_VARIANTS for thing in self.things], dtype=np.int64)
        planted = population.thing >= 0
        at = np.zeros(len(planted), dtype=np.int64)
        thing = population.thing[planted]
        at[planted] = first[thing] + population.place[planted] * cells[thing]
        return at

    @cached_property
    def _noise(self) -> Float64Array:
        return np.array([thing.noise for thing in self.things])

    @cached_property
    def _normal(self) -> Float32Array:
        n = 1 << QUANTILE_BITS
        quantiles: Float32Array = ndtri((np.arange(n) + 0.5) / n).astype(np.float32)
        return quantiles

    @cached_property
    def _spread(self) -> Float32Array:
        spread: Float32Array = np.exp(ACTIVATION_SPREAD * self._normal)
        return spread

    def _stretches(self, first: int, last: int) -> _Stretches:
        corpus = self.corpus
        document = corpus.window_document[first:last]
        lengths = np.diff(corpus.windows[first : last + 1]) - 1
        stop = np.cumsum(lengths)
        n_text = int(stop[-1])
        topic = corpus.topics[document]
        two = topic[:, 0] != topic[:, 1]
        of = np.concatenate([topic[:, 0], topic[two, 1], [corpus.n_topics]])
        begin = np.concatenate([stop - lengths, (stop - lengths)[two], [0]])
        end = np.concatenate([stop, stop[two], [n_text]])
        order = np.lexsort((begin, of))
        of, begin, end = of[order], begin[order], end[order]
        # Each run inside is preceded by one outside, which may be empty; one more ends the topic.
        stops = np.column_stack([begin, end]).ravel()
        inside = np.tile([False, True], len(of))
        after = np.cumsum(np.bincount(of, minlength=corpus.n_topics + 1)) * 2
        stops = np.insert(stops, after, n_text)
        inside = np.insert(inside, after, False)
        indptr = np.concatenate([[0], after + np.arange(1, len(after) + 1)])
        return _Stretches(indptr.astype(np.int64), stops.astype(np.int64), inside)

    def _occurrences(self, token_id: Array, variant: Int64Array) -> _Occurrences:
        first_word = self.corpus.vocabulary.first_word
        text = np.flatnonzero(token_id >= first_word[0])
        ids = token_id[text].astype(np.int64)
        thing = np.searchsorted(first_word, ids, side="right") - 1
        order = np.argsort(thing, kind="stable")
        text, ids, thing = text[order], ids[order], thing[order]
        indptr = np.concatenate([[0], np.cumsum(np.bincount(thing, minlength=len(self.things)))])
        cell = (ids - first_word[thing]) * N_VARIANTS + variant[text]
        return _Occurrences(indptr.astype(np.int64), text, cell)

    def _capacity(self, stretches: _Stretches, found: _Occurrences, n_text: int) -> int:
        """Return room for the firings that are expected, and some more."""
        population, n_topics = self.population, self.corpus.n_topics
        topic = np.repeat(np.arange(n_topics + 1), np.diff(stretches.indptr))
        before = np.concatenate([[0], stretches.stop[:-1]])
        before[stretches.indptr[:-1]] = 0
        size = np.where(stretches.inside, stretches.stop - before, 0)
        inside = np.bincount(topic, weights=size, minlength=n_topics + 1)[population.topic]
        expected = population.inside @ inside + population.outside @ (n_text - inside)
        active = [float((one.responses > 0).sum(axis=0).max()) for one in self.things]
        expected += float(np.diff(found.indptr) @ np.array(active))
        return int(1.01 * expected + 8 * np.sqrt(expected) + 1024)
