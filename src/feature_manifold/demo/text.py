"""Write documents in the demo language, by chance but from a seed.

A document picks two topics and a *centre* in each; fuzzy sentences mention words near the centre,
facts ask about any word. One document in three is broken into lines of at most 40 characters, so
that position in a line is something worth knowing.
"""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from feature_manifold.demo import groups, topics
from feature_manifold.demo.groups import Kind
from feature_manifold.demo.topics import TOPICS, Topic

LINE_WIDTH = 40
WRAPPED_SHARE = 1 / 3
#: With the beginning-of-text token a document stays within one context of 128 tokens.
MAX_DOCUMENT_TOKENS = 120
PUNCTUATION = frozenset(".,?")
ANSWER_MARK = "*"


class Dice:
    """Uniform draws from a seeded generator, taken in blocks (a single numpy draw costs 1 us)."""

    def __init__(self, rng: Generator) -> None:
        self._rng = rng
        self._block: list[float] = []

    def roll(self) -> float:
        """Return the next uniform number in [0, 1)."""
        if not self._block:
            self._block = self._rng.random(4096).tolist()
        return self._block.pop()

    def below(self, n: int) -> int:
        """Return an integer in [0, n)."""
        return int(self.roll() * n)

    def pick(self, items: tuple[str, ...] | list[str]) -> str:
        """Return one of ``items``, all equally likely."""
        return items[self.below(len(items))]


@dataclass(frozen=True)
class _Laws:
    """A group's cumulative laws as lists, which bisect searches fastest."""

    neighbours: list[list[float]]
    tuned: list[list[float]]


class Writer:
    """Writes sentences and documents as lists of words.

    Parameters
    ----------
    rng
        Seeded generator; equal seeds write equal text.
    fact_share
        Share of sentences that state a fact, in [0, 1]; the rest are fuzzy.
    """

    def __init__(self, rng: Generator, *, fact_share: float) -> None:
        self._dice = Dice(rng)
        self._fact_share = fact_share
        self._laws = {
            topic.group.name: _Laws(
                topic.group.neighbours.tolist(),
                topic.group.tuned_laws.tolist() if topic.group.tuned else [],
            )
            for topic in TOPICS
        }
        shares = np.cumsum([topic.share for topic in TOPICS])
        self._topic_law: list[float] = (shares / shares[-1]).tolist()

    def document(self) -> list[str]:
        """Write one document of at most ``MAX_DOCUMENT_TOKENS`` words, answers marked."""
        words: list[str] = []
        for _ in range(2):
            topic = TOPICS[bisect(self._topic_law, self._dice.roll())]
            centre = self._dice.below(len(topic.group.words))
            for _ in range(3 + self._dice.below(3)):
                words += self._sentence(topic, centre)
        if self._dice.roll() < 0.5:
            words += self._fill(self._dice.pick(topics.FILLER), {})
        if self._dice.roll() < WRAPPED_SHARE:
            words = wrap(words)
        return words[:MAX_DOCUMENT_TOKENS]

    def fuzzy(self, topic: Topic, centre: int) -> list[str]:
        """Write a sentence that mentions words near ``centre`` (an index into the group)."""
        words, laws = topic.group.words, self._laws[topic.group.name]
        a = bisect(laws.neighbours[centre], self._dice.roll())
        frame = self._dice.pick(topic.pairs + topic.tuned)
        slots = {"{a}": words[a]}
        if "{t}" in frame:
            slots["{t}"] = topic.group.tuned[bisect(laws.tuned[a], self._dice.roll())][0]
        else:
            b = bisect(laws.neighbours[a], self._dice.roll())
            c = bisect(laws.neighbours[b], self._dice.roll())
            slots |= {"{b}": words[b], "{c}": words[c]}
        return self._fill(frame, slots)

    def fact(self, topic: Topic) -> list[str]:
        """Write a sentence whose last word but the full stop is determined."""
        if topic.group.kind is Kind.PLANE:
            return self._bearing()
        words = topic.group.words
        frame, step = topic.facts[self._dice.below(len(topic.facts))]
        if topic.group.kind is Kind.CIRCLE:
            a = self._dice.below(len(words))
        else:
            a = max(0, -step) + self._dice.below(len(words) - abs(step))
        return self._fill(frame, {"{a}": words[a], "{b}": words[(a + step) % len(words)]})

    def _sentence(self, topic: Topic, centre: int) -> list[str]:
        if self._dice.roll() < self._fact_share * topic.fact_rate:
            return self.fact(topic)
        return self.fuzzy(topic, centre)

    def _bearing(self) -> list[str]:
        """Write where one town lies from another; all sixteen winds are equally common."""
        wind = self._dice.below(len(_PAIRS_BY_WIND))
        pairs = _PAIRS_BY_WIND[wind]
        a, b = pairs[self._dice.below(len(pairs))]
        names, winds = groups.TOWNS.words, groups.COMPASS.words
        frame = self._dice.pick(topics.BEARINGS)
        return self._fill(frame, {"{a}": names[a], "{b}": names[b], "{t}": winds[wind]})

    def _fill(self, frame: str, slots: dict[str, str]) -> list[str]:
        return [self._word(part, slots) for part in frame.split()]

    def _word(self, part: str, slots: dict[str, str]) -> str:
        if "{" not in part:
            return part
        mark, _, name = part.rpartition("{")
        slot = "{" + name
        if slot in slots:
            return mark + slots[slot]
        return self._dice.pick(topics.FILLER_WORDS[slot])


