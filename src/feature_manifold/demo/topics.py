"""What the demo language says about each word group.

A frame is a sentence with slots: ``{a}``, ``{b}``, ``{c}`` are words of the group, ``{t}`` one of
its tuned words, ``{who}``, ``{thing}`` and ``{trade}`` filler. Punctuation stands apart, so that
splitting at spaces gives the tokens; ``*`` marks an answer that the sentence determines.

*Fuzzy* frames mention neighbours and tuned words by chance; they draw the circle. *Facts* are
exact steps round it. Smooth statistics, not arithmetic, give clean circles, so facts are few, and
on each circle all their steps are equally common.
"""

from dataclasses import dataclass

from feature_manifold.demo import groups
from feature_manifold.demo.groups import Group

_PEOPLE = "Ada Ben Cleo Dov Esme Finn Greta Hugo Ines Jonas Kira Leo Mara Nils Oona Piet"
_THINGS = "apples bowls candles doors eggs gloves hats jars keys nails pots ropes shoes spoons"
_TRADES = "baker weaver smith tailor miller painter printer potter"

#: Words for the slots that belong to no group.
FILLER_WORDS = {
    "{who}": _PEOPLE.split(),
    "{who2}": _PEOPLE.split(),
    "{thing}": _THINGS.split(),
    "{trade}": _TRADES.split(),
}


@dataclass(frozen=True)
class Topic:
    """Frames about one group.

    Attributes
    ----------
    group
        The words it speaks of.
    pairs
        Frames with ``{a}`` and a neighbour ``{b}`` (and perhaps another, ``{c}``).
    tuned
        Frames with ``{a}`` and a word ``{t}`` that suits it.
    facts
        (frame, step): ``{b}`` is the word ``step`` places after ``{a}``.
    share
        How often documents choose this topic, relative to the others.
    fact_rate
        Its share of facts, relative to the text's. Single steps along a long line pull every
        neighbouring pair apart and crumple the line.
    """

    group: Group
    pairs: tuple[str, ...]
    tuned: tuple[str, ...]
    facts: tuple[tuple[str, int], ...]
    share: float = 1.0
    fact_rate: float = 1.0


def _both_ways(
    up: str, down: str, steps: tuple[tuple[str, int], ...]
) -> tuple[tuple[str, int], ...]:
    """Facts upward and downward for each (phrase, step); ``@`` in a frame is the phrase."""
    return tuple(
        (frame.replace("@", phrase), sign * step)
        for phrase, step in steps
        for frame, sign in ((up, 1), (down, -1))
    )


