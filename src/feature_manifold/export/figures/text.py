"""Text of tokens as it can be drawn: by fonts that are there, and never as mathematics."""

from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from feature_manifold.core.display import UNKNOWN, visible

FIRST_FONT = "DejaVu Sans"
"""Comes with matplotlib."""

FURTHER_FONTS = (
    "Noto Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Symbols2",
    "Noto Emoji",
    "Arial Unicode MS",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
)
MAX_LABEL = 24


def label_text(token: str) -> str:
    """Return a token's text as it is drawn beside a point; a long one is cut."""
    text = visible(token)
    return drawable(text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "…")


def drawable(text: str) -> str:
    """Return text in which "�" stands for what no font at hand can draw."""
    known = _signs()
    return "".join(sign if ord(sign) in known else UNKNOWN for sign in visible(text))


@cache
def font_families() -> tuple[str, ...]:
    """Return the fonts to draw with: the same first one everywhere, then what this machine has."""
    there = set(font_manager.get_font_names())
    return (FIRST_FONT, *(name for name in FURTHER_FONTS if name in there))


@cache
def _signs() -> frozenset[int]:
    """Return the code points that the fonts can draw."""
    paths = [font_manager.findfont(family) for family in font_families()]
    return frozenset().union(*(FT2Font(path).get_charmap() for path in paths))
