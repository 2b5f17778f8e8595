"""Small corpora: seeded word soup with the oddities that real text has."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import zstandard

from feature_manifold.core.rng import generator

VOCABULARY = (
    "the a on in of and while Monday Tuesday January rain river hill green seven bird song cat "
    "mat sat fell sang over every about under winter summer morning paper stone road window"
)

ODD_DOCUMENTS = (
    "",
    "   ",
    "a",
    "café naïve 東京 🙂 e\u0301",
    "literal <bos> and <|endoftext|> are text",
    "two\n\nparagraphs\tand a tab",
    "<script>alert('x')</script> & \"quotes\" \u202e\u200b\x00",
)


def word_soup(n_documents: int, *, seed: int, longest: int = 120) -> list[str]:
    """Draw documents of 1 to ``longest`` words, with the odd ones spread among them.

    Parameters
    ----------
    n_documents
        Documents of words; the odd ones come on top.
    seed
        Same seed, same text.
    longest
        Words in the longest document.

    Returns
    -------
    list of str
        Lengths are skewed towards short, as in real corpora.
    """
    rng = generator(seed, "testing", "word-soup")
    words = VOCABULARY.split()
    lengths = 1 + (longest * rng.random(n_documents) ** 2).astype(int)
    documents = [" ".join(rng.choice(words, size=length)) for length in lengths]
    for index, odd in enumerate(ODD_DOCUMENTS):
        documents.insert(min(3 * index + 1, len(documents)), odd)
    return documents


def write_jsonl(path: Path, documents: Sequence[str], *, text_key: str = "text") -> None:
    """Write documents as JSON lines in the Pile's layout; ``.zst`` and ``.gz`` are compressed."""
    lines = [
        json.dumps({text_key: text, "meta": {"pile_set_name": "Tiny"}}, ensure_ascii=False)
        for text in documents
    ]
    data = ("\n".join(lines) + "\n").encode()
    if path.suffix == ".zst":
        data = zstandard.ZstdCompressor(level=3).compress(data)
    elif path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
