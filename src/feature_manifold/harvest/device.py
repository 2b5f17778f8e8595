"""Where the model runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.device import check_gpu
from feature_manifold.core.errors import DeviceError


def choose_device(name: str) -> torch.device:
    """Turn the config's ``device`` into a device that is there.

    Parameters
    ----------
    name
        ``auto`` (a GPU if there is one), ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    DeviceError
        If the device is not there; the message says what is.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if n_gpus else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        check_gpu(name, device.index or 0, n_gpus=n_gpus, has_cuda=bool(torch.version.cuda))
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device is 'mps', but torch sees no Apple GPU. Use device: cpu.")
    return device


@contextmanager
def explained_memory(config: ExperimentConfig, device: torch.device) -> Iterator[None]:
    """Turn a GPU that runs out of memory into one line that says what to make smaller.

    Raises
    ------
    DeviceError
        In place of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"{device} ran out of memory. What was finished is kept. Lower batch-size (now "
            f"{config.batch_size}) and latent-chunk (now {config.latent_chunk}), free the GPU of "
            "other programs, or take a larger one, and run the same command again."
        ) from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one torch thread within the block, and on one per worker started in it.

    Sums split over threads differ in the last bits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
