"""The word groups of the demo language and the true place of every word.

A group is a circle, a line or a map. Its words, coordinates and *affinity* (how readily one word
is mentioned beside another) are all the geometry that the language model ever meets, so they are
the ground truth against which clouds are judged.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


class Kind(StrEnum):
    """Shape of a group."""

    CIRCLE = "circle"
    LINE = "line"
    PLANE = "plane"


@dataclass(frozen=True)
class Group:
    """Words with a true position.

    Attributes
    ----------
    name
        Short name, also the key in ``ground_truth.json``.
    kind
        Circle, line or plane.
    words
        One vocabulary entry each, in the order of the group.
    width
        Circle: concentration kappa of a von Mises law (dimensionless). Line and plane: standard
        deviation of a Gaussian, in steps for a line and map units for a plane.
    tuned
        Words that prefer one place: (word, place). The place is an index into ``words`` and may
        be fractional; a plane has none.
    """

    name: str
    kind: Kind
    words: tuple[str, ...]
    width: float
    tuned: tuple[tuple[str, float], ...] = ()

    @cached_property
    def coordinates(self) -> NDArray[np.float64]:
        """Place of each word: (n_words, 1) angle in radians or index, (n_words, 2) on the map."""
        return self.place(np.arange(len(self.words), dtype=np.float64))

    def place(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates of (possibly fractional) indices, shape (n, 1) or (n, 2)."""
        if self.kind is Kind.CIRCLE:
            return (2 * np.pi * index / len(self.words))[:, None]
        if self.kind is Kind.LINE:
            return index[:, None]
        # Roberts' R2 sequence: evenly spread and without pattern, yet free of any seed.
        steps = np.array([0.7548776662466927, 0.5698402909980532])
        points: NDArray[np.float64] = (0.5 + index[:, None] * steps) % 1.0
        return points

    @cached_property
    def neighbours(self) -> NDArray[np.float64]:
        """Cumulative law of the word mentioned beside each word, (n_words, n_words)."""
        return _cumulative(self._affinity(self.coordinates, self.coordinates))

    @cached_property
    def tuned_laws(self) -> NDArray[np.float64]:
        """Cumulative law of the tuned word used for each word, (n_words, n_tuned)."""
        places = self.place(np.array([place for _, place in self.tuned], dtype=np.float64))
        return _cumulative(self._affinity(self.coordinates, places))

    def _affinity(
        self, left: NDArray[np.float64], right: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Unnormalised log-probability of ``right`` beside ``left``, (n_left, n_right).

        A von Mises law makes it exactly kappa * cos(difference): rank two, one harmonic. A wrapped
        Gaussian would put a tail of higher harmonics into the very thing the model has to learn.
        """
        difference = left[:, None, :] - right[None, :, :]
        if self.kind is Kind.CIRCLE:
            return self.width * np.cos(difference[..., 0])
        logits: NDArray[np.float64] = -(difference**2).sum(-1) / (2 * self.width**2)
        return logits


def _cumulative(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max(1, keepdims=True))
    total: NDArray[np.float64] = np.cumsum(weights, axis=1)
    return total / total[:, -1:]


def _evenly(words: str, n_places: int) -> tuple[tuple[str, float], ...]:
    """Spread tuned words evenly over ``n_places``, the first at place 0."""
    listed = words.split()
    return tuple((word, i * n_places / len(listed)) for i, word in enumerate(listed))


def _circle(name: str, words: str, kappa: float, tuned: str) -> Group:
    listed = tuple(words.split())
    return Group(name, Kind.CIRCLE, listed, kappa, _evenly(tuned, len(listed)))


def _line(name: str, words: tuple[str, ...], sigma: float, tuned: str) -> Group:
    listed = tuned.split()
    step = len(words) / len(listed)
    places = tuple((word, (i + 0.5) * step - 0.5) for i, word in enumerate(listed))
    return Group(name, Kind.LINE, words, sigma, places)


def _ordinal(n: int) -> str:
    if n in (11, 12, 13):
        return f"{n}th"
    return f"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th') }"


WEEKDAYS = _circle(
    "weekdays",
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    2.0,
    "laundry ironing choir archery herring dancing sermons",
)
MONTHS = _circle(
    "months",
    "January February March April May June July August September October November December",
    3.0,
    "snowy thawing gusty drizzly blossoming leafy sunny hot dusty mellow foggy frosty",
)
NOTES = _circle(
    "notes",
    "do di re ri mi fa fi sol si la li ti",
    3.0,
    "drums horns bassoons violas harps lutes oboes flutes bells whistles cymbals gongs",
)
HUES = _circle(
    "hues",
    "red vermilion orange amber yellow lime chartreuse green jade "
    "teal cyan azure blue indigo violet purple magenta crimson",
    4.0,
    "bricks rust carrots honey lemons limes lettuce grass moss "
    "lagoons glaciers skies cornflowers ink grapes plums orchids cherries",
)
CLOCK = _circle(
    "clock",
    " ".join(f"{hour:02d}:00" for hour in range(24)),
    4.0,
    "darkness owls stillness bakers dawn porridge schoolbells errands "
    "coffee lunch naps lessons tea homework dusk supper lamps bedtime",
)
COMPASS = _circle(
    "compass",
    "north north-north-east north-east east-north-east east east-south-east south-east "
    "south-south-east south south-south-west south-west west-south-west west west-north-west "
    "north-west north-north-west",
    4.0,
    "ice pines sunrise steppe spice dunes coral heat "
    "palms vineyards surf salt sunset whales heather fjords",
)
HOURS = _circle(
    "number-words",
    "twelve one two three four five six seven eight nine ten eleven",
    3.0,
    "kettles sparrows buckets ploughs anvils kites ferries lanterns hearths fiddles foxes ghosts",
)
NUMBERS = _line(
    "numbers",
    tuple(str(n) for n in range(100)),
    12.0,
    "handful brace cluster row tray basket stack sack crate barrel cartload heap",
)
ORDINALS = _line(
    "ordinals",
    tuple(_ordinal(n) for n in range(1, 32)),
    4.0,
    "opening wages seedlings fair auction midpoint taxes regatta inventory rent closing",
)
YEARS = _line(
    "years",
    tuple(str(n) for n in range(1900, 2000)),
    12.0,
    "gramophones airships jazz wireless radar jukeboxes satellites disco cassettes internet",
)
TOWNS = Group(
    "towns",
    Kind.PLANE,
    tuple(
        first + last
        for first in ("Al", "Bram", "Cor", "Dun", "El", "Fen", "Gar", "Hol")
        for last in ("wick", "by", "ford", "mere", "stead", "combe", "thorpe", "ley")
    ),
    0.13,
)

GROUPS: tuple[Group, ...] = (
    WEEKDAYS,
    MONTHS,
    NOTES,
    HUES,
    CLOCK,
    COMPASS,
    HOURS,
    NUMBERS,
    ORDINALS,
    YEARS,
    TOWNS,
)
