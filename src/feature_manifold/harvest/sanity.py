"""Does this SAE fit this model and layer? Sparsity and variance explained on some tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.progress import Progress
from feature_manifold.harvest.batches import POOL_ROWS, cut_ranges
from feature_manifold.harvest.device import choose_device, explained_memory
from feature_manifold.harvest.model import ModelFacts, ResidualModel
from feature_manifold.harvest.sae import SaeProvenance
from feature_manifold.harvest.sae_source import DECODER_ROWS, load_fitting_sae
from feature_manifold.harvest.shard import ShardHarvester, encode_rows
from feature_manifold.store.token_table import TokenTable


@dataclass(frozen=True)
class SaeSanity:
    """How well an SAE describes the residual stream x, over n tokens without special ones.

    With x' the SAE's reconstruction and m the mean of x over the tokens:

    Attributes
    ----------
    l0
        Latents that fire on a token, mean. Compare with the L0 that the SAE was trained to.
    variance_explained
        1 - sum |x - x'|^2 / sum |x - m|^2, over tokens and dimensions; 1 is perfect, at most 0
        means no better than the mean: the wrong model, layer or SAE.
    mean_squared_error
        sum |x - x'|^2 / (n d_model).
    dead_fraction
        Part of the latents that fire on none of the tokens; falls as tokens are added.
    n_tokens
        Tokens measured.
    """

    l0: float
    variance_explained: float
    mean_squared_error: float
    dead_fraction: float
    n_tokens: int


@dataclass(frozen=True)
class SaeLoading:
    """What was loaded.

    Attributes
    ----------
    provenance
        Which SAE.
    d_model, n_latents
        Its sizes.
    model
        What is known of the model without its weights.
    decoder_norms
        Least and greatest Euclidean norm of a decoder row.
    """

    provenance: SaeProvenance
    d_model: int
    n_latents: int
    model: ModelFacts
    decoder_norms: tuple[float, float]

    def lines(self) -> list[str]:
        """Return a readable account, one fact a line."""
        low, high = self.decoder_norms
        return [
            f"release        {self.provenance.release}",
            f"sae id         {self.provenance.sae_id or '(local folder)'}",
            f"architecture   {self.provenance.architecture}",
            f"sha256         {self.provenance.sha256}",
            f"n_latents      {self.n_latents:,}",
            f"d_model        {self.d_model:,}, as the model",
            f"model          {self.model.n_layers} blocks, revision {self.model.revision}",
            f"decoder norms  {low:.4g} to {high:.4g}",
        ]


def sae_loading_report(config: ExperimentConfig) -> SaeLoading:
    """Load the SAE of a config, decoder included, and the model's configuration without weights.

    Raises
    ------
    SaeError, ModelError, ConfigError, MissingExtraError
        Whatever stands in the way of a harvest.
    """
    sae, facts = load_fitting_sae(config, torch.device("cpu"))
    low, high = np.inf, 0.0
    for start in range(0, sae.n_latents, DECODER_ROWS):
        rows = sae.decoder_rows(start, min(start + DECODER_ROWS, sae.n_latents))
        norms = np.linalg.norm(rows, axis=1)
        low, high = min(low, float(norms.min())), max(high, float(norms.max()))
    return SaeLoading(sae.provenance, sae.d_model, sae.n_latents, facts, (low, high))


def sae_sanity(
    config: ExperimentConfig,
    table: TokenTable,
    *,
    special_ids: Sequence[int],
    progress: Progress,
) -> SaeSanity:
    """Measure an SAE on all tokens of a table.

    Parameters
    ----------
    config
        Names model, layer and SAE.
    table
        Tokens; a few tens of thousands are enough.
    special_ids
        Token ids left out, BOS among them: its residual vector is an outlier that would drown
        the rest.
    progress
        Told of every token row.

    Returns
    -------
    SaeSanity
        Sums are taken in float64.

    Raises
    ------
    SaeError, ModelError, ConfigError, DeviceError, MissingExtraError
        Whatever stands in the way of a harvest.
    """
    device = choose_device(config.device)
    with explained_memory(config, device):
        return _measured(config, device, table, special_ids, progress)


def _measured(
    config: ExperimentConfig,
    device: torch.device,
    table: TokenTable,
    special_ids: Sequence[int],
    progress: Progress,
) -> SaeSanity:
    sae, facts = load_fitting_sae(config, device)
    harvester = ShardHarvester(
        model=ResidualModel(config, device),
        sae=sae,
        table=table,
        special_ids=np.array(special_ids, dtype=np.int64),
        max_rows=config.batch_size * config.seq_len,
        latent_chunk=config.latent_chunk,
    )
    n_rows = encode_rows(device)
    n_tokens = n_firings = 0
    total = torch.zeros(facts.d_model, dtype=torch.float64)
    squares = error = 0.0
    fired = np.zeros(sae.n_latents, dtype=bool)
    with progress.task("sanity check", total=table.n_tokens, unit="tokens") as task:
        for first, last in cut_ranges(table.windows, rows=POOL_ROWS, first=0, last=table.n_windows):
            tokens, residual = harvester.residual(first, last, advance=task.advance)
            for start in range(0, len(tokens), n_rows):
                x = residual[start : start + n_rows].float()
                for block in sae.firings(x, latent_chunk=config.latent_chunk):
                    fired[block.latent] = True
                    n_firings += len(block.latent)
                rebuilt = sae.reconstruct(x, latent_chunk=config.latent_chunk)
                wide = x.cpu().double()
                error += float((wide - rebuilt.cpu().double()).square().sum())
                total += wide.sum(dim=0)
                squares += float(wide.square().sum())
                n_tokens += len(x)
    variance = squares - float(total.square().sum()) / n_tokens
    return SaeSanity(
        l0=n_firings / n_tokens,
        variance_explained=1 - error / variance,
        mean_squared_error=error / (n_tokens * facts.d_model),
        dead_fraction=float(1 - fired.mean()),
        n_tokens=n_tokens,
    )
