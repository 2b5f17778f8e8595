"""Whether a GPU that a config names is there: for the rooms that use torch, itself without it."""

from feature_manifold.core.errors import DeviceError


def check_gpu(name: str, index: int, *, n_gpus: int, has_cuda: bool) -> None:
    """Refuse a GPU that is not there.

    Parameters
    ----------
    name
        The config's ``device``.
    index
        Number of the GPU that it names.
    n_gpus
        GPUs that torch sees.
    has_cuda
        Whether this build of torch can use one.

    Raises
    ------
    DeviceError
        Saying what is there.
    """
    if index < n_gpus:
        return
    seen = f"torch sees {n_gpus} GPU(s)" if n_gpus else "torch sees no GPU"
    build = "" if has_cuda else " (this build of torch has no CUDA support)"
    raise DeviceError(
        f"device is '{name}', but {seen}{build}. Use device: auto or cpu, or install a CUDA "
        "build of torch."
    )
