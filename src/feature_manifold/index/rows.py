"""The specification's shards: rows of one firing each, in token order."""

from collections.abc import Iterable

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.kernels import kernel
from feature_manifold.store.shards import Shard
from feature_manifold.store.spec_layout import FiringRows
from feature_manifold.store.token_table import TokenTable

UNKNOWN = -1


def sort_firings(
    latents: Array,
    tokens: Array,
    activations: Array,
    n_latents: int,
    *,
    n_tokens: int,
    name: str = "shard",
) -> Shard:
    """Sort rows in token order into a shard sorted by latent, then token.

    Parameters
    ----------
    latents
        int (n_firings,), in any order within a token.
    tokens
        int (n_firings,), never falling.
    activations
        float (n_firings,), positive; float16 stays, anything wider becomes float32.
    n_latents, n_tokens
        Sizes that every row must respect.
    name
        How errors call the rows.

    Returns
    -------
    Shard
        Covering the tokens from the first row's to the last row's.

    Raises
    ------
    CorruptArtifactError
        Naming the first row that is out of bounds, out of order, not finite and positive, or a
        duplicate.
    """
    latents, tokens = latents.astype(np.int64), tokens.astype(np.int64)
    activations = activations if activations.dtype == np.float16 else activations.astype(np.float32)
    _refuse(name, np.flatnonzero((latents < 0) | (latents >= n_latents)), latents, "latent")
    _refuse(name, np.flatnonzero((tokens < 0) | (tokens >= n_tokens)), tokens, "token")
    _refuse(name, np.flatnonzero(np.diff(tokens) < 0) + 1, tokens, "token, lower than the last,")
    bad = np.flatnonzero(~(np.isfinite(activations) & (activations > 0)))
    _refuse(name, bad, activations, "activation")
    indptr = np.zeros(n_latents + 1, dtype=np.int64)
    np.cumsum(np.bincount(latents, minlength=n_latents), out=indptr[1:])
    order = np.empty(len(latents), dtype=np.int64)
    _place_rows(latents, indptr[:-1].copy(), order)
    same = np.flatnonzero((np.diff(tokens[order]) == 0) & (np.diff(latents[order]) == 0)) + 1
    _refuse(name, np.sort(order[same]), tokens, "duplicate firing, token")
    start = int(tokens[0]) if len(tokens) else 0
    stop = int(tokens[-1]) + 1 if len(tokens) else 0
    sorted_tokens = tokens[order].astype(np.uint32)
    return Shard(indptr, sorted_tokens, activations[order], start=start, stop=stop, name=name)


def _refuse(name: str, rows: Int64Array, column: Array, what: str) -> None:
    if rows.size:
        row = int(rows[0])
        raise CorruptArtifactError(
            f"{name}, row {row:,}: bad {what} {column[row]}. "
            "Harvest the shard again, or check that it belongs to this experiment."
        )


@kernel()
def _place_rows(latents: Array, cursor: Array, order: Array) -> None:
    """Counting sort: ``order`` lists the rows by latent, in their given order within one."""
    for row in range(len(latents)):
        order[cursor[latents[row]]] = row
        cursor[latents[row]] += 1


def token_table_of_rows(shards: Iterable[FiringRows], n_tokens: int) -> TokenTable:
    """Rebuild the token table that the specification's shards imply.

    A shard tells token id, document and position of tokens with a firing; the others stay -1.
    A window runs from the first token of a document (its row less its position, where that is
    after the last token known to be of the previous document) to the next window.

    Parameters
    ----------
    shards
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
        If a token is outside the table, or two rows disagree about one token.
    """
    columns = {
        name: np.full(n_tokens, UNKNOWN, dtype=np.int32)
        for name in ("token_ids", "doc_ids", "positions")
    }
    for rows in shards:
        tokens = rows.token_indices
        _refuse(rows.name, np.flatnonzero((tokens < 0) | (tokens >= n_tokens)), tokens, "token")
        for name, known in columns.items():
            given = getattr(rows, name).astype(np.int32)
            _refuse(rows.name, np.flatnonzero(given < 0), given, name)
            before = known[tokens]
            known[tokens] = given
            differs = (known[tokens] != given) | ((before != UNKNOWN) & (before != given))
            _refuse(rows.name, np.flatnonzero(differs), given, f"{name}, not that of the token,")
    doc_id, position = columns["doc_ids"], columns["positions"]
    n_documents = int(doc_id.max()) + 1 if n_tokens else 0
    # Which file and record a document was is not in the rows.
    documents = np.full((n_documents, 2), UNKNOWN, dtype=np.int64)
    documents[:, 1] = np.arange(n_documents)
    return TokenTable(
        token_id=columns["token_ids"],
        doc_id=doc_id,
        position=position,
        windows=_document_windows(doc_id, position),
        documents=documents,
    )


def _document_windows(doc_id: Array, position: Array) -> Int64Array:
    """Return int64 (n_windows + 1,): where each run of one document starts, and the end."""
    known = np.flatnonzero(doc_id != UNKNOWN)
    changes = np.flatnonzero(np.diff(doc_id[known])) + 1
    heads, before = known[changes], known[changes - 1]
    starts = np.maximum(heads - position[heads], before + 1)
    return np.concatenate([[0], starts, [len(doc_id)]]).astype(np.int64)
