"""Sparse autoencoders that are an affine map and a threshold, read natively from five tensors."""

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from feature_manifold.core.arrays import Float32Array
from feature_manifold.core.errors import SaeError
from feature_manifold.harvest.encode import FiringBlock, encode_block, latent_chunks
from feature_manifold.harvest.finite import all_finite

logger = logging.getLogger(__name__)

SCOPE_FILE = "params.safetensors"
SAELENS_FILE = "sae_weights.safetensors"
SCOPE_NAMES = {name: name for name in ("w_enc", "w_dec", "b_enc", "b_dec", "threshold")}
SAELENS_NAMES = {
    "w_enc": "W_enc",
    "w_dec": "W_dec",
    "b_enc": "b_enc",
    "b_dec": "b_dec",
    "threshold": "threshold",
}
HOOK = re.compile(r"(?:blocks\.(\d+)\.hook_resid_(post|pre)|(?:\w+\.)*layers\.(\d+)\.output)")


@dataclass(frozen=True)
class SaeProvenance:
    """Which SAE this is: layer, width and l0 alone do not say.

    Attributes
    ----------
    release, sae_id
        Published names; a local folder's name and an empty id otherwise.
    sha256
        Of the parameter file, or of the tensors for an SAE that SAELens loaded.
    architecture
        ``jumprelu``, ``standard``, or SAELens' name of it.
    """

    release: str
    sae_id: str
    sha256: str
    architecture: str


class Sae(Protocol):
    """What the harvest asks of an SAE."""

    d_model: int
    n_latents: int
    provenance: SaeProvenance

    def firings(self, residual: torch.Tensor, *, latent_chunk: int) -> Iterator[FiringBlock]:
        """Encode (n, d_model) float32; rows must not fall from block to block within a latent."""

    def reconstruct(self, residual: torch.Tensor, *, latent_chunk: int) -> torch.Tensor:
        """Encode and decode (n, d_model) float32."""

    def decoder_rows(self, start: int, stop: int) -> Float32Array:
        """Return decoder rows [start, stop), (n, d_model)."""


class ThresholdSae:
    """a = h where h > max(threshold, 0), h = (x - b) W_enc + b_enc, all in float32.

    JumpReLU SAEs, Gemma Scope 2's among them, and ReLU SAEs, whose thresholds are 0. ``b`` is
    ``b_dec`` where the SAE subtracts it from its input and absent otherwise. The activation is
    bit for bit that of SAELens' ``encode`` in float32.

    Parameters
    ----------
    path
        safetensors file. Tensors of any float type are widened to float32; the decoder stays on
        the disk until its rows are asked for.
    names
        Tensor names in the file, by ``w_enc``, ``w_dec``, ``b_enc``, ``b_dec``, ``threshold``.
    provenance
        Which SAE it is.
    subtract_b_dec
        Subtract ``b_dec`` from the input.
    device
        Where to put the encoder.

    Raises
    ------
    SaeError
        If a tensor is missing, of the wrong shape, or not finite.
    """

    def __init__(
        self,
        path: Path,
        names: dict[str, str],
        provenance: SaeProvenance,
        *,
        subtract_b_dec: bool,
        device: torch.device,
    ) -> None:
        self._path, self._names, self._device = path, names, device
        self._subtract = subtract_b_dec
        self.provenance = provenance
        self._w_enc = self._tensor("w_enc")
        if self._w_enc.ndim != 2:
            raise SaeError(f"{path}: {names['w_enc']} is no matrix (d_model, n_latents).")
        self.d_model, self.n_latents = self._w_enc.shape
        self._b_enc = self._tensor("b_enc", self.n_latents)
        self._b_dec = self._tensor("b_dec", self.d_model)
        if "threshold" in names:
            # Values at or below zero never fire: the clamp is the ReLU.
            self._threshold = self._tensor("threshold", self.n_latents).clamp(min=0)
        else:
            self._threshold = torch.zeros_like(self._b_enc)

    def firings(self, residual: torch.Tensor, *, latent_chunk: int) -> Iterator[FiringBlock]:
        """Yield what fires, latents rising from block to block."""
        return encode_block(
            self._input(residual),
            self._w_enc,
            self._b_enc,
            self._threshold,
            latent_chunk=latent_chunk,
        )

    def reconstruct(self, residual: torch.Tensor, *, latent_chunk: int) -> torch.Tensor:
        """Return a W_dec + b_dec, (n, d_model), summed over chunks of latents."""
        x = self._input(residual)
        out = self._b_dec.repeat(len(x), 1)
        for start, stop in latent_chunks(self.n_latents, latent_chunk):
            part = slice(start, stop)
            hidden = x @ self._w_enc[:, part] + self._b_enc[part]
            acts = torch.where(hidden > self._threshold[part], hidden, 0)
            rows = torch.from_numpy(self.decoder_rows(start, stop))
            out += acts @ rows.to(self._device)
        return out

    def decoder_rows(self, start: int, stop: int) -> Float32Array:
        """Read decoder rows [start, stop) from the file, float32 (n, d_model)."""
        with _opened(self._path) as file:
            rows = file.get_slice(self._names["w_dec"])
            if tuple(rows.get_shape()) != (self.n_latents, self.d_model):
                raise SaeError(
                    f"{self._path}: {self._names['w_dec']} has shape {tuple(rows.get_shape())}, "
                    f"expected {(self.n_latents, self.d_model)}."
                )
            values: Float32Array = rows[start:stop].float().numpy()
        if not np.isfinite(values).all():
            raise SaeError(f"{self._path}: {self._names['w_dec']} has NaN or infinite values.")
        return values

    def _input(self, residual: torch.Tensor) -> torch.Tensor:
        return residual - self._b_dec if self._subtract else residual

    def _tensor(self, key: str, *shape: int) -> torch.Tensor:
        name = self._names[key]
        with _opened(self._path) as file:
            if name not in file.keys():  # noqa: SIM118 - not a mapping
                raise SaeError(f"{self._path} has no tensor '{name}', only {sorted(file.keys())}.")
            tensor: torch.Tensor = file.get_tensor(name).to(self._device, torch.float32)
        if shape and tuple(tensor.shape) != shape:
            raise SaeError(
                f"{self._path}: '{name}' has shape {tuple(tensor.shape)}, expected {shape}."
            )
        if not all_finite(tensor):
            raise SaeError(f"{self._path}: '{name}' has NaN or infinite values.")
        return tensor


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError:
        raise SaeError(f"No SAE file {path}. Check 'sae-path' in the config.") from None
    except (OSError, SafetensorError) as error:
        raise SaeError(f"{path} is not a sound safetensors file: {error}") from error


