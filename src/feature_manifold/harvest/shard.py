"""The firings of one range of windows: model, SAE, sort."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from feature_manifold.core.arrays import FLOAT16_MAX, Array
from feature_manifold.core.errors import ModelError
from feature_manifold.harvest.batches import POOL_ROWS, Batch, batches_by_length, cut_ranges
from feature_manifold.harvest.encode import FiringCollector
from feature_manifold.harvest.finite import all_finite
from feature_manifold.harvest.model import ResidualModel
from feature_manifold.harvest.sae import Sae
from feature_manifold.store.shards import Shard
from feature_manifold.store.token_table import TokenTable

ENCODE_ROWS = {"cpu": 1024, "gpu": 8192}
"""Tokens encoded at a time. On a CPU the product of a chunk must stay small enough for the
allocator to reuse its memory: with 4,096 tokens half of the time went to page faults."""

LEAST_FLOAT16 = np.float32(2**-24)
"""Smallest positive float16: a firing is not rounded to an activation of zero."""


@dataclass(frozen=True)
class ShardHarvester:
    """Turns ranges of windows into shards.

    Attributes
    ----------
    model, sae
        The two halves of the work, on one device.
    table
        Tokens and windows.
    special_ids
        Token ids that the model sees and that never fire.
    max_rows
        Bound on a padded batch.
    latent_chunk
        Latents encoded at a time.
    """

    model: ResidualModel
    sae: Sae
    table: TokenTable
    special_ids: npt.NDArray[np.int64]
    max_rows: int
    latent_chunk: int

    def harvest(self, first: int, last: int, *, advance: Callable[[int], None]) -> Shard:
        """Harvest windows ``[first, last)``.

        The residual vectors of a pool of consecutive windows are held at a time, in token order
        whatever the batches were; so neither batch size nor batch order reaches the SAE.

        Parameters
        ----------
        first, last
            Range of windows.
        advance
            Told the number of token rows done; may raise to stop the work.

        Returns
        -------
        Shard
            Sorted by latent, then token; float16, or float32 if a value exceeds it.

        Raises
        ------
        ModelError
            If the residual stream or an activation is not finite.
        """
        windows = self.table.windows
        collector = FiringCollector(self.sae.n_latents)
        for pool_first, pool_last in cut_ranges(windows, rows=POOL_ROWS, first=first, last=last):
            tokens, residual = self.residual(pool_first, pool_last, advance=advance)
            n_rows = encode_rows(self.model.device)
            for start in range(0, len(tokens), n_rows):
                # On a CPU a pool takes a large SAE minutes, which an interrupt must not wait for.
                advance(0)
                block = residual[start : start + n_rows].float()
                rows = tokens[start : start + n_rows].astype(np.uint32)
                for firings in self.sae.firings(block, latent_chunk=self.latent_chunk):
                    collector.add(firings, rows)
        indptr, firing_tokens, values = collector.sorted()
        self._check_values(values, firing_tokens)
        return Shard(
            indptr=indptr,
            tokens=firing_tokens,
            activations=_stored(values),
            start=int(windows[first]),
            stop=int(windows[last]),
        )

    def residual(
        self, first: int, last: int, *, advance: Callable[[int], None]
    ) -> tuple[npt.NDArray[np.int64], torch.Tensor]:
        """Run the model on windows ``[first, last)``.

        Returns
        -------
        tokens
            int64 (n,), rows of the token table, rising, without special tokens.
        residual
            (n, d_model) in the model's dtype, on its device.

        Raises
        ------
        ModelError
            If a vector is not finite.
        """
        windows = self.table.windows
        start, stop = int(windows[first]), int(windows[last])
        token_id = np.asarray(self.table.token_id[start:stop], dtype=np.int64)
        keep = ~np.isin(token_id, self.special_ids)
        # Place of each kept token among the kept ones; others are written nowhere.
        place = np.where(keep, np.cumsum(keep) - 1, -1)
        residual = torch.empty(
            (int(keep.sum()), self.model.d_model), dtype=self.model.dtype, device=self.model.device
        )
        for batch in batches_by_length(windows, first=first, last=last, max_rows=self.max_rows):
            rows = _batch_rows(windows, batch, start)
            hidden = self.model.residual(torch.from_numpy(np.where(rows < 0, 0, token_id[rows])))
            target = np.where(rows < 0, -1, place[rows]).ravel()
            at = np.flatnonzero(target >= 0)
            source, goal = (
                torch.from_numpy(index).to(self.model.device) for index in (at, target[at])
            )
            kept = hidden.reshape(-1, hidden.shape[-1]).index_select(0, source)
            residual.index_copy_(0, goal, kept)
            advance(int((rows >= 0).sum()))
        tokens = np.flatnonzero(keep) + start
        self._check_residual(residual, tokens)
        return tokens, residual

    def _check_residual(self, residual: torch.Tensor, tokens: npt.NDArray[np.int64]) -> None:
        if not all_finite(residual):
            finite = torch.isfinite(residual).all(dim=1)
            token = int(tokens[int((~finite).nonzero()[0, 0])])
            raise ModelError(
                f"The model's residual stream is NaN or infinite at {self._where(token)}. "
                "Check the checkpoint, or try dtype: float32."
            )

    def _check_values(self, values: Array, tokens: Array) -> None:
        finite = np.isfinite(values)
        if not finite.all():
            token = int(tokens[int(np.flatnonzero(~finite)[0])])
            raise ModelError(
                f"An SAE activation is NaN or infinite at {self._where(token)}. Does this SAE "
                "belong to this model and layer?"
            )

    def _where(self, token: int) -> str:
        doc_id, position = int(self.table.doc_id[token]), int(self.table.position[token])
        return f"token row {token:,} (document {doc_id:,}, offset {position:,})"


def encode_rows(device: torch.device) -> int:
    """Return how many tokens are encoded at a time."""
    return ENCODE_ROWS["cpu" if device.type == "cpu" else "gpu"]


def _batch_rows(windows: Array, batch: Batch, start: int) -> npt.NDArray[np.int64]:
    """Return token rows less ``start``, -1 for padding, int64 (n_windows, length)."""
    begin = np.asarray(windows[batch.windows])[:, None]
    end = np.asarray(windows[batch.windows + 1])[:, None]
    rows = begin + np.arange(batch.length)
    return np.where(rows < end, rows - start, -1)


def _stored(values: npt.NDArray[np.float32]) -> Array:
    """Narrow activations to float16 if all of them fit, relative error at most 2**-11."""
    if values.size and float(values.max()) > FLOAT16_MAX:
        return values
    return np.maximum(values, LEAST_FLOAT16).astype(np.float16)
