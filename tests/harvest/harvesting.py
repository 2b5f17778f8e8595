"""Run the corpus and harvest stages as the pipeline does, without the pipeline."""

import hashlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from feature_manifold.core.config import make_config
from feature_manifold.core.progress import Progress, SilentProgress
from feature_manifold.corpus import build_token_table
from feature_manifold.harvest import HarvestFacts, run_harvest
from feature_manifold.store.shards import open_shard, shard_folders
from feature_manifold.store.token_table import TokenTable, load_metadata, open_token_table
from feature_manifold.testing.hub import use_hub
from feature_manifold.testing.tiny import TinyExperiment, TinyHub

Tiny = TinyHub | TinyExperiment


def in_hub(tiny: Tiny) -> Any:
    return use_hub(tiny.hub) if isinstance(tiny, TinyHub) else nullcontext()


def make_table(tiny: Tiny, folder: Path, **changes: Any) -> TokenTable:
    folder.mkdir(parents=True, exist_ok=True)
    with in_hub(tiny):
        build_token_table(make_config(tiny.config(**changes)), folder, progress=SilentProgress())
    return open_token_table(folder)


def harvest(
    tiny: Tiny,
    corpus: Path,
    raw: Path,
    *,
    progress: Progress | None = None,
    **changes: Any,
) -> HarvestFacts:
    config = make_config(tiny.config(**changes))
    with in_hub(tiny):
        return run_harvest(
            config,
            open_token_table(corpus),
            raw,
            special_ids=load_metadata(corpus)["special_ids"],
            config_part=config.stage_config("harvest"),
            inputs={"corpus": "0" * 64},
            progress=progress or SilentProgress(),
        )


def file_hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def dense_firings(raw: Path, *, n_tokens: int, n_latents: int) -> npt.NDArray[np.float32]:
    """Lay all shards out as a matrix (n_tokens, n_latents); small data only."""
    dense = np.zeros((n_tokens, n_latents), dtype=np.float32)
    for folder in shard_folders(raw):
        shard = open_shard(folder)
        latent = np.repeat(np.arange(shard.n_latents), np.diff(shard.indptr))
        dense[shard.tokens, latent] = shard.activations
    return dense


def whole_model_residual(model: Any, table: TokenTable, *, layer: int) -> torch.Tensor:
    """Run every window alone through the whole model: (n_tokens, d_model), put-in BOS included."""
    parts = []
    with torch.inference_mode():
        for start, stop in zip(table.windows[:-1], table.windows[1:], strict=True):
            ids = torch.from_numpy(np.array(table.token_id[start:stop], dtype=np.int64))[None]
            out = model(input_ids=ids, output_hidden_states=True, use_cache=False)
            parts.append(out.hidden_states[layer + 1][0])
    return torch.cat(parts)
