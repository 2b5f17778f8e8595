"""Run the demo model over documents and keep its residual stream."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from feature_manifold.core.progress import Progress

if TYPE_CHECKING:
    import torch
    from transformers import Gemma3ForCausalLM

#: Documents per forward pass; 64 x 128 tokens x 779 words of float32 logits would be 25 MB.
DOCUMENTS_PER_PASS = 64


@dataclass(frozen=True)
class Residuals:
    """Residual stream after some layers, one row per token, beginning-of-text tokens left out.

    Attributes
    ----------
    by_layer
        Layer number to float32 (n_tokens, d_model).
    token_ids
        int64 (n_tokens,).
    previous
        Token before each, int64 (n_tokens,).
    """

    by_layer: dict[int, NDArray[np.float32]]
    token_ids: NDArray[np.int64]
    previous: NDArray[np.int64]


def residuals(
    model: "Gemma3ForCausalLM",
    documents: list[list[int]],
    *,
    layers: tuple[int, ...],
    progress: Progress,
) -> Residuals:
    """Collect the residual stream after ``layers`` of every token but the first of a document.

    Parameters
    ----------
    model
        The language model, in evaluation mode.
    documents
        Token ids, each document starting with the beginning-of-text token.
    layers
        Layer numbers from 0; the stream is read after the layer.
    progress
        Told of every document.
    """
    import torch

    kept: dict[int, list[NDArray[np.float32]]] = {layer: [] for layer in layers}
    token_ids, previous = [], []
    with progress.task("Reading the residual stream", total=len(documents), unit="doc") as task:
        for start in range(0, len(documents), DOCUMENTS_PER_PASS):
            batch, real = padded(documents[start : start + DOCUMENTS_PER_PASS])
            streams = hidden_states(model, torch.from_numpy(batch), layers)
            keep = real[:, 1:]
            for layer, stream in streams.items():
                kept[layer].append(stream.numpy()[:, 1:][keep])
            token_ids.append(batch[:, 1:][keep])
            previous.append(batch[:, :-1][keep])
            task.advance(len(batch))
    return Residuals(
        {layer: np.concatenate(parts) for layer, parts in kept.items()},
        np.concatenate(token_ids),
        np.concatenate(previous),
    )


def hidden_states(
    model: "Gemma3ForCausalLM", token_ids: "torch.Tensor", layers: tuple[int, ...]
) -> dict[int, "torch.Tensor"]:
    """Residual stream after each of ``layers`` for a batch, float32 (batch, length, d_model)."""
    import torch

    with torch.no_grad():
        output = model.model(input_ids=token_ids, output_hidden_states=True, use_cache=False)
    # Entry 0 is the embedding; the last entry is normalised and never asked for.
    return {layer: output.hidden_states[layer + 1] for layer in layers}


def padded(documents: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Stack documents of unequal length.

    Padding is on the right, where a causal model never looks from a real token.

    Returns
    -------
    token_ids, is_real
        Both (n_documents, longest).
    """
    lengths = np.array([len(document) for document in documents])
    is_real = np.arange(lengths.max()) < lengths[:, None]
    token_ids = np.zeros(is_real.shape, dtype=np.int64)
    token_ids[is_real] = np.concatenate([np.asarray(document) for document in documents])
    return token_ids, is_real
