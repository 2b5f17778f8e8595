"""The concepts that come with the package.

Words are English, as they stand in running text. Abbreviations are listed with and without their
dot, plurals are not. Hues are those of the RGB colour wheel; names between its twelve hues have
their customary place. Ages and temperatures are ranks in their order, since their words have no
agreed numbers.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

import numpy as np

from feature_manifold.core.concepts import Concept, by_name
from feature_manifold.core.errors import InputError

_WEEKDAYS = (
    "Monday Mon Mon.",
    "Tuesday Tues Tues. Tue Tue.",
    "Wednesday Wed Wed. Weds",
    "Thursday Thurs Thurs. Thur Thu Thu.",
    "Friday Fri Fri.",
    "Saturday Sat Sat.",
    "Sunday Sun Sun.",
)
_MONTHS = (
    "January Jan Jan.",
    "February Feb Feb.",
    "March Mar Mar.",
    "April Apr Apr.",
    "May",
    "June Jun Jun.",
    "July Jul Jul.",
    "August Aug Aug.",
    "September Sept Sept. Sep Sep.",
    "October Oct Oct.",
    "November Nov Nov.",
    "December Dec Dec.",
)
_DAY_PARTS = {
    "dawn daybreak": 6,
    "morning": 9,
    "noon midday": 12,
    "afternoon": 15,
    "dusk sunset": 18,
    "evening": 20,
    "night": 22,
    "midnight": 24,
}
_HUES = {
    "red": 0,
    "scarlet": 8,
    "vermilion vermillion": 15,
    "orange": 30,
    "amber": 45,
    "gold golden": 51,
    "yellow": 60,
    "lime": 75,
    "chartreuse": 90,
    "green": 120,
    "emerald": 140,
    "jade": 158,
    "turquoise": 174,
    "teal": 178,
    "cyan aqua": 180,
    "azure": 210,
    "blue": 240,
    "indigo": 255,
    "violet": 270,
    "purple": 285,
    "magenta fuchsia": 300,
    "rose": 330,
    "pink": 340,
    "crimson": 348,
}
_WINDS = (
    "north N",
    "north-north-east north-northeast NNE",
    "north-east northeast NE",
    "east-north-east east-northeast ENE",
    "east E",
    "east-south-east east-southeast ESE",
    "south-east southeast SE",
    "south-south-east south-southeast SSE",
    "south S",
    "south-south-west south-southwest SSW",
    "south-west southwest SW",
    "west-south-west west-southwest WSW",
    "west W",
    "west-north-west west-northwest WNW",
    "north-west northwest NW",
    "north-north-west north-northwest NNW",
)
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_POWERS = {"ten": 1, "hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_AGES = (
    "newborn",
    "infant baby",
    "toddler",
    "child kid",
    "teenager teen adolescent",
    "adult grown-up",
    "middle-aged",
    "elderly",
)
_PLANETS = {
    "Mercury": 0.387,
    "Venus": 0.723,
    "Earth": 1.0,
    "Mars": 1.524,
    "Jupiter": 5.203,
    "Saturn": 9.537,
    "Uranus": 19.19,
    "Neptune": 30.07,
}
_PITCHES = ("C", "C# Db", "D", "D# Eb", "E", "F", "F# Gb", "G", "G# Ab", "A", "A# Bb", "B")
_SYLLABLES = (
    *("do", "di ra", "re", "ri me", "mi", "fa"),
    *("fi se", "sol", "si le", "la", "li te", "ti"),
)
_ZODIAC = "Aries Taurus Gemini Cancer Leo Virgo Libra Scorpio Sagittarius Capricorn Aquarius Pisces"


def _concept(
    name: str,
    about: str,
    words: Iterable[str],
    *,
    values: Iterable[float] | None = None,
    period: float | None = None,
    ambiguous: str = "",
) -> Concept:
    steps = tuple(tuple(spellings.split()) for spellings in words)
    places = range(len(steps)) if values is None else values
    return Concept(
        name=name,
        kind="ordered" if period is None else "circular",
        words=steps,
        values=np.array(list(places), dtype=np.float64),
        period=period,
        ambiguous=frozenset(ambiguous.split()),
        about=about,
    )


@cache
def built_in_concepts() -> Mapping[str, Concept]:
    """Return the concepts that come with the package, by name."""
    return MappingProxyType(by_name((*_times(), *_quantities(), *_places(), *_scales())))


def concept_named(name: str, own: Mapping[str, Concept] | None = None) -> Concept:
    """Return a concept by its name: one of the user's, else one that comes with the package.

    Raises
    ------
    InputError
        If there is none; the message names those that are nearly called that, else all.
    """
    known = {**built_in_concepts(), **(own or {})}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {', '.join(near)}?" if near else f"There are: {', '.join(known)}."
    raise InputError(f"No concept '{name[:64]}'. {hint}")


def _times() -> tuple[Concept, ...]:
    clock = [f"{hour:02d}:00 {hour}:00" if hour < 10 else f"{hour}:00" for hour in range(24)]
    twelve = _ONES.split()[1:13]
    return (
        _concept(
            "weekdays",
            "Days of the week, Monday 0.",
            _WEEKDAYS,
            period=7,
            ambiguous="Mon Tue Wed Fri Sat Sun",
        ),
        _concept(
            "months",
            "Months of the year, January 0.",
            _MONTHS,
            period=12,
            ambiguous="Jan March Mar April May June Jun Jul August Sep Nov Dec",
        ),
        _concept(
            "seasons",
            "Seasons of the year, spring 0.",
            ("spring", "summer", "autumn fall", "winter"),
            period=4,
            ambiguous="spring fall",
        ),
        _concept("hours", "Full hours of the day, in hours.", clock, period=24),
        _concept(
            "hours-12",
            "Hours of a clock face, in hours: number words, whatever they count.",
            twelve,
            values=range(1, 13),
            period=12,
            ambiguous=" ".join(twelve),
        ),
        _concept(
            "parts-of-day",
            "Parts of the day, in hours, about.",
            _DAY_PARTS,
            values=_DAY_PARTS.values(),
            period=24,
        ),
        _years("years", "Years from 1900 on.", range(1900, 2030)),
        _concept(
            "decades",
            "Decades, their first year.",
            [f"{year}s {year}'s" for year in range(1800, 2030, 10)],
            values=range(1800, 2030, 10),
        ),
    )


def _years(name: str, about: str, years: Sequence[int]) -> Concept:
    return _concept(name, about, map(str, years), values=years)


def _quantities() -> tuple[Concept, ...]:
    counted = {word: number for number, word in enumerate(_ONES.split())}
    counted |= {word: 10 * place for place, word in enumerate(_TENS.split(), 2)}
    days = [f"{day}{_suffix(day)}" for day in range(1, 32)]
    for day, word in enumerate(_ORDINALS.split()):
        days[day] += f" {word}"
    return (
        _concept("numbers", "Numerals from 0 on.", map(str, range(101))),
        _concept(
            "number-words",
            "Number words, their value.",
            counted,
            values=counted.values(),
            ambiguous="one",
        ),
        _concept(
            "ordinals",
            "Ordinals from 1st to 31st.",
            days,
            values=range(1, 32),
            ambiguous="first second third fourth",
        ),
        _concept(
            "powers-of-ten",
            "Number words, the logarithm of their value to base 10.",
            _POWERS,
            values=_POWERS.values(),
        ),
        _concept("ages", "Ages of man, by rank.", _AGES),
        _concept(
            "letters",
            "Letters of the alphabet, A 0.",
            [f"{letter} {letter.lower()}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"],
            ambiguous="A a I",
        ),
    )


def _suffix(number: int) -> str:
    if 11 <= number % 100 <= 13:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _places() -> tuple[Concept, ...]:
    short = [winds.split()[-1] for winds in _WINDS]
    return (
        _concept(
            "colours",
            "Hues, in degrees of the RGB colour wheel.",
            _HUES,
            values=_HUES.values(),
            period=360,
            ambiguous="amber gold golden lime emerald jade orange rose",
        ),
        _concept(
            "compass-8",
            "Eight winds, in degrees clockwise from north.",
            _WINDS[::2],
            values=range(0, 360, 45),
            period=360,
            ambiguous=" ".join(short[::2]),
        ),
        _concept(
            "compass-16",
            "Sixteen winds, in degrees clockwise from north.",
            _WINDS,
            values=np.arange(16) * 22.5,
            period=360,
            ambiguous=" ".join(short),
        ),
        _concept(
            "pitch-classes",
            "Notes by letter, in semitones from C.",
            _PITCHES,
            period=12,
            ambiguous=" ".join(_PITCHES),
        ),
        _concept(
            "solfege",
            "Notes by syllable, in semitones from do.",
            _SYLLABLES,
            period=12,
            ambiguous="do di re me mi se sol si la le li te ti",
        ),
        _concept(
            "zodiac",
            "Signs of the zodiac, Aries 0.",
            _ZODIAC.split(),
            period=12,
            ambiguous="Gemini Cancer Leo Virgo Libra",
        ),
        _concept(
            "planets",
            "Planets, mean distance from the sun in astronomical units.",
            _PLANETS,
            values=_PLANETS.values(),
            ambiguous="Mercury Earth Mars Saturn",
        ),
    )


def _scales() -> tuple[Concept, ...]:
    return (
        _concept(
            "temperatures",
            "Words of temperature, by rank.",
            ("freezing frigid", "cold", "cool chilly", "lukewarm", "warm", "hot", "boiling"),
            ambiguous="cool hot",
        ),
        _concept(
            "sizes",
            "Words of size, by rank.",
            ("tiny", "small little", "medium", "large big", "huge enormous", "gigantic"),
            ambiguous="little medium",
        ),
        _concept(
            "frequencies",
            "Adverbs of frequency, by rank.",
            ("never", "rarely seldom", "occasionally", "sometimes", "often", "usually", "always"),
        ),
    )
