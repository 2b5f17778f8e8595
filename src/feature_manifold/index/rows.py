"""The specification's shards: rows of one firing each, in token order."""

from collections.abc import Callable, Iterable

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.kernels import kernel
from feature_manifold.store.shards import Shard
from feature_manifold.store.spec_layout import FiringBlock, TokenRows
from feature_manifold.store.token_table import TokenTable

UNKNOWN = -1
MAX_TOKEN_ID = 1 << 24
"""No vocabulary is larger: a text is kept for every id up to the greatest."""

MIN_DOCUMENTS = 1 << 24
"""Documents that any corpus may have; one of more tokens may have as many as tokens."""

# What the kernels find wrong with a row.
_FINE, _ORDER, _TOKEN, _LATENT, _ACTIVATION = 0, 1, 2, 3, 4
_TOKEN_ID, _DOC_ID, _POSITION, _OTHER_ID, _OTHER_DOC, _OTHER_POSITION = 5, 6, 7, 8, 9, 10


def check_firings(block: FiringBlock, *, n_latents: int, n_tokens: int, after: int = 0) -> None:
    """Refuse firings that are out of bounds or order, or whose activation is none.

    Parameters
    ----------
    block
        Rows in token order, latents in any order within a token.
    n_latents, n_tokens
        Sizes that every row must respect.
    after
        Token of the row before the first one.

    Raises
    ------
    CorruptArtifactError
        Naming the file and the first bad row.
    """
    bits = _bits(block.activations)
    infinity = np.array(np.inf, dtype=block.activations.dtype).view(bits.dtype)[()]
    row, problem = _check_rows(
        block.tokens, block.latents, bits, after, n_tokens, n_latents, int(infinity)
    )
    if problem == _FINE:
        return
    token, before = int(block.tokens[row]), int(block.tokens[row - 1]) if row else after
    what = {
        _ORDER: f"token {token} after {before}; rows must be in token order, within and between "
        "shards",
        _TOKEN: f"bad token {token}, expected 0 to {n_tokens - 1:,}",
        _LATENT: f"bad latent {block.latents[row]}, expected 0 to {n_latents - 1:,}",
        _ACTIVATION: f"bad activation {block.activations[row]}, expected a finite number above 0",
    }[problem]
    raise _bad_row(block.name, block.first_row + row, what)


def sort_firings(
    latents: Array,
    tokens: Array,
    activations: Array,
    n_latents: int,
    *,
    place_of: Callable[[int], tuple[str, int]] = lambda row: ("shard", row),
) -> Shard:
    """Sort rows that ``check_firings`` passed into a shard sorted by latent, then token.

    Parameters
    ----------
    latents
        int32 (n_firings,), in any order within a token.
    tokens
        uint32 (n_firings,), never falling.
    activations
        float16 or float32 (n_firings,).
    n_latents
        Latents of the shard.
    place_of
        File, and row in it, of a row.

    Returns
    -------
    Shard
        Covering the tokens from the first row's to the last row's.

    Raises
    ------
    CorruptArtifactError
        Naming the file and row of the first duplicate.
    """
    indptr = np.zeros(n_latents + 1, dtype=np.int64)
    _count_latents(latents, indptr[1:])
    np.cumsum(indptr, out=indptr)
    sorted_tokens, sorted_activations = np.empty_like(tokens), np.empty_like(activations)
    bits, sorted_bits = _bits(activations), _bits(sorted_activations)
    row = _place_rows(latents, tokens, bits, indptr, indptr.copy(), sorted_tokens, sorted_bits)
    if row >= 0:
        what = f"duplicate firing, token {tokens[row]} and latent {latents[row]} once more"
        raise _bad_row(*place_of(row), what)
    start = int(tokens[0]) if len(tokens) else 0
    stop = int(tokens[-1]) + 1 if len(tokens) else 0
    return Shard(indptr, sorted_tokens, sorted_activations, start=start, stop=stop)


def _bits(activations: Array) -> Array:
    """Return the same memory as unsigned integers: finite and positive are ranges of them."""
    return activations.view(f"<u{activations.dtype.itemsize}")


def _bad_row(name: str, row: int, what: str) -> CorruptArtifactError:
    return CorruptArtifactError(
        f"{name}, row {row:,}: {what}. Harvest the shard again, or check that it belongs to this "
        "experiment."
    )


@kernel()
def _check_rows(
    tokens: Array,
    latents: Array,
    bits: Array,
    after: int,
    n_tokens: int,
    n_latents: int,
    infinity: int,
) -> tuple[int, int]:
    """Return the first bad row and what is wrong with it, in one pass."""
    before = np.int64(after)
    for row in range(len(tokens)):
        token, latent, value = np.int64(tokens[row]), np.int64(latents[row]), np.int64(bits[row])
        if token < before:
            return row, _ORDER
        if token >= n_tokens:
            return row, _TOKEN
        if latent < 0 or latent >= n_latents:
            return row, _LATENT
        # Infinity, NaN and negative numbers are all of greater bits than any finite one.
        if value <= 0 or value >= infinity:
            return row, _ACTIVATION
        before = token
    return -1, _FINE


@kernel()
def _count_latents(latents: Array, counts: Array) -> None:
    for row in range(len(latents)):
        counts[latents[row]] += 1


@kernel()
def _place_rows(
    latents: Array,
    tokens: Array,
    bits: Array,
    indptr: Array,
    cursor: Array,
    out_tokens: Array,
    out_bits: Array,
) -> int:
    """Counting sort by latent, stable; return the first row that fires a second time, or -1."""
    for row in range(len(latents)):
        latent = latents[row]
        at = cursor[latent]
        if at > indptr[latent] and out_tokens[at - 1] == tokens[row]:
            return row
        out_tokens[at] = tokens[row]
        out_bits[at] = bits[row]
        cursor[latent] = at + 1
    return -1


