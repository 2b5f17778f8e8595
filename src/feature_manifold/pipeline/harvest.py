"""Stage ``harvest``: run the model and its SAE over the token table."""

from dataclasses import asdict

from feature_manifold.core.config import ExperimentConfig, resolve_path, width_names
from feature_manifold.core.errors import SaeError
from feature_manifold.index.labels import shard_labels
from feature_manifold.pipeline.labels import latent_labels_payload
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.fingerprint import local_fingerprints
from feature_manifold.store.layout import (
    DECODER,
    FORMAT_VERSIONS,
    LATENT_LABELS,
    METADATA,
    ExperimentPaths,
)
from feature_manifold.store.manifest import read_manifest
from feature_manifold.store.shards import open_committed
from feature_manifold.store.spec_layout import write_json
from feature_manifold.store.token_table import (
    INSERTED,
    load_metadata,
    load_vocabulary,
    open_token_table,
    save_metadata,
)

# A token id of four bytes and an activation of two.
FIRING_BYTES = 6
# Active latents per token that the published sizes were trained to, as an estimate.
PUBLISHED_L0 = {"small": 20, "medium": 60, "big": 150}
DEFAULT_L0 = 60
# float32 decoder rows of Gemma 3 27B, the longest of the models with published SAEs.
DECODER_ROW_BYTES = 4 * 5376


def _run(context: StageContext) -> StageResult:
    # Imported here: it needs torch, which planning and exploring do not.
    from feature_manifold.harvest import run_harvest, write_decoder

    config, raw = context.config, context.folder
    tokens = open_token_table(context.paths.corpus)
    # The decoder comes first: it tells in seconds whether this is the SAE that was meant.
    n_latents, _ = write_decoder(config, context.paths.decoder, progress=context.progress)
    check_width(config, n_latents)
    facts = run_harvest(
        config,
        tokens,
        raw,
        special_ids=load_metadata(context.paths.corpus)["special_ids"],
        config_part=context.stage_config("harvest"),
        inputs=dict(context.inputs),
        progress=context.progress,
    )
    write_labels(context)
    n_tokens = int((tokens.position != INSERTED).sum())
    identity = _identity(config, n_tokens=n_tokens, n_shards=facts.n_shards)
    metadata = {**asdict(facts), **identity}
    save_metadata(raw, metadata)
    save_metadata(context.paths.root, metadata)
    outside = (f"../{DECODER}", f"../{METADATA}")
    return StageResult(facts=asdict(facts), outside=outside)


def check_width(config: ExperimentConfig, n_latents: int) -> None:
    """Refuse an SAE that is not as wide as ``sae-width`` says, because that names the experiment.

    The ids of Gemma Scope 2 hold the width and were compared with the config when it was found.

    Raises
    ------
    SaeError
        Saying what to set.
    """
    says_width = config.sae_path is None and (
        config.sae_id is None or f"_width_{config.sae_width}_" in config.sae_id
    )
    names = width_names(n_latents)
    if not says_width and config.sae_width not in names:
        raise SaeError(
            f"The SAE has {n_latents:,} latents and sae-width is {config.sae_width}. "
            f"Set sae-width: {names[0]}, or name the SAE that you mean."
        )


def write_labels(context: StageContext) -> None:
    """Write ``latent_labels.json`` beside the shards."""
    tokens = open_token_table(context.paths.corpus)
    shards = open_committed(context.folder)
    labels = shard_labels(shards, tokens.token_id, progress=context.progress)
    vocabulary = load_vocabulary(context.paths.corpus)
    payload = latent_labels_payload(labels, vocabulary)
    write_json(context.folder / LATENT_LABELS, payload)


def _identity(config: ExperimentConfig, *, n_tokens: int, n_shards: int) -> dict[str, object]:
    """Return what names the experiment, under the specification's keys."""
    return {
        "experiment_id": config.experiment_id,
        "model_name": config.model,
        "layer": config.layer,
        "sae_width": config.sae_width,
        "sae_l0": config.sae_l0,
        "corpus": config.corpus,
        "num_tokens": n_tokens,
        "num_shards": n_shards,
    }


def _check(config: ExperimentConfig) -> None:
    # Imported here: it needs torch, which planning and exploring do not.
    from feature_manifold.harvest import check_harvest

    check_harvest(config)


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    return estimated_firings(config, paths) * FIRING_BYTES + _decoder_bytes(config)


def estimated_firings(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    """Return about how many firings there will be."""
    manifest = read_manifest(paths.corpus)
    known = manifest.facts if manifest else {}
    n_tokens = int(known.get("num_tokens", config.num_tokens))
    return n_tokens * PUBLISHED_L0.get(config.sae_l0, DEFAULT_L0)


def _decoder_bytes(config: ExperimentConfig) -> int:
    """Return about what ``decoder.npy`` takes; half of an SAE that is on this machine."""
    folder = resolve_path(config.sae_path) if config.sae_path else None
    if folder is None:
        return config.nominal_latents * DECODER_ROW_BYTES
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) // 2


def _fingerprints(config: ExperimentConfig, paths: ExperimentPaths) -> dict[str, str]:
    return local_fingerprints({"model-files": config.model, "sae-files": config.sae_path})


HARVEST = Stage(
    name="harvest",
    version=FORMAT_VERSIONS["harvest"],
    does="run the model and its SAE over the tokens",
    folder=lambda paths: paths.raw_activations,
    inputs=("corpus",),
    run=_run,
    estimate=_estimate,
    fingerprints=_fingerprints,
    resumable=True,
    check=_check,
)
