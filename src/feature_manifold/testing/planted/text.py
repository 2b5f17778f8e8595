"""The corpus: documents with topics, words by Zipf's law, and words that planted things own."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.rng import generator
from feature_manifold.store.token_table import INSERTED, TokenTable
from feature_manifold.testing.planted.shapes import Float64Array
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.streams import bits_of_rows, stream_key, uniforms
from feature_manifold.testing.planted.things import N_VARIANTS, Thing

BOS_ID = 0
COMMON = (
    " the",
    ",",
    ".",
    " of",
    " and",
    " to",
    "\n",
    " a",
    " in",
    "s",
    " café",
    " 東京",
    "🙂",
    " ",
)
"""The most frequent words; they have the oddities of real vocabularies."""

ZIPF = 1.05
FEWEST_FILLERS, MOST_FILLERS = 64, 30_000
SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
LATENTS_PER_TOPIC = 256
FEWEST_TOPICS, MOST_TOPICS = 4, 4096
MEDIAN_DOCUMENT, LONGEST_DOCUMENT = 250, 20_000
LENGTH_SPREAD = 1.1
ONE_TOKEN_DOCUMENTS = 0.01
TWO_TOPICS = 0.5
"""Share of the documents that are of two topics."""


@dataclass(frozen=True)
class Vocabulary:
    """Every token id: BOS, fillers, then the words of each thing.

    Attributes
    ----------
    texts
        One per id.
    chance
        float64 (n_ids,), share of the corpus; sums to 1, BOS has none.
    first_word
        int64 (n_things + 1,), first id of each thing.
    """

    texts: list[str]
    chance: Float64Array
    first_word: Int64Array

    def words_of(self, thing: int) -> Int64Array:
        """Return the token ids of a thing, in the order of its words."""
        return np.arange(self.first_word[thing], self.first_word[thing + 1])

    @cached_property
    def cumulative(self) -> Float64Array:
        """Share of the corpus up to and with each id, float64 (n_ids,)."""
        total = np.cumsum(self.chance)
        total[-1] = 1.0
        return total


@dataclass(frozen=True)
class Corpus:
    """Documents and windows of the whole corpus, some 50 bytes each; tokens are drawn when asked.

    Attributes
    ----------
    seed
        Of the tokens.
    vocabulary
        Words and their chances.
    topics
        int32 (n_documents, 2); both the same for a document of one topic.
    windows
        int64 (n_windows + 1,), token rows.
    window_document
        int64 (n_windows,).
    window_offset
        int64 (n_windows,), position of its first token in its document.
    topic_share
        float64 (n_topics,), share of the corpus tokens that are in a topic's documents.
    """

    seed: int
    vocabulary: Vocabulary
    topics: npt.NDArray[np.int32]
    windows: Int64Array
    window_document: Int64Array
    window_offset: Int64Array
    topic_share: Float64Array

    @property
    def n_topics(self) -> int:
        """Number of topics."""
        return len(self.topic_share)

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return len(self.topics)

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return len(self.window_document)

    @property
    def n_tokens(self) -> int:
        """Rows of the token table."""
        return int(self.windows[-1])

    def ranges(self, n_rows: int) -> list[tuple[int, int]]:
        """Cut the windows into ranges of about ``n_rows`` token rows."""
        ranges, first = [], 0
        while first < self.n_windows:
            last = int(np.searchsorted(self.windows, self.windows[first] + n_rows))
            ranges.append((first, min(last, self.n_windows)))
            first = ranges[-1][1]
        return ranges

    def table(self, first: int, last: int) -> TokenTable:
        """Return the windows ``[first, last)`` as a token table whose row 0 is the first's.

        A token depends on the seed and its row alone, so any cut gives the same tokens.
        """
        starts = self.windows[first : last + 1]
        start, stop = int(starts[0]), int(starts[-1])
        drawn = uniforms(bits_of_rows(stream_key(self.seed, "words"), start, stop))
        token_id = np.searchsorted(self.vocabulary.cumulative, drawn, side="right")
        heads, lengths = starts[:-1] - start, np.diff(starts)
        token_id[heads] = BOS_ID
        position = np.arange(stop - start) - np.repeat(heads + 1, lengths)
        position += np.repeat(self.window_offset[first:last], lengths)
        position[heads] = INSERTED
        documents = np.column_stack([np.zeros(self.n_documents), np.arange(self.n_documents)])
        return TokenTable(
            token_id=token_id.astype(np.int32),
            doc_id=np.repeat(self.window_document[first:last], lengths).astype(np.int32),
            position=position.astype(np.int32),
            windows=starts - start,
            documents=documents.astype(np.int64),
        )

    def variants(self, start: int, stop: int) -> Int64Array:
        """Return what kind of occurrence each token row is, int64 (stop - start,)."""
        bits = bits_of_rows(stream_key(self.seed, "variants"), start, stop)
        return (bits >> np.uint64(32)).astype(np.int64) % N_VARIANTS


def plan_corpus(spec: PlantedSpec, things: tuple[Thing, ...]) -> Corpus:
    """Draw documents' lengths and topics and cut them into windows."""
    rng = generator(spec.seed, "planted", "documents")
    lengths = _document_lengths(spec, rng)
    n_topics = min(max(spec.n_latents // LATENTS_PER_TOPIC, FEWEST_TOPICS), MOST_TOPICS)
    popularity = np.exp(0.5 * rng.standard_normal(n_topics))
    topics = rng.choice(n_topics, size=(len(lengths), 2), p=popularity / popularity.sum())
    topics[:, 1] = np.where(rng.random(len(lengths)) < TWO_TOPICS, topics[:, 1], topics[:, 0])
    mass = np.bincount(topics[:, 0], weights=lengths, minlength=n_topics)
    second = topics[:, 0] != topics[:, 1]
    mass += np.bincount(topics[second, 1], weights=lengths[second], minlength=n_topics)
    step = spec.seq_len - 1
    n_windows = -(-lengths // step)
    document = np.repeat(np.arange(len(lengths)), n_windows)
    offset = (
        np.arange(len(document)) - np.repeat(np.cumsum(n_windows) - n_windows, n_windows)
    ) * step
    rows = np.minimum(lengths[document] - offset, step) + 1
    return Corpus(
        seed=spec.seed,
        vocabulary=plan_vocabulary(spec, things),
        topics=topics.astype(np.int32),
        windows=np.concatenate([[0], np.cumsum(rows)]).astype(np.int64),
        window_document=document,
        window_offset=offset,
        topic_share=mass / spec.n_tokens,
    )


def _document_lengths(spec: PlantedSpec, rng: np.random.Generator) -> Int64Array:
    """Return lengths that sum to ``n_tokens``, skewed towards short, some of them 1."""
    median = min(MEDIAN_DOCUMENT, max(spec.n_tokens // 40, 1))
    parts: list[Array] = [np.ones(1, dtype=np.int64)]
    total = 1
    while total < spec.n_tokens:
        drawn = median * np.exp(LENGTH_SPREAD * rng.standard_normal(1 + spec.n_tokens // median))
        drawn[rng.random(len(drawn)) < ONE_TOKEN_DOCUMENTS] = 1
        parts.append(np.clip(drawn, 1, LONGEST_DOCUMENT).astype(np.int64))
        total += int(parts[-1].sum())
    lengths = np.concatenate(parts)
    last = int(np.searchsorted(np.cumsum(lengths), spec.n_tokens))
    lengths = lengths[: last + 1]
    lengths[-1] -= int(lengths.sum()) - spec.n_tokens
    return lengths


def plan_vocabulary(spec: PlantedSpec, things: tuple[Thing, ...]) -> Vocabulary:
    """Return the fillers by Zipf's law, and the words of each thing, equally frequent in it."""
    n_fillers = min(max(spec.n_tokens // 100, FEWEST_FILLERS), MOST_FILLERS)
    filler = 1 / (np.arange(n_fillers) + 2.7) ** ZIPF
    sizes = np.array([thing.n_words for thing in things], dtype=np.int64)
    share = spec.concept_share if len(things) else 0.0
    # A thing of many words is more frequent than one of few, each of its words less so.
    owned = np.repeat(np.sqrt(sizes) / sizes, sizes)
    chance = np.concatenate(
        [[0.0], (1 - share) * filler / filler.sum(), share * owned / max(owned.sum(), 1e-9)]
    )
    texts = ["<bos>", *COMMON, *(f" {_name(rank)}" for rank in range(n_fillers - len(COMMON)))]
    for number, thing in enumerate(things):
        stem = _name(n_fillers + number)
        texts += [f" {stem}{word + 1}" for word in range(thing.n_words)]
    first = np.concatenate([[0], np.cumsum(sizes)]) + 1 + n_fillers
    return Vocabulary(texts, chance, first.astype(np.int64))


def _name(number: int) -> str:
    """Return a pronounceable word, different for every number."""
    name = ""
    number += len(SYLLABLES)
    while number:
        number, syllable = divmod(number, len(SYLLABLES))
        name += SYLLABLES[syllable]
    return name
