"""The demo's documents as token ids, and as the compressed text file that ships."""

import io
import json
from pathlib import Path

import zstandard

from feature_manifold.core.rng import generator
from feature_manifold.demo.text import ANSWER_MARK, documents, render
from feature_manifold.demo.tokenizer import token_index
from feature_manifold.demo.train_model import BOS_ID, FACT_SHARE


def write_documents(*, seed: int, purpose: str, n_tokens: int) -> list[list[str]]:
    """Write documents until they hold ``n_tokens`` words; each purpose has text of its own."""
    written: list[list[str]] = []
    total = 0
    for document in documents(generator(seed, "demo", "text", purpose), fact_share=FACT_SHARE):
        if total >= n_tokens:
            break
        written.append(document)
        total += len(document) + 1
    return written


def as_token_ids(written: list[list[str]]) -> list[list[int]]:
    """Token ids of documents, each after a beginning-of-text token."""
    index = token_index()
    marked = {ANSWER_MARK + word: token for word, token in index.items()}
    lookup = index | marked
    return [[BOS_ID, *(lookup[word] for word in document)] for document in written]


def save_corpus(written: list[list[str]], path: Path) -> None:
    """Write documents as zstandard-compressed JSON lines ``{"text": ...}``."""
    lines = "".join(json.dumps({"text": render(document)}) + "\n" for document in written)
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress(lines.encode()))


def load_texts(path: Path) -> list[str]:
    """Read the text of every document of :func:`save_corpus`."""
    with path.open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        return [json.loads(line)["text"] for line in lines]
