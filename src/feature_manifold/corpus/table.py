"""Build the token table of an experiment: read, tokenise, cut, write, at constant memory."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import CorpusError
from feature_manifold.core.progress import Progress
from feature_manifold.corpus.documents import Document
from feature_manifold.corpus.sources import Source, find_sources
from feature_manifold.corpus.tokenizer import Tokenizer
from feature_manifold.corpus.windows import cut_windows
from feature_manifold.store.layout import TOKENIZER
from feature_manifold.store.token_table import (
    DOCUMENTS,
    TokenTableWriter,
    save_metadata,
    save_vocabulary,
)

logger = logging.getLogger(__name__)

DOCUMENTS_AT_A_TIME = 64
"""Documents tokenised together; the tokenizer spreads them over its threads."""

CHARACTERS_AT_A_TIME = 1 << 22


@dataclass(frozen=True)
class CorpusFacts:
    """What the token table holds.

    Attributes
    ----------
    num_tokens
        Corpus tokens, put-in BOS tokens not counted.
    n_tokens
        Rows of the token table, put-in BOS tokens counted.
    n_documents
        Documents that gave at least one token.
    n_empty_documents
        Documents passed over because they gave none.
    n_windows
        Model inputs.
    is_complete
        False if the corpus ended before ``num-tokens`` were found.
    """

    num_tokens: int
    n_tokens: int
    n_documents: int
    n_empty_documents: int
    n_windows: int
    is_complete: bool


def build_token_table(config: ExperimentConfig, folder: Path, *, progress: Progress) -> CorpusFacts:
    """Tokenise the config's corpus into ``folder``, stopping at exactly ``num_tokens`` tokens.

    Writes the token table, ``vocabulary.json``, ``tokenizer/`` and ``metadata.json``. Memory does
    not grow with the corpus. The caller commits the folder.

    Parameters
    ----------
    config
        Names the corpus, the model whose tokenizer is used, and the window length.
    folder
        An empty staging folder.
    progress
        Told of every token.

    Returns
    -------
    CorpusFacts
        Counts; a corpus with fewer tokens than asked for is kept and logged as a warning.

    Raises
    ------
    CorpusError
        If the corpus cannot be found or read, or holds no text.
    ModelError
        If the tokenizer cannot be loaded.
    """
    sources = find_sources(config)
    tokenizer = Tokenizer(config.model)
    filler = _Filler(folder, tokenizer, config)
    with progress.task("tokenise", total=config.num_tokens, unit="tokens") as task, filler.writer:
        for number, documents in _batches(sources):
            before = filler.num_tokens
            filler.add(number, documents)
            task.advance(filler.num_tokens - before)
            if filler.num_tokens == config.num_tokens:
                break
    facts = filler.facts()
    if facts.num_tokens == 0:
        raise CorpusError(f"Corpus '{config.corpus}' holds no text. Check 'corpus' and 'text-key'.")
    if not facts.is_complete:
        logger.warning(
            "The corpus '%s' has %s tokens, fewer than num-tokens (%s); all of them are used.",
            config.corpus,
            f"{facts.num_tokens:,}",
            f"{config.num_tokens:,}",
        )
    _describe(folder, config, sources, tokenizer, facts)
    return facts


class _Filler:
    """Counts and cuts documents on their way into the writer."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, config: ExperimentConfig) -> None:
        self.writer = TokenTableWriter(folder)
        self.num_tokens = 0
        self._tokenizer = tokenizer
        self._config = config
        self._n_empty = 0
        self._n_windows = 0

    def add(self, file: int, documents: Sequence[Document]) -> None:
        """Tokenise documents of one file and append them until ``num_tokens`` is reached."""
        bos_id = self._tokenizer.bos_id
        encoded = self._tokenizer.encode([document.text for document in documents])
        for document, token_id in zip(documents, encoded, strict=True):
            left = self._config.num_tokens - self.num_tokens
            if left == 0:
                return
            if len(token_id) == 0:
                self._n_empty += 1
                continue
            token_id = token_id[:left]
            doc_id = self.writer.append_document(file=file, record=document.record)
            for ids, position in cut_windows(token_id, seq_len=self._config.seq_len, bos_id=bos_id):
                self.writer.append_window(ids, position, doc_id=doc_id)
                self._n_windows += 1
            self.num_tokens += len(token_id)

    def facts(self) -> CorpusFacts:
        """Return the counts so far."""
        return CorpusFacts(
            num_tokens=self.num_tokens,
            n_tokens=self.writer.n_tokens,
            n_documents=self.writer.n_documents,
            n_empty_documents=self._n_empty,
            n_windows=self._n_windows,
            is_complete=self.num_tokens == self._config.num_tokens,
        )


def _batches(sources: Sequence[Source]) -> Iterator[tuple[int, list[Document]]]:
    """Yield (file number, documents), bounded in number and in characters."""
    for number, source in enumerate(sources):
        batch: list[Document] = []
        size = 0
        for document in source.documents():
            batch.append(document)
            size += len(document.text)
            if len(batch) == DOCUMENTS_AT_A_TIME or size >= CHARACTERS_AT_A_TIME:
                yield number, batch
                batch, size = [], 0
        if batch:
            yield number, batch


def _describe(
    folder: Path,
    config: ExperimentConfig,
    sources: Sequence[Source],
    tokenizer: Tokenizer,
    facts: CorpusFacts,
) -> None:
    """Write what readers need besides the arrays."""
    save_vocabulary(folder, tokenizer.vocabulary())
    tokenizer.save(folder / TOKENIZER)
    last = int(np.load(folder / DOCUMENTS, mmap_mode="r")[-1, 0])
    save_metadata(
        folder,
        {
            "corpus": config.corpus,
            "corpus_split": config.corpus_split,
            "text_key": config.text_key,
            "model": config.model,
            "seq_len": config.seq_len,
            # Sources beyond the last document used were never opened.
            "files": [source.name for source in sources[: last + 1]],
            "bos_id": tokenizer.bos_id,
            "special_ids": tokenizer.special_ids,
            **asdict(facts),
        },
    )
