"""From the config's ``corpus`` to document streams: local files, the Pile, other hub data sets."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_manifold.core.config import ExperimentConfig, matching_files, resolve_path
from feature_manifold.core.errors import CorpusError
from feature_manifold.core.extras import missing_extra
from feature_manifold.core.hub import hub_access, hub_file
from feature_manifold.corpus.documents import SUFFIXES, Document, corpus_suffix, read_documents

PILE = "monology/pile-uncopyrighted"
PILE_FILES = {
    "val": ["val.jsonl.zst"],
    "test": ["test.jsonl.zst"],
    "train": [f"train/{number:02d}.jsonl.zst" for number in range(30)],
}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Source:
    """One file or stream of a corpus; nothing is opened or downloaded before ``documents``.

    Attributes
    ----------
    name
        Name for metadata: relative to what the config names, so that it holds no machine path.
    documents
        Opens the stream.
    """

    name: str
    documents: Callable[[], Iterator[Document]]


def find_sources(config: ExperimentConfig) -> list[Source]:
    """List what a config's corpus consists of, in reading order.

    Raises
    ------
    CorpusError
        If it names nothing that can be read.
    """
    value = config.corpus
    path = resolve_path(value)
    if path is not None:
        return [_local(file, base, config.text_key) for file, base in _files_of(path)]
    if any(letter in value for letter in "*?["):
        files = [file for file in matching_files(value) if corpus_suffix(file.name)]
        if not files:
            raise CorpusError(f"No corpus file matches '{value}'. Known: {', '.join(SUFFIXES)}.")
        return [_local(file, file.parent, config.text_key) for file in files]
    if value == PILE:
        return _pile(config)
    if corpus_suffix(value) is None and HUB_ID.fullmatch(value):
        return [Source(f"{value}:{config.corpus_split}", lambda: _hub_documents(config))]
    raise CorpusError(
        f"No corpus '{value}': there is no such file or folder, and it is not a data set id "
        "(owner/name). Check 'corpus' in the config."
    )


def _files_of(path: Path) -> list[tuple[Path, Path]]:
    """Return (file, folder that names are relative to), sorted by name; hidden ones left out."""
    if path.is_file():
        return [(path, path.parent)]
    found = (file for file in path.rglob("*") if file.is_file() and corpus_suffix(file.name))
    files = sorted(file for file in found if not _is_hidden(file.relative_to(path)))
    if not files:
        raise CorpusError(f"Folder {path} holds no corpus file. Known: {', '.join(SUFFIXES)}.")
    return [(file, path) for file in files]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _local(file: Path, base: Path, text_key: str) -> Source:
    name = file.relative_to(base).as_posix()
    return Source(name, lambda: read_documents(file, text_key=text_key))


def _pile(config: ExperimentConfig) -> list[Source]:
    """List the Pile's own files; ``train/00.jsonl.zst`` alone is 11 GB, hence one at a time."""
    if config.corpus_split not in PILE_FILES:
        raise CorpusError(
            f"{PILE} has no split '{config.corpus_split}', only {', '.join(PILE_FILES)}. "
            "Set 'corpus-split'."
        )

    def source(name: str) -> Source:
        def documents() -> Iterator[Document]:
            file = hub_file(PILE, name, kind="data set", error=CorpusError)
            return read_documents(file, text_key=config.text_key)

        return Source(name, documents)

    return [source(name) for name in PILE_FILES[config.corpus_split]]


def _hub_documents(config: ExperimentConfig) -> Iterator[Document]:
    """Stream any other hub data set through ``datasets``; record numbers are row numbers."""
    try:
        import datasets
    except ModuleNotFoundError as error:
        work = f"The data set '{config.corpus}'"
        raise missing_extra(error, work=work, extra="hub-datasets") from error
    with hub_access(config.corpus, kind="data set", error=CorpusError):
        try:
            rows: Any = datasets.load_dataset(
                config.corpus, split=config.corpus_split, streaming=True
            )
        except (ValueError, datasets.exceptions.DatasetNotFoundError) as error:
            # An unknown split or configuration; the library's text lists those that exist.
            detail = " ".join(str(error).split())
            raise CorpusError(f"Data set '{config.corpus}': {detail}") from error
        for number, row in enumerate(rows):
            text = row.get(config.text_key)
            if config.text_key not in row or not isinstance(text, str | None):
                raise CorpusError(
                    f"Data set '{config.corpus}', row {number} has no text under "
                    f"'{config.text_key}', only {', '.join(row)}. Set 'text-key'."
                )
            yield Document(text or "", number)
