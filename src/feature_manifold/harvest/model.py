"""Language models cut after the block that the SAE reads."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from feature_manifold.core.config import ExperimentConfig, resolve_path
from feature_manifold.core.errors import ModelError
from feature_manifold.core.hub import hub_access, hub_file
from feature_manifold.store.fingerprint import fingerprint

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LOAD_FAILURES = (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError)


class _Reached(Exception):
    """Ends a forward pass at the hooked block, so that nothing after it runs."""

    def __init__(self, residual: torch.Tensor) -> None:
        super().__init__()
        self.residual = residual


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before its weights are loaded.

    Attributes
    ----------
    n_layers
        Blocks of the whole model.
    d_model
        Width of the residual stream.
    revision
        Commit of the hub's files, or a fingerprint of the local ones.
    """

    n_layers: int
    d_model: int
    revision: str


class ResidualModel:
    """A causal or conditional-generation model that runs its first blocks only.

    Weights above the hooked block are neither read nor kept, logits are never formed, and in the
    last kept block nothing runs after the residual stream is out. In float32 the result is bit
    for bit ``hidden_states[layer + 1]`` of the whole model. (For the last block it is not:
    transformers applies the final norm to that one.)

    In bfloat16, which the large checkpoints are published in, residuals carry about 3 significant
    digits and differ by 1 to 2 % between attention implementations and, on a GPU, between batch
    shapes; a latent near its threshold may then fire in one harvest and not in another. The dtype
    and the attention implementation are recorded with the data.

    Parameters
    ----------
    config
        Gives model, layer, dtype and attention implementation.
    device
        Where to put it.

    Raises
    ------
    ModelError
        If the model is unknown, out of reach, lacks the layer, or its checkpoint leaves a weight
        uninitialised.
    """

    def __init__(self, config: ExperimentConfig, device: torch.device) -> None:
        model_config = _load_config(config.model)
        n_layers = _text_config(model_config).num_hidden_layers
        check_layer(config, n_layers)
        model = _load_truncated(config, model_config, n_layers, device)
        self._decoder: Any = model.get_decoder()
        self.device = device
        self.dtype = DTYPES[config.dtype]
        self.d_model = int(_text_config(model.config).hidden_size)
        block = _blocks(self._decoder, config)[config.layer]
        block.register_forward_hook(_stop)

    def residual(self, token_id: torch.Tensor) -> torch.Tensor:
        """Return the residual stream after the hooked block.

        Parameters
        ----------
        token_id
            int64 (n, length), one window a row, filled up on the right. No attention mask is
            needed: attention is causal, so no token sees what stands right of it.

        Returns
        -------
        torch.Tensor
            (n, length, d_model) in the model's dtype.
        """
        try:
            with torch.inference_mode():
                self._decoder(input_ids=token_id.to(self.device), use_cache=False)
        except _Reached as reached:
            return reached.residual
        raise ModelError("The model ended before the hooked block; its class is not supported.")


def model_facts(name: str) -> ModelFacts:
    """Read a model's configuration, without its weights.

    Raises
    ------
    ModelError
        If the model is unknown or out of reach.
    """
    config = _load_config(name)
    text = _text_config(config)
    path = resolve_path(name)
    if path is None:
        # The cache keeps a file of commit C in snapshots/C.
        revision = hub_file(name, "config.json", kind="model", error=ModelError).parent.name
    else:
        revision = fingerprint(path)
    return ModelFacts(int(text.num_hidden_layers), int(text.hidden_size), revision)


def check_layer(config: ExperimentConfig, n_layers: int) -> None:
    """Check that the model has the block that the config names.

    Raises
    ------
    ModelError
        Naming the valid range.
    """
    if config.layer >= n_layers:
        raise ModelError(
            f"Model '{config.model}' has {n_layers} blocks: 'layer' is {config.layer}, "
            f"and may be 0 to {n_layers - 1}."
        )


