"""A shard that arrives latent by latent, written at constant memory."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Array
from feature_manifold.store.atomic import begin_folder, commit_folder
from feature_manifold.store.firings import ACTIVATIONS, INDPTR, TOKENS
from feature_manifold.store.manifest import make_manifest, write_manifest
from feature_manifold.store.npy import NpyWriter, save_npy
from feature_manifold.store.shards import SHARD_FORMAT, SHARD_VERSION, shard_folder


def write_latent_shard(
    raw_folder: Path,
    firings: Iterable[tuple[int, Array, Array]],
    *,
    n_latents: int,
    n_tokens: int,
    dtype: npt.DTypeLike,
) -> None:
    """Commit a shard of all tokens.

    Parameters
    ----------
    firings
        Latent, its tokens (uint32, rising) and its activations, by rising latent; latents that
        are left out are silent.
    n_latents, n_tokens
        Sizes.
    dtype
        Type of the activations: float16 or float32.
    """
    folder = shard_folder(raw_folder, 0)
    staging = begin_folder(folder)
    counts = np.zeros(n_latents + 1, dtype=np.int64)
    with (
        NpyWriter(staging / TOKENS, np.uint32) as out_tokens,
        NpyWriter(staging / ACTIVATIONS, dtype) as out_activations,
    ):
        for latent, tokens, activations in firings:
            out_tokens.append(tokens)
            out_activations.append(activations)
            counts[latent + 1] = len(tokens)
    save_npy(staging / INDPTR, np.cumsum(counts))
    manifest = make_manifest(
        staging,
        format=SHARD_FORMAT,
        format_version=SHARD_VERSION,
        config={},
        inputs={},
        seed=None,
        facts={"start": 0, "stop": n_tokens},
    )
    write_manifest(staging, manifest)
    commit_folder(folder)
