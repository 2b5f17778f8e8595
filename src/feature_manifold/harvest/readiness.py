"""What can be known to be wrong before minutes are spent on the corpus."""

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.harvest.device import choose_device
from feature_manifold.harvest.model import check_layer, model_facts
from feature_manifold.harvest.sae_source import check_sae_name


def check_harvest(config: ExperimentConfig) -> None:
    """Check device, SAE name, and the model's configuration, cheapest first; no weights.

    Raises
    ------
    DeviceError
        If the device is not there.
    SaeError, ConfigError, MissingExtraError
        If the config names no SAE, or one that does not exist.
    ModelError
        If the model is unknown, gated, out of reach, or lacks the layer.
    """
    choose_device(config.device)
    check_sae_name(config)
    check_layer(config, model_facts(config.model).n_layers)