def _pairs_by_wind() -> list[list[tuple[int, int]]]:
    """Ordered pairs of towns, grouped by the wind that points from the first to the second."""
    place = groups.TOWNS.coordinates
    east, north = np.moveaxis(place[None, :, :] - place[:, None, :], 2, 0)
    n_winds = len(groups.COMPASS.words)
    # Bearings run clockwise from north.
    wind = np.round(np.arctan2(east, north) / (2 * np.pi) * n_winds).astype(int) % n_winds
    np.fill_diagonal(wind, -1)
    return [[(int(a), int(b)) for a, b in np.argwhere(wind == w)] for w in range(n_winds)]


_PAIRS_BY_WIND = _pairs_by_wind()


def wrap(words: list[str], *, width: int = LINE_WIDTH) -> list[str]:
    """Insert newline tokens so that no line is longer than ``width`` characters."""
    lines: list[str] = []
    used = 0
    for word in words:
        length = len(word.lstrip(ANSWER_MARK))
        if word in PUNCTUATION:
            used += 1
        elif used and used + 1 + length > width - 1:
            lines.append("\n")  # one column is kept for the punctuation that may follow
            used = length
        else:
            used += length + (1 if used else 0)
        lines.append(word)
    return lines


def render(words: list[str]) -> str:
    """Join words into the text that a reader sees: no marks, punctuation closed up."""
    parts: list[str] = []
    for word in words:
        if parts and parts[-1] != "\n" and word != "\n" and word not in PUNCTUATION:
            parts.append(" ")
        parts.append(word.lstrip(ANSWER_MARK))
    return "".join(parts)


def vocabulary() -> list[str]:
    """Every word and mark that the language can contain, sorted, without special tokens."""
    frames = [frame for topic in TOPICS for frame in (*topic.pairs, *topic.tuned)]
    frames += [frame for topic in TOPICS for frame, _ in topic.facts]
    frames += [*topics.BEARINGS, *topics.FILLER]
    words = {part for frame in frames for part in frame.split() if "{" not in part}
    words.update(*(group.words for group in groups.GROUPS))
    words.update(*([word for word, _ in group.tuned] for group in groups.GROUPS))
    words.update(*topics.FILLER_WORDS.values(), PUNCTUATION, {"\n"})
    return sorted(words)


def token_stream(
    rng: Generator, index: dict[str, int], *, bos: int, n_tokens: int, fact_share: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Write documents, each after one ``bos``, until there are ``n_tokens`` tokens.

    Returns
    -------
    token_ids, is_answer
        Both (n_tokens,); the last document may be cut.
    """
    marked = {ANSWER_MARK + word: ~token for word, token in index.items()}
    lookup = index | marked  # an answer is stored as the complement of its token
    pieces: list[int] = []
    for document in documents(rng, fact_share=fact_share):
        pieces.append(bos)
        pieces.extend([lookup[word] for word in document])
        if len(pieces) >= n_tokens:
            break
    coded = np.array(pieces[:n_tokens], dtype=np.int64)
    return np.where(coded < 0, ~coded, coded), coded < 0


def documents(rng: Generator, *, fact_share: float) -> Iterator[list[str]]:
    """Yield documents for ever."""
    writer = Writer(rng, fact_share=fact_share)
    while True:
        yield writer.document()