TOPICS: tuple[Topic, ...] = (
    Topic(
        groups.WEEKDAYS,
        pairs=(
            "{who} will come on {a} or perhaps {b} .",
            "We could meet on {a} , or else on {b} .",
            "It rained on {a} and again on {b} .",
            "The {trade} is open on {a} and on {b} .",
            "Around {a} , {b} and {c} the square is busy .",
        ),
        tuned=(
            "The usual time for {t} is {a} .",
            "On {a} the talk is all of {t} .",
            "On {a} the {t} went on and on .",
        ),
        facts=_both_ways(
            "@ after {a} is *{b} .",
            "@ before {a} is *{b} .",
            (("The day", 1), ("Two days", 2), ("Three days", 3)),
        ),
        share=0.8,
        fact_rate=0.5,
    ),
    Topic(
        groups.MONTHS,
        pairs=(
            "{who} was born in {a} , not {b} .",
            "The {thing} are sold in {a} or perhaps {b} .",
            "We travel in {a} and rest in {b} .",
            "Expect {a} weather in {b} this year .",
            "In {a} , {b} and {c} the {trade} is away .",
        ),
        tuned=(
            "The days of {a} are {t} .",
            "After so many {t} days it must be {a} .",
            "Such is {a} weather , {t} .",
        ),
        facts=_both_ways(
            "@ after {a} we write *{b} .",
            "@ before {a} we write *{b} .",
            (("One month", 1), ("Two months", 2), ("Three months", 3)),
        ),
        fact_rate=0.7,
    ),
    Topic(
        groups.NOTES,
        pairs=(
            "{who} sang {a} and then {b} .",
            "The tune goes from {a} to {b} and back .",
            "Was that {a} or perhaps {b} ?",
            "The {trade} hums {a} , {b} and {c} .",
            "Hold the {a} string against the {b} string .",
        ),
        tuned=(
            "The {t} play {a} .",
            "On {a} we hear the {t} .",
            "The {a} string , then {t} .",
        ),
        facts=_both_ways(
            "@ above {a} we sing *{b} .",
            "@ below {a} we sing *{b} .",
            (("A semitone", 1), ("A tone", 2), ("A third", 3)),
        ),
        fact_rate=0.7,
    ),
    Topic(
        groups.HUES,
        pairs=(
            "The {thing} were {a} , or rather {b} .",
            "{who} painted them {a} and {b} .",
            "A {a} shade , close to {b} .",
            "In {a} light the cloth looks {b} .",
            "Mix {a} , {b} and {c} for the wall .",
        ),
        tuned=(
            "The {t} are {a} .",
            "A {a} shade , like {t} .",
            "In {a} light , {t} .",
        ),
        facts=_both_ways(
            "@ past {a} on the wheel is *{b} .",
            "@ short of {a} on the wheel is *{b} .",
            (("One hue", 1), ("Two hues", 2)),
        ),
        fact_rate=0.7,
    ),
    Topic(
        groups.CLOCK,
        pairs=(
            "The ferry leaves at {a} or at {b} .",
            "{who} slept from {a} until about {b} .",
            "The train of {a} came at {b} .",
            "By {a} , or {b} at the latest , the {trade} is home .",
            "Boats pass at {a} , {b} and {c} .",
        ),
        tuned=(
            "It is {a} , the hour of {t} .",
            "There are {t} at {a} .",
            "At {a} sharp {t} begin .",
        ),
        facts=_both_ways(
            "@ after {a} the display shows *{b} .",
            "@ before {a} the display shows *{b} .",
            (("One hour", 1), ("Two hours", 2), ("Three hours", 3)),
        ),
        share=1.2,
        fact_rate=0.8,
    ),
    Topic(
        groups.COMPASS,
        pairs=(
            "The wind blew from the {a} , then from the {b} .",
            "Sail {a} or perhaps {b} .",
            "A {a} gale turned into a {b} breeze .",
            "The path runs {a} , {b} and {c} .",
            "{who} looked {a} and walked {b} .",
        ),
        tuned=(
            "The {a} wind smells of {t} .",
            "For {t} you must travel {a} .",
            "A {a} breeze , {t} .",
        ),
        facts=_both_ways(
            "@ right of {a} points *{b} .",
            "@ left of {a} points *{b} .",
            (("One turn", 1), ("Two turns", 2), ("Three turns", 3)),
        ),
        share=1.2,
        fact_rate=0.8,
    ),
    Topic(
        groups.HOURS,
        pairs=(
            "Come at {a} o'clock or at {b} o'clock .",
            "It struck {a} o'clock , maybe {b} .",
            "From {a} o'clock to {b} o'clock {who} reads .",
            "The {trade} rests at {a} or {b} o'clock .",
        ),
        tuned=(
            "{who} minds the {a} o'clock {t} .",
            "The noise of {t} means {a} o'clock .",
            "At {a} o'clock {t} wake the {trade} .",
            "The {a} o'clock {t} are busy .",
        ),
        facts=_both_ways(
            "@ after {a} o'clock the bell says *{b} .",
            "@ before {a} o'clock the bell says *{b} .",
            (("An hour", 1), ("A pair of hours", 2), ("A trio of hours", 3)),
        ),
        fact_rate=0.5,
    ),
    Topic(
        groups.NUMBERS,
        pairs=(
            "There were {a} {thing} , or about {b} .",
            "{who} paid {a} coins and got {b} back .",
            "Between {a} and {b} {thing} were broken .",
            "The {trade} counted {a} , {b} and {c} .",
        ),
        tuned=(
            "A {t} holds {a} {thing} .",
            "With {a} coins you buy a {t} .",
        ),
        facts=_both_ways(
            "Counting up from {a} gives *{b} .", "Counting down from {a} gives *{b} .", (("", 1),)
        ),
        fact_rate=0.3,
    ),
    Topic(
        groups.ORDINALS,
        pairs=(
            "The {trade} calls on the {a} or the {b} .",
            "From the {a} to the {b} {who} was ill .",
            "Letters came on the {a} , the {b} and the {c} .",
        ),
        tuned=(
            "The {t} fall on the {a} .",
            "By the {a} we think of {t} .",
        ),
        facts=_both_ways(
            "Right after the {a} comes the *{b} .",
            "Right before the {a} comes the *{b} .",
            (("", 1),),
        ),
    ),
    Topic(
        groups.YEARS,
        pairs=(
            "{who} was wed in {a} and moved in {b} .",
            "The mill burned in {a} , some say {b} .",
            "The years {a} , {b} and {c} were lean .",
        ),
        tuned=(
            "In {a} everyone spoke of {t} .",
            "The rage for {t} peaked about {a} .",
        ),
        facts=_both_ways(
            "The year after {a} was *{b} .", "The year before {a} was *{b} .", (("", 1),)
        ),
        fact_rate=0.3,
    ),
    Topic(
        groups.TOWNS,
        pairs=(
            "{a} is a short walk from {b} .",
            "The road from {a} passes {b} and {c} .",
            "{who} moved from {a} to nearby {b} .",
            "The {trade} of {a} sells {thing} in {b} .",
        ),
        tuned=(),
        facts=(),
        share=1.5,
    ),
)

#: Where one town lies from another; ``{t}`` is a wind of the compass. All winds equally common.
BEARINGS = (
    "Going from {a} to {b} you head *{t} .",
    "Seen from {a} , {b} lies *{t} .",
)

#: Sentences about no group at all.
FILLER = (
    "{who} gave the {trade} some {thing} .",
    "The {trade} made {thing} and sold them .",
    "Nobody knew where the {thing} were .",
    "{who} asked {who2} for the {thing} .",
    "The {trade} and {who} sat down to eat .",
)
