"""From a config to an SAE: local folder, Gemma Scope 2, or SAELens."""

import logging
from pathlib import Path

import torch

from feature_manifold.core.config import ExperimentConfig, resolve_path
from feature_manifold.core.errors import ConfigError, SaeError
from feature_manifold.core.hub import hub_access, hub_file
from feature_manifold.harvest import saelens
from feature_manifold.harvest.gemma_scope import (
    SAE_ID,
    ScopeSae,
    find_scope_sae,
    is_scope_release,
    release_of_model,
    sae_id_of,
)
from feature_manifold.harvest.model import ModelFacts, model_facts
from feature_manifold.harvest.sae import (
    SAELENS_FILE,
    SCOPE_FILE,
    Sae,
    load_saelens_folder,
    load_scope_folder,
)

logger = logging.getLogger(__name__)

DECODER_ROWS = 1024
"""Decoder rows read at a time: 1,024 x 5,376 x float32 = 22 MB."""


def load_sae(config: ExperimentConfig, device: torch.device) -> Sae:
    """Load the SAE that a config names.

    ``sae-path`` comes first, then ``sae-release``, then the Gemma Scope 2 release of the model.
    Gemma Scope 2 and plain SAELens folders are read natively; everything else by SAELens.

    Parameters
    ----------
    config
        Names the SAE and the layer it must read.
    device
        Where to put the encoder.

    Raises
    ------
    SaeError
        If there is no such SAE (the valid ids are listed, nearest first), its files are damaged,
        or it reads another place of the model.
    ConfigError
        If ``sae-id`` contradicts layer, width or l0, which name the experiment.
    MissingExtraError
        If SAELens is needed and not installed.
    """
    if config.sae_path is not None:
        return _load_folder(_sae_folder(config.sae_path), layer=config.layer, device=device)
    release = _release(config)
    if not is_scope_release(release):
        return saelens.load_release(release, config.sae_id, layer=config.layer, device=device)
    return _load_scope(_scope_sae(config, release), layer=config.layer, device=device)


def check_sae_name(config: ExperimentConfig) -> None:
    """Check what can be said of the SAE in a moment: no weights, no network.

    Raises
    ------
    SaeError, ConfigError, MissingExtraError
        As ``load_sae`` does.
    """
    if config.sae_path is not None:
        _sae_folder(config.sae_path)
        return
    release = _release(config)
    if is_scope_release(release):
        _scope_sae(config, release)
    else:
        saelens.check_installed(f"Release '{release}'")


def load_fitting_sae(config: ExperimentConfig, device: torch.device) -> tuple[Sae, ModelFacts]:
    """Load the SAE of a config and check that it is as wide as the model.

    Raises
    ------
    SaeError
        If the SAE cannot be loaded or does not fit.
    ModelError
        If the model is unknown or out of reach.
    """
    facts = model_facts(config.model)
    sae = load_sae(config, device)
    if sae.d_model != facts.d_model:
        raise SaeError(
            f"The SAE reads vectors of width {sae.d_model} and '{config.model}' has "
            f"{facts.d_model}: they do not belong together."
        )
    return sae, facts


def _sae_folder(value: str) -> Path:
    folder = resolve_path(value)
    if folder is None or not folder.is_dir():
        raise SaeError(f"No SAE folder '{value}'. Check 'sae-path' in the config.")
    if not (folder / SCOPE_FILE).exists() and not (folder / SAELENS_FILE).exists():
        raise SaeError(
            f"Folder {folder} holds no SAE: expected {SCOPE_FILE} (Gemma Scope 2) or "
            f"{SAELENS_FILE} and cfg.json (SAELens)."
        )
    return folder


def _load_folder(folder: Path, *, layer: int, device: torch.device) -> Sae:
    if (folder / SCOPE_FILE).exists():
        config_path = folder / "config.json"
        return load_scope_folder(
            folder / SCOPE_FILE,
            config_path if config_path.exists() else None,
            folder.name,
            "",
            layer=layer,
            device=device,
        )
    native = load_saelens_folder(folder, layer=layer, device=device)
    return native or saelens.load_folder(folder, layer=layer, device=device)


def _release(config: ExperimentConfig) -> str:
    release = config.sae_release or release_of_model(config.model)
    if release is None:
        raise SaeError(
            f"No SAE is known for '{config.model}'. Set sae-release and sae-id (SAELens' names), "
            "or sae-path (a local folder)."
        )
    return release


def _scope_sae(config: ExperimentConfig, release: str) -> ScopeSae:
    sae_id = config.sae_id or sae_id_of(config.layer, config.sae_width, config.sae_l0)
    scope = find_scope_sae(release, sae_id)
    _check_names(config, sae_id)
    return scope


def _load_scope(scope: ScopeSae, *, layer: int, device: torch.device) -> Sae:
    path = hub_file(scope.repo_id, f"{scope.folder}/{SCOPE_FILE}", kind="SAE", error=SaeError)
    return load_scope_folder(
        path, _scope_config(scope), scope.release, scope.sae_id, layer=layer, device=device
    )


def _scope_config(scope: ScopeSae) -> Path | None:
    """Return ``config.json`` of a published SAE; a few folders have none."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    with hub_access(scope.repo_id, kind="SAE", error=SaeError):
        try:
            return Path(hf_hub_download(scope.repo_id, f"{scope.folder}/config.json"))
        except EntryNotFoundError:
            logger.info("%s has no config.json; its names say what it is.", scope.sae_id)
            return None


def _check_names(config: ExperimentConfig, sae_id: str) -> None:
    """Refuse an ``sae-id`` whose layer, width or l0 differ from those in the experiment's name."""
    match = SAE_ID.fullmatch(sae_id)
    if match is None:
        return
    said = {"layer": match[1], "sae-width": match[2], "sae-l0": match[3] + (match[4] or "")}
    for key, wanted in said.items():
        have = str(getattr(config, key.replace("-", "_")))
        if have != wanted and not (key == "sae-l0" and have == match[3]):
            raise ConfigError(f"sae-id is '{sae_id}', but {key} is {have}. Set {key}: {wanted}.")
