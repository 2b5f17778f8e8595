"""Which sequences of token ids a text may stand in the corpus as."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from feature_manifold.core.errors import InputError
from feature_manifold.core.vocabulary import VocabularyIndex
from feature_manifold.store.tokenizer_file import TextEncoder

MAX_LETTERS = 200
MAX_SEQUENCES = 16

How = Literal["entry", "tokenizer", "longest entries", "other case"]


@dataclass(frozen=True)
class Spelling:
    """Token ids of a text.

    Attributes
    ----------
    sequences
        Each a way in which the text may stand, with and without a space before it.
    how
        ``entry``: it is a vocabulary entry. ``tokenizer``: cut by the model's tokenizer.
        ``longest entries``: cut from left to right into the longest entries, where there is no
        tokenizer. ``other case``: entries that differ from it in case.
    """

    sequences: tuple[tuple[int, ...], ...]
    how: How


def spell(text: str, vocabulary: VocabularyIndex, encode: TextEncoder | None) -> Spelling:
    """Find how a text stands in the corpus.

    The text is tried as given, with one space before it, and with none. Entries that are the text
    come first, then sequences of tokens, then entries that differ in case.

    Parameters
    ----------
    text
        1 to MAX_LETTERS characters, not all white space unless an entry is just that.
    vocabulary
        The vocabulary.
    encode
        The model's tokenizer, or None.

    Raises
    ------
    InputError
        If the text is too long or nothing spells it.
    """
    if not 1 <= len(text) <= MAX_LETTERS:
        raise InputError(f"A text of 1 to {MAX_LETTERS} characters is wanted, not {len(text):,}.")
    forms = list(dict.fromkeys((text, " " + text.strip(), text.strip())))
    entries = [(token_id,) for form in forms for token_id in vocabulary.equal(form)]
    if entries:
        return Spelling(_first(entries), "entry")
    sequences = [tuple(ids) for form in forms if (ids := _cut(form, encode, vocabulary))]
    if sequences:
        return Spelling(_first(sequences), "tokenizer" if encode else "longest entries")
    alike = [(token_id,) for token_id in vocabulary.alike(text)]
    if alike:
        return Spelling(_first(alike), "other case")
    raise InputError(f"No tokens of this vocabulary spell {text[:60]!r}.")


def _cut(form: str, encode: TextEncoder | None, vocabulary: VocabularyIndex) -> list[int] | None:
    if encode is None:
        return vocabulary.spell(form)
    try:
        return encode(form)
    except UnicodeEncodeError:
        # A lone surrogate is in no text.
        return None


def _first(sequences: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    return tuple(dict.fromkeys(sequences))[:MAX_SEQUENCES]
