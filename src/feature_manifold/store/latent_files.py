"""The specification's ``latents/*.npz``: the firings of one latent in each file."""

from pathlib import Path

import numpy as np

from feature_manifold.core.jobs import in_order
from feature_manifold.core.progress import Progress
from feature_manifold.store.firing_blocks import latent_jobs, read_block
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.layout import latent_name


def write_latent_files(
    folder: Path, firings: FiringsByLatent, *, n_workers: int = 1, progress: Progress
) -> None:
    """Write ``{id:05d}.npz`` of every latent: ``token_indices``, int64, and ``activations``.

    ``folder`` is a staging folder: 65,536 files are committed together, not one by one.

    Raises
    ------
    CorruptArtifactError
        If a firing is out of order or its activation is not finite and positive.
    """

    def write(latents: tuple[int, int]) -> int:
        block = read_block(firings, *latents)
        for latent in range(block.first, block.last):
            row = latent - block.first
            span = slice(block.offsets[row], block.offsets[row + 1])
            with (folder / f"{latent_name(latent)}.npz").open("wb") as file:
                np.savez(
                    file,
                    allow_pickle=False,
                    token_indices=block.tokens[span].astype(np.int64),
                    activations=block.activations[span],
                )
        return block.last - block.first

    with progress.task("latents/*.npz", total=firings.n_latents, unit="latents") as task:
        for done in in_order(write, latent_jobs(firings), n_workers=n_workers):
            task.advance(done)