def load_scope_folder(
    path: Path,
    config_path: Path | None,
    release: str,
    sae_id: str,
    *,
    layer: int,
    device: torch.device,
) -> ThresholdSae:
    """Load an SAE in Gemma Scope 2's own layout.

    Parameters
    ----------
    path
        Its ``params.safetensors``.
    config_path
        Its ``config.json``; some published folders have none.
    release, sae_id
        Recorded as provenance.
    layer
        Block whose output the SAE must read.
    device
        Where to put the encoder.

    Raises
    ------
    SaeError
        If it is a transcoder, or reads another place of the model.
    """
    config = _read_json(config_path) if config_path is not None else {}
    kind = str(config.get("type", "sae")).lower()
    architecture = str(config.get("architecture", "jump_relu"))
    with _opened(path) as file:
        is_affine = "affine_skip_connection" in file.keys()  # noqa: SIM118
    if config.get("affine_connection") or is_affine or "coder" in kind.replace("autoencoder", ""):
        raise SaeError(f"{path} is a transcoder, not an SAE of the residual stream.")
    if architecture != "jump_relu":
        raise SaeError(f"{path}: architecture '{architecture}', expected 'jump_relu'.")
    if config_path is not None or not sae_id:
        # A published SAE without config.json has its layer in its id, which was looked up.
        check_hook(config.get("hf_hook_point_in"), layer=layer, where=str(path.parent))
    provenance = SaeProvenance(release, sae_id, file_sha256(path), "jumprelu")
    return ThresholdSae(path, SCOPE_NAMES, provenance, subtract_b_dec=False, device=device)


def load_saelens_folder(folder: Path, *, layer: int, device: torch.device) -> ThresholdSae | None:
    """Load an SAE in SAELens' layout, or return None for one that SAELens itself must run.

    Raises
    ------
    SaeError
        If a file is damaged or the SAE reads another place of the model.
    """
    config = _read_json(folder / "cfg.json")
    path = folder / SAELENS_FILE
    architecture = config.get("architecture")
    with _opened(path) as file:
        tensors = set(file.keys())
    names = dict(SAELENS_NAMES)
    if architecture == "standard":
        del names["threshold"]
    is_plain = (
        architecture in {"standard", "jumprelu"}
        and config.get("normalize_activations", "none") == "none"
        and config.get("reshape_activations", "none") == "none"
        and config.get("activation_fn", "relu") == "relu"
        and isinstance(config.get("metadata"), dict)
        and tensors == set(names.values())
    )
    if not is_plain:
        return None
    check_hook(config["metadata"].get("hook_name"), layer=layer, where=str(folder / "cfg.json"))
    provenance = SaeProvenance(folder.name, "", file_sha256(path), str(architecture))
    # SAELens takes a missing key for true.
    subtract = bool(config.get("apply_b_dec_to_input", True))
    return ThresholdSae(path, names, provenance, subtract_b_dec=subtract, device=device)


def check_hook(name: str | None, *, layer: int, where: str) -> None:
    """Refuse an SAE that was trained on another place of the model.

    The input of block N is the residual stream after block N - 1.

    Raises
    ------
    SaeError
        Naming the layer to set, where there is one.
    """
    if name is None:
        logger.warning("%s does not say where the SAE reads; layer %d is assumed.", where, layer)
        return
    match = HOOK.fullmatch(name)
    if match is None:
        raise SaeError(f"{where}: the SAE reads '{name}', not the residual stream after a block.")
    reads = int(match[1] or match[3]) - (match[2] == "pre")
    if reads != layer:
        hint = f"Set layer: {reads}." if reads >= 0 else "That is before the first block."
        raise SaeError(f"{where}: the SAE reads '{name}', but 'layer' is {layer}. {hint}")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise SaeError(f"No file {path}; the SAE's folder is not complete.") from None
    except ValueError as error:
        raise SaeError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise SaeError(f"{path} is not a JSON object.")
    return values
