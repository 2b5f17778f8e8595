"""Measure an SAE on the first tokens of its corpus, without making an experiment."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.progress import Progress
from feature_manifold.store.token_table import load_metadata, open_token_table

if TYPE_CHECKING:
    from feature_manifold.harvest import SaeSanity


def measure_sae(config: ExperimentConfig, *, n_tokens: int, progress: Progress) -> "SaeSanity":
    """Return sparsity and variance explained on ``n_tokens`` corpus tokens.

    Parameters
    ----------
    config
        Names model, layer, SAE and corpus.
    n_tokens
        Tokens to measure, at most.
    progress
        Reports to the user.

    Raises
    ------
    CorpusError, ModelError, SaeError, DeviceError, ConfigError, MissingExtraError
        Whatever stands in the way of a harvest.
    """
    # Imported here: they need torch, which planning and exploring do not.
    from feature_manifold.corpus import build_token_table
    from feature_manifold.harvest import check_harvest, sae_sanity

    config = config.replaced(num_tokens=n_tokens)
    check_harvest(config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_token_table(config, folder, progress=progress)
        return sae_sanity(
            config,
            open_token_table(folder),
            special_ids=load_metadata(folder)["special_ids"],
            progress=progress,
        )
