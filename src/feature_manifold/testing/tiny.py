"""Whole tiny experiments: model, tokenizer, SAE and corpus, as a user with a GPU finds them.

``tiny_gemma_cache`` makes a Hugging Face cache that holds a Gemma 3 (text-only or multimodal), a
Gemma Scope 2 SAE and the Pile's validation split, all tiny and random. The code under test sees
the published names and layouts and needs no network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from feature_manifold.testing.hub import LocalHub
from feature_manifold.testing.models import (
    gemma3,
    gemma_tokenizer,
    gpt2,
    gpt2_tokenizer,
    save_checkpoint,
)
from feature_manifold.testing.saes import (
    TinySae,
    calibrated_sae,
    write_gemma_scope_sae,
    write_saelens_sae,
)
from feature_manifold.testing.texts import word_soup, write_jsonl

PILE = "monology/pile-uncopyrighted"
N_LATENTS = 256
SEQ_LEN = 48
N_CALIBRATION = 50
"""Documents on which the SAE's firing rates are set."""


@dataclass(frozen=True)
class TinyHub:
    """A hub cache with everything that one Gemma Scope 2 experiment reads."""

    hub: LocalHub
    model_id: str
    layer: int
    n_layers: int
    release: str
    sae_id: str
    model_folder: Path
    sae_folder: Path
    corpus_file: Path
    documents: tuple[str, ...]
    sae: TinySae

    def config(self, **changes: Any) -> dict[str, Any]:
        """Return config values by field name; ``changes`` go on top.

        Small windows and shards, so that a few thousand tokens make several of each.
        """
        return {
            "model": self.model_id,
            "layer": self.layer,
            "sae_width": "16k",
            "sae_l0": "medium",
            "num_tokens": 3000,
            "seq_len": SEQ_LEN,
            "shard_tokens": 1000,
            "batch_size": 4,
            "latent_chunk": 100,
            "dtype": "float32",
            "device": "cpu",
            **changes,
        }


@dataclass(frozen=True)
class TinyExperiment:
    """A local model folder, SAE folder and corpus file."""

    model_folder: Path
    layer: int
    sae_folder: Path
    corpus_file: Path
    documents: tuple[str, ...]
    sae: TinySae

    def config(self, **changes: Any) -> dict[str, Any]:
        """Return config values by field name; ``changes`` go on top."""
        return {
            "model": str(self.model_folder),
            "layer": self.layer,
            "sae_width": "256",
            "sae_path": str(self.sae_folder),
            "corpus": str(self.corpus_file),
            "num_tokens": 3000,
            "seq_len": SEQ_LEN,
            "shard_tokens": 1000,
            "batch_size": 4,
            "latent_chunk": 100,
            "dtype": "float32",
            "device": "cpu",
            **changes,
        }


def tiny_gemma_cache(
    folder: Path,
    *,
    seed: int = 0,
    multimodal: bool = False,
    padding_side: str = "left",
    layer: int | None = None,
    width: str = "16k",
) -> TinyHub:
    """Fill a hub cache with a tiny Gemma 3, its Gemma Scope 2 SAE and a tiny Pile.

    Parameters
    ----------
    folder
        Where the cache goes.
    seed
        Same seed, same weights and text.
    multimodal
        False: text-only class under the name of the 270m model, 7 blocks, SAE after block 5.
        True: multimodal class under the name of the 27b model, 18 blocks, SAE after block 16.
    padding_side
        Written into the tokenizer's files.
    layer, width
        Which published SAE the tiny one stands for; the model gets one block more than it needs.

    Returns
    -------
    TinyHub
        The cache and the names of what is in it; ``use_hub(result.hub)`` makes it visible.
    """
    hub = LocalHub(folder)
    size, default_layer = ("27b", 16) if multimodal else ("270m", 5)
    layer = default_layer if layer is None else layer
    n_layers = layer + 2
    model_id = "google/gemma-3-27b-pt" if multimodal else "google/gemma-3-270m"
    scope_id = f"google/gemma-scope-2-{size}-pt"
    sae_id = f"layer_{layer}_width_{width}_l0_medium"

    documents = word_soup(150, seed=seed)
    corpus_file = hub.repository(PILE, kind="dataset") / "val.jsonl.zst"
    write_jsonl(corpus_file, documents)

    tokenizer = gemma_tokenizer(documents, padding_side=padding_side)
    model = gemma3(
        n_layers=n_layers, vocab_size=len(tokenizer) + 3, multimodal=multimodal, seed=seed
    )
    model_folder = hub.repository(model_id)
    save_checkpoint(model_folder, model, tokenizer)

    ids = tokenizer(documents[:N_CALIBRATION], add_special_tokens=False)["input_ids"]
    residual = residual_rows(model, [[2, *row[: SEQ_LEN - 1]] for row in ids], layer=layer)
    sae = calibrated_sae(residual, n_latents=N_LATENTS, seed=seed)
    sae_folder = hub.repository(scope_id) / "resid_post" / sae_id
    write_gemma_scope_sae(sae_folder, sae, layer=layer, model_id=model_id)
    return TinyHub(
        hub=hub,
        model_id=model_id,
        layer=layer,
        n_layers=n_layers,
        release=f"gemma-scope-2-{size}-pt-res",
        sae_id=sae_id,
        model_folder=model_folder,
        sae_folder=sae_folder,
        corpus_file=corpus_file,
        documents=tuple(documents),
        sae=sae,
    )


def tiny_gpt2(folder: Path, *, seed: int = 0, **sae_options: Any) -> TinyExperiment:
    """Make a tiny GPT-2 folder, a SAELens SAE folder and a ``.jsonl`` corpus.

    ``sae_options`` go to ``write_saelens_sae``.
    """
    documents = word_soup(150, seed=seed)
    corpus_file = folder / "corpus.jsonl"
    write_jsonl(corpus_file, documents)
    tokenizer = gpt2_tokenizer(documents)
    model = gpt2(n_layers=3, vocab_size=len(tokenizer), seed=seed)
    model_folder = folder / "tiny-gpt2"
    save_checkpoint(model_folder, model, tokenizer)
    ids = tokenizer(documents[:N_CALIBRATION], add_special_tokens=False)["input_ids"]
    residual = residual_rows(model, [[0, *row[: SEQ_LEN - 1]] for row in ids], layer=1)
    sae = calibrated_sae(residual, n_latents=N_LATENTS, seed=seed)
    sae_folder = folder / "sae"
    write_saelens_sae(sae_folder, sae, layer=1, model_id="tiny-gpt2", **sae_options)
    return TinyExperiment(model_folder, 1, sae_folder, corpus_file, tuple(documents), sae)


def residual_rows(
    model: PreTrainedModel, rows: Sequence[Sequence[int]], *, layer: int
) -> torch.Tensor:
    """Run the whole model on one row at a time: the slow reference of the harvest's forward.

    Parameters
    ----------
    model
        Any causal language model with more than ``layer + 1`` blocks. (The last hidden state
        that transformers returns has been through the final norm.)
    rows
        Token ids of each row, the first being the BOS.
    layer
        Block after which the residual stream is read.

    Returns
    -------
    torch.Tensor
        (n_tokens, d_model) float32, BOS positions left out, rows one after the other.
    """
    parts = []
    with torch.inference_mode():
        for row in rows:
            if len(row) > 1:
                out = model(
                    input_ids=torch.tensor([list(row)]), output_hidden_states=True, use_cache=False
                )
                parts.append(out.hidden_states[layer + 1][0, 1:].float())
    return torch.cat(parts).clone()
