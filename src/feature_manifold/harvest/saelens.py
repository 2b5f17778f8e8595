"""Every other SAE, run by SAELens itself: an optional extra, imported when it is needed.

Its ``encode`` forms the dense (tokens x latents) block, so few tokens go in at a time.
"""

import hashlib
import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from feature_manifold.core.arrays import Float32Array
from feature_manifold.core.errors import MissingExtraError, SaeError
from feature_manifold.core.extras import install_command
from feature_manifold.core.hub import hub_access, hub_file
from feature_manifold.harvest.encode import FiringBlock
from feature_manifold.harvest.gemma_scope import find_scope_sae, is_scope_release, nearest
from feature_manifold.harvest.sae import SAELENS_NAMES, SCOPE_FILE, SaeProvenance, check_hook

LOAD_FAILURES = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)

DENSE_ELEMENTS = 1 << 24
"""Elements of the dense block that ``encode`` forms: 64 MiB, and a few copies of it."""


class SaelensSae:
    """Any SAE that SAELens can load.

    Parameters
    ----------
    sae
        ``sae_lens.SAE`` in float32.
    release, sae_id
        Recorded as provenance.
    layer
        Block whose output the SAE must read.

    Raises
    ------
    SaeError
        If it is a transcoder, or reads another place of the model.
    """

    def __init__(self, sae: Any, release: str, sae_id: str, *, layer: int) -> None:
        self._sae = sae
        self.d_model, self.n_latents = int(sae.cfg.d_in), int(sae.cfg.d_sae)
        architecture = str(sae.cfg.architecture())
        where = f"SAE '{sae_id}' of '{release}'"
        if "coder" in architecture:
            raise SaeError(f"{where} is a {architecture}, not an SAE of the residual stream.")
        check_hook(getattr(sae.cfg.metadata, "hook_name", None), layer=layer, where=where)
        digest = hashlib.sha256()
        for name, tensor in sorted(sae.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
        self.provenance = SaeProvenance(release, sae_id, digest.hexdigest(), architecture)

    def firings(self, residual: torch.Tensor, *, latent_chunk: int) -> Iterator[FiringBlock]:
        """Yield what fires, a few rows at a time; ``latent_chunk`` has no effect here."""
        step = max(DENSE_ELEMENTS // self.n_latents, 1)
        for start in range(0, len(residual), step):
            with torch.inference_mode():
                acts = self._sae.encode(residual[start : start + step]).T.contiguous()
            # Asked this way round, NaN shows and is refused.
            latent, row = (acts <= 0).logical_not_().nonzero(as_tuple=True)
            yield FiringBlock(
                latent.to(torch.int32).cpu().numpy(),
                (row + start).to(torch.int32).cpu().numpy(),
                acts[latent, row].float().cpu().numpy(),
            )

    def reconstruct(self, residual: torch.Tensor, *, latent_chunk: int) -> torch.Tensor:
        """Return ``decode(encode(x))``, (n, d_model)."""
        step = max(DENSE_ELEMENTS // self.n_latents, 1)
        with torch.inference_mode():
            parts = [
                self._sae.decode(self._sae.encode(residual[start : start + step]))
                for start in range(0, len(residual), step)
            ]
        return torch.cat(parts)

    def decoder_rows(self, start: int, stop: int) -> Float32Array:
        """Return decoder rows [start, stop), float32 (n, d_model)."""
        rows: Float32Array = self._sae.W_dec[start:stop].detach().float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise SaeError(
                f"The decoder of '{self.provenance.release}' has NaN or infinite values."
            )
        return rows


def load_release(
    release: str, sae_id: str | None, *, layer: int, device: torch.device
) -> SaelensSae:
    """Load a published SAE by SAELens' names.

    Parameters
    ----------
    release, sae_id
        As in SAELens' table.
    layer
        Block whose output the SAE must read.
    device
        Where to put it.

    Raises
    ------
    MissingExtraError
        If SAELens is not installed.
    SaeError
        If the table has no such release or id (the nearest are listed), or loading fails.
    """
    sae_lens = _import_saelens(f"Release '{release}'")
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    table = get_pretrained_saes_directory()
    if release not in table:
        raise SaeError(
            f"No SAE release '{release}'. Nearest: {', '.join(nearest(release, list(table)))}."
        )
    ids = list(table[release].saes_map)
    if sae_id is None or sae_id not in ids:
        asked = f"has no SAE '{sae_id}'" if sae_id else "needs 'sae-id'"
        raise SaeError(
            f"Release '{release}' {asked}. Nearest of {len(ids)}: "
            f"{', '.join(nearest(sae_id or f'layer_{layer}', ids))}."
        )
    options: dict[str, Any] = {"release": release, "sae_id": sae_id, "device": str(device)}
    if is_scope_release(release):
        # SAELens' own loader asks the hub for tensor shapes even when all files are cached.
        options["converter"] = _scope_converter(release, sae_id)
    repo_id = table[release].repo_id
    with _explained(f"SAE '{sae_id}'"), hub_access(repo_id, kind="SAE", error=SaeError):
        sae = sae_lens.SAE.from_pretrained(**options)
    return SaelensSae(sae.to(torch.float32), release, sae_id, layer=layer)


def load_folder(folder: Path, *, layer: int, device: torch.device) -> SaelensSae:
    """Load an SAE from a folder in SAELens' layout.

    Raises
    ------
    MissingExtraError
        If SAELens is not installed.
    SaeError
        If SAELens cannot read the folder.
    """
    sae_lens = _import_saelens(f"The SAE in {folder}")
    with _explained(f"the SAE in {folder}"):
        sae = sae_lens.SAE.load_from_disk(folder, device=str(device), dtype="float32")
    return SaelensSae(sae, folder.name, "", layer=layer)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what SAELens raises on files that it cannot read into one line."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except LOAD_FAILURES as error:
        detail = " ".join(str(error).split())
        raise SaeError(f"SAELens cannot load {what}: {detail}") from error


def check_installed(what: str) -> None:
    """Check that SAELens is there, without the seconds that importing it takes.

    Raises
    ------
    MissingExtraError
        If it is not.
    """
    if importlib.util.find_spec("sae_lens") is None:
        raise MissingExtraError(f"{what} needs SAELens: {install_command('saelens')}")


def _import_saelens(what: str) -> Any:
    check_installed(what)
    return importlib.import_module("sae_lens")


def _scope_converter(release: str, sae_id: str) -> Any:
    """Return a loader of Gemma Scope 2's files in the form that SAELens asks for."""
    scope = find_scope_sae(release, sae_id)

    def convert(repo_id: str, folder_name: str, device: str = "cpu", **options: Any) -> Any:
        path = hub_file(scope.repo_id, f"{scope.folder}/{SCOPE_FILE}", kind="SAE", error=SaeError)
        raw = load_file(path, device=device)
        d_in, d_sae = raw["w_enc"].shape
        layer = sae_id.split("_")[1]
        config = {
            "architecture": "jumprelu",
            "d_in": d_in,
            "d_sae": d_sae,
            "dtype": "float32",
            "device": device,
            "apply_b_dec_to_input": False,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "hook_name": f"blocks.{layer}.hook_resid_post",
            "prepend_bos": True,
            **(options.get("cfg_overrides") or {}),
        }
        return config, {new: raw[old] for old, new in SAELENS_NAMES.items()}, None

    return convert