def _stop(module: torch.nn.Module, args: Any, output: Any) -> None:
    # A tensor in transformers 5; some classes still return a tuple.
    raise _Reached(output[0] if isinstance(output, tuple) else output)


def _load_config(name: str) -> Any:
    with _explained(name):
        config: Any = AutoConfig.from_pretrained(resolve_path(name) or name)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"Model '{name}' is an encoder-decoder; give a causal language model.")
    if not hasattr(_text_config(config), "num_hidden_layers"):
        raise ModelError(f"Model '{name}' ({config.model_type}) has no text blocks.")
    return config


def _text_config(config: Any) -> Any:
    return config.get_text_config(decoder=True)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what transformers raises on loading into one line."""
    try:
        with hub_access(name, kind="model", error=ModelError):
            yield
    except torch.OutOfMemoryError:
        raise
    except LOAD_FAILURES as error:
        detail = " ".join(str(error).split())
        raise ModelError(f"Model '{name}' cannot be loaded: {detail}") from error


def _load_truncated(
    config: ExperimentConfig, model_config: Any, n_layers: int, device: torch.device
) -> Any:
    """Load the blocks up to ``config.layer``, and refuse a checkpoint that lacks any of them."""
    cut = copy.deepcopy(model_config)
    _cut_layers(_text_config(cut), config.layer + 1, n_layers)
    causal = type(cut) in AutoModelForCausalLM._model_mapping
    auto: Any = AutoModelForCausalLM if causal else AutoModelForImageTextToText
    options: dict[str, Any] = {"device_map": {"": device}} if device.type != "cpu" else {}
    with _explained(config.model), _without_load_report():
        model, info = auto.from_pretrained(
            resolve_path(config.model) or config.model,
            config=cut,
            dtype=DTYPES[config.dtype],
            attn_implementation=config.attention,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    model.eval()
    _check_complete(config.model, model, info)
    return model


def _cut_layers(text: Any, n_kept: int, n_layers: int) -> None:
    """Make a text configuration describe the first blocks only, per-block lists included."""
    text.num_hidden_layers = n_kept
    for key, value in vars(text).items():
        if isinstance(value, list) and len(value) == n_layers:
            setattr(text, key, value[:n_kept])


@contextmanager
def _without_load_report() -> Iterator[None]:
    """Keep transformers from listing every weight of the blocks left out as unexpected."""
    log: Any = transformers.logging
    verbosity = log.get_verbosity()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)


def _check_complete(name: str, model: Any, info: dict[str, Any]) -> None:
    """Refuse weights that transformers drew at random because the checkpoint has none.

    It does so without an error, for instance for a multimodal Gemma 3 under a text-only
    configuration: every weight. The output head alone may be missing; it is never run.
    """
    head = model.get_output_embeddings()
    spared = {id(weight) for weight in head.parameters()} if head is not None else set()
    spared_names = {key for key, weight in model.named_parameters() if id(weight) in spared}
    missing = sorted(set(info["missing_keys"]) - spared_names)
    wrong = [*missing, *(str(key) for key in info["mismatched_keys"])]
    if wrong:
        raise ModelError(
            f"The checkpoint of '{name}' leaves {len(wrong)} weights of {type(model).__name__} "
            f"uninitialised ({wrong[0]}, ...): its config.json names another class than its "
            "weights. Use the original checkpoint."
        )


def _blocks(decoder: Any, config: ExperimentConfig) -> Any:
    """Find the list of blocks: ``layers`` in most classes, ``h`` or ``blocks`` in older ones."""
    for name in ("layers", "h", "blocks"):
        blocks = getattr(decoder, name, None)
        if isinstance(blocks, torch.nn.ModuleList) and len(blocks) == config.layer + 1:
            return blocks
    raise ModelError(
        f"Model '{config.model}' ({type(decoder).__name__}) keeps its blocks under an unknown "
        "name; only decoders with 'layers', 'h' or 'blocks' can be read."
    )
