"""Tiny SAEs, calibrated to the model they read, in the two layouts that are read natively."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file

N_SILENT = 4
"""Latents 0 to 3 never fire."""

ALWAYS = 4
"""Latent 4 fires on every token."""

THRESHOLD = 0.5
SAELENS_VERSION = "6.54.12"


@dataclass(frozen=True)
class TinySae:
    """Parameters of an SAE; tensors are float32."""

    w_enc: torch.Tensor
    w_dec: torch.Tensor
    b_enc: torch.Tensor
    b_dec: torch.Tensor
    threshold: torch.Tensor


def calibrated_sae(
    residual: torch.Tensor,
    *,
    n_latents: int,
    seed: int,
    rates: tuple[float, float] = (0.002, 0.1),
) -> TinySae:
    """Draw an SAE whose latents fire on a given part of the given residual vectors.

    Parameters
    ----------
    residual
        (n_tokens, d_model) float32, what the SAE will read.
    n_latents
        Width. Latents 0 to 3 stay silent, latent 4 always fires.
    seed
        Same seed and residual, same SAE.
    rates
        Least and greatest part of the vectors on which a latent fires, log-uniform between.
    """
    draw = torch.Generator().manual_seed(seed)
    w_enc = torch.randn(residual.shape[1], n_latents, generator=draw)
    w_enc /= w_enc.norm(dim=0)
    low, high = rates
    rate = low * (high / low) ** torch.rand(n_latents, generator=draw)
    threshold = THRESHOLD * (0.5 + torch.rand(n_latents, generator=draw))
    projected = (residual @ w_enc).sort(dim=0).values
    rank = ((1 - rate) * (residual.shape[0] - 1)).long()
    # In the widest gap nearby: at a value, rounding would decide whether it fires.
    nearby = (rank + torch.arange(-10, 11)[:, None]).clamp(0, len(residual) - 1)
    values = projected.gather(0, nearby)
    widest = values.diff(dim=0).argmax(dim=0, keepdim=True)
    b_enc = threshold - (values.gather(0, widest) + values.gather(0, widest + 1))[0] / 2
    b_enc[:N_SILENT] = -1e4
    b_enc[ALWAYS] = 10 * projected.abs().max() + 1
    b_dec = 0.1 * torch.randn(residual.shape[1], generator=draw)
    return TinySae(w_enc, w_enc.T.contiguous(), b_enc, b_dec, threshold)


def write_gemma_scope_sae(folder: Path, sae: TinySae, *, layer: int, model_id: str) -> None:
    """Write the files of a Gemma Scope 2 residual SAE."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        "w_enc": sae.w_enc,
        "w_dec": sae.w_dec,
        "b_enc": sae.b_enc,
        "b_dec": sae.b_dec,
        "threshold": sae.threshold,
    }
    save_file(tensors, folder / "params.safetensors")
    config = {
        "hf_hook_point_in": f"model.layers.{layer}.output",
        "hf_hook_point_out": f"model.layers.{layer}.output",
        "width": sae.w_enc.shape[1],
        "model_name": model_id,
        "architecture": "jump_relu",
        "l0": 10,
        "affine_connection": False,
        "type": "sae",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def write_saelens_sae(
    folder: Path,
    sae: TinySae,
    *,
    layer: int,
    model_id: str,
    architecture: Literal["jumprelu", "standard"] = "jumprelu",
    apply_b_dec_to_input: bool = False,
    **overrides: Any,
) -> None:
    """Write the files of a SAELens SAE; ``overrides`` replace keys of ``cfg.json``.

    ``standard`` has no thresholds: its biases are moved so that it fires on the same tokens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    b_enc = sae.b_enc
    tensors = {"W_enc": sae.w_enc, "W_dec": sae.w_dec, "b_dec": sae.b_dec}
    if apply_b_dec_to_input:
        b_enc = b_enc + sae.b_dec @ sae.w_enc
    if architecture == "jumprelu":
        tensors["threshold"] = sae.threshold
    else:
        b_enc = b_enc - sae.threshold
    save_file({**tensors, "b_enc": b_enc.contiguous()}, folder / "sae_weights.safetensors")
    config = {
        "architecture": architecture,
        "d_in": sae.w_enc.shape[0],
        "d_sae": sae.w_enc.shape[1],
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": apply_b_dec_to_input,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": SAELENS_VERSION,
            "model_name": model_id,
            "hook_name": f"blocks.{layer}.hook_resid_post",
            "prepend_bos": True,
            "context_size": 64,
        },
        **overrides,
    }
    (folder / "cfg.json").write_text(json.dumps(config, indent=2))
