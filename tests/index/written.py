"""What a pass over the firings wrote: a file in memory."""

from collections.abc import Sequence

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.index.merge import activation_dtype
from feature_manifold.store.shards import Shard


class Written:
    """Collect rows; each must come once."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        n_firings = sum(shard.n_firings for shard in shards)
        self._ids = np.zeros(n_firings, dtype=np.uint32)
        self._activations = np.zeros(n_firings, dtype=activation_dtype(shards))
        self._times = np.zeros(n_firings, dtype=np.int64)

    def __call__(self, row: int, ids: Array, activations: Array) -> None:
        """Take rows, as ``blocks.WriteFirings`` does."""
        assert ids.dtype == self._ids.dtype
        assert activations.dtype == self._activations.dtype
        assert row + len(ids) <= len(self._ids)
        self._ids[row : row + len(ids)] = ids
        self._activations[row : row + len(ids)] = activations
        self._times[row : row + len(ids)] += 1

    def whole(self) -> tuple[Array, Array]:
        """Return ids and activations of all rows."""
        assert (self._times == 1).all()
        return self._ids, self._activations
