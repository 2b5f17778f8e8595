"""Text of tokens as people see it: one line, its white space visible, nothing that hides."""

import unicodedata

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
SPACES = {"\n": "↵", "\r": "↵", "\t": "⇥", " ": "␣"}


def visible(text: str) -> str:
    """Return a token's text to be shown among others.

    Outer spaces are cut; white space that is all there is, and every line break and tab, gets a
    sign. What has no shape or turns the direction of what follows (Unicode's control, format,
    surrogate and unassigned code points) becomes "�".
    """
    shown = text.strip(" ")
    signs = SPACES if not shown.strip() else {key: SPACES[key] for key in "\n\r\t"}
    return "".join(signs.get(sign) or _shown(sign) for sign in shown or text)


def _shown(sign: str) -> str:
    return UNKNOWN if unicodedata.category(sign).startswith("C") else sign
