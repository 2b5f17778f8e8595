"""The specification's ``shard_*.npz``: every firing with its token's id, document and position."""

from collections.abc import Iterable, Iterator

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.store.shards import Shard
from feature_manifold.store.spec_layout import FiringRows
from feature_manifold.store.token_table import TokenTable

ROWS_PER_SHARD = 1_000_000


def spec_rows(
    shards: Iterable[Shard], table: TokenTable, *, rows_per_shard: int = ROWS_PER_SHARD
) -> Iterator[FiringRows]:
    """Turn native shards into the specification's rows.

    Parameters
    ----------
    shards
        Native shards, in token order. One is held in memory at a time, at 24 bytes a firing.
    table
        The token table that they point into.
    rows_per_shard
        Rows that one of the specification's shards may have.

    Yields
    ------
    FiringRows
        By token, then latent. A native shard becomes as many as its firings need, at least one.
    """
    for shard in shards:
        tokens = np.array(shard.tokens).astype(np.int64)
        latents = np.repeat(np.arange(shard.n_latents, dtype=np.int32), np.diff(shard.indptr))
        order = np.argsort(tokens, kind="stable")
        for first in range(0, max(len(order), 1), rows_per_shard):
            chosen = order[first : first + rows_per_shard]
            yield _rows(tokens[chosen], latents[chosen], shard, chosen, table)


def _rows(
    tokens: Array, latents: Array, shard: Shard, chosen: Array, table: TokenTable
) -> FiringRows:
    position = np.asarray(table.position[tokens])
    short = len(position) == 0 or int(position.max()) <= np.iinfo(np.int16).max
    return FiringRows(
        token_indices=tokens,
        latent_indices=latents,
        activations=np.asarray(shard.activations)[chosen],
        token_ids=np.asarray(table.token_id[tokens]),
        doc_ids=np.asarray(table.doc_id[tokens]),
        positions=position.astype(np.int16) if short else position,
        name=shard.name,
    )