def token_table_of_rows(blocks: Iterable[TokenRows], n_tokens: int) -> TokenTable:
    """Rebuild the token table that the specification's shards imply.

    A shard tells token id, document and position of tokens with a firing; the others stay -1.
    A window runs from the first token of a document (its row less its position, where that is
    after the last token known to be of the previous document) to the next window.

    Parameters
    ----------
    blocks
        Rows in token order.
    n_tokens
        Rows of the table.

    Returns
    -------
    TokenTable
        In memory; 12 bytes a token.

    Raises
    ------
    CorruptArtifactError
        Naming the file and row, if a token is outside the table or out of order, an id or
        position is negative or beyond reason, or two rows disagree about one token.
    """
    token_id, doc_id, position = (np.full(n_tokens, UNKNOWN, dtype=np.int32) for _ in range(3))
    max_documents, after = max(n_tokens, MIN_DOCUMENTS), 0
    for block in blocks:
        given = (block.tokens, block.token_ids, block.doc_ids, block.positions)
        row, problem = _learn_tokens(*given, token_id, doc_id, position, after, max_documents)
        if problem != _FINE:
            raise _bad_token_row(block, row, problem, after, n_tokens, max_documents)
        after = int(block.tokens[-1]) if len(block.tokens) else after
    return TokenTable(token_id, doc_id, position, *windows_and_documents(doc_id, position))


def windows_and_documents(doc_id: Array, position: Array) -> tuple[Int64Array, Int64Array]:
    """Return the windows and documents of a token table of which no more is known.

    Parameters
    ----------
    doc_id, position
        int32 (n_tokens,), -1 where unknown.

    Returns
    -------
    windows : numpy.ndarray
        int64 (n_windows + 1,): where each run of one document starts, and the end.
    documents : numpy.ndarray
        int64 (n_documents, 2): -1, as the file is unknown, and the document's number.
    """
    n_windows = _find_windows(doc_id, position, np.empty(0, dtype=np.int64))
    windows = np.empty(n_windows + 1, dtype=np.int64)
    _find_windows(doc_id, position, windows)
    n_documents = int(doc_id.max()) + 1 if len(doc_id) else 0
    documents = np.full((n_documents, 2), UNKNOWN, dtype=np.int64)
    documents[:, 1] = np.arange(n_documents)
    return windows, documents


def _bad_token_row(
    block: TokenRows, row: int, problem: int, after: int, n_tokens: int, max_documents: int
) -> CorruptArtifactError:
    token, before = int(block.tokens[row]), int(block.tokens[row - 1]) if row else after
    other = f"not that of an earlier row of token {token}"
    what = {
        _ORDER: f"token {token} after {before}; rows must be in token order, within and between "
        "shards",
        _TOKEN: f"bad token {token}, expected 0 to {n_tokens - 1:,}",
        _TOKEN_ID: f"bad token_id {block.token_ids[row]}, expected 0 to {MAX_TOKEN_ID - 1:,}",
        _DOC_ID: f"bad doc_id {block.doc_ids[row]}, expected 0 to {max_documents - 1:,}",
        _POSITION: f"bad position {block.positions[row]}, expected at least 0. Positions beyond "
        "32,767 become negative when they are written as int16; write them as int32",
        _OTHER_ID: f"token_id {block.token_ids[row]}, {other}",
        _OTHER_DOC: f"doc_id {block.doc_ids[row]}, {other}",
        _OTHER_POSITION: f"position {block.positions[row]}, {other}",
    }[problem]
    return _bad_row(block.name, block.first_row + row, what)


@kernel()
def _learn_tokens(
    tokens: Array,
    token_ids: Array,
    doc_ids: Array,
    positions: Array,
    out_token_id: Array,
    out_doc_id: Array,
    out_position: Array,
    after: int,
    max_documents: int,
) -> tuple[int, int]:
    """Enter what rows say about their tokens; return the first bad row and what is wrong."""
    n_tokens, before = len(out_token_id), np.int64(after)
    for row in range(len(tokens)):
        token = np.int64(tokens[row])
        if token < before:
            return row, _ORDER
        if token >= n_tokens:
            return row, _TOKEN
        before = token
        token_id, doc_id, position = token_ids[row], doc_ids[row], positions[row]
        if out_token_id[token] == UNKNOWN:
            if token_id < 0 or token_id >= MAX_TOKEN_ID:
                return row, _TOKEN_ID
            if doc_id < 0 or doc_id >= max_documents:
                return row, _DOC_ID
            if position < 0:
                return row, _POSITION
            out_token_id[token] = token_id
            out_doc_id[token] = doc_id
            out_position[token] = position
        if token_id != out_token_id[token]:
            return row, _OTHER_ID
        if doc_id != out_doc_id[token]:
            return row, _OTHER_DOC
        if position != out_position[token]:
            return row, _OTHER_POSITION
    return -1, _FINE


@kernel()
def _find_windows(doc_id: Array, position: Array, starts: Array) -> int:
    """Return how many windows there are; write where they start, and the end, if there is room."""
    n_windows, last, document = 0, -1, UNKNOWN
    for token in range(len(doc_id)):
        if doc_id[token] == UNKNOWN:
            continue
        if doc_id[token] != document:
            # The first window starts with the table.
            start = max(token - position[token], last + 1) if last >= 0 else 0
            if len(starts):
                starts[n_windows] = start
            n_windows += 1
            document = doc_id[token]
        last = token
    if n_windows == 0:
        # Nothing is known of any document: the table is one window.
        if len(starts):
            starts[0] = 0
        n_windows = 1
    if len(starts):
        starts[n_windows] = len(doc_id)
    return n_windows
