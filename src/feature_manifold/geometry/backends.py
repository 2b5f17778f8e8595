"""Where cosines and co-firings are computed; what comes out is the same to the byte."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from feature_manifold.core.extras import missing_extra
from feature_manifold.geometry.cofirings import Cofirings, CountedCofirings
from feature_manifold.geometry.products import FloatProducts, MakeProducts
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken

WORTH_TORCH = 10**12
"""Multiplications of a cosine stage from which torch is worth its import: some ten seconds."""


@dataclass(frozen=True)
class Backend:
    """What makes rough products of decoder rows, and counts of co-firings."""

    products: MakeProducts = FloatProducts
    cofirings: Callable[[FiringsByLatent, FiringsByToken], Cofirings] = CountedCofirings


def choose_backend(device: str, *, n_latents: int, d_model: int, n_workers: int) -> Backend:
    """Choose by the config's ``device``, what is installed, and the size of the work.

    Parameters
    ----------
    device
        ``auto`` takes a GPU that torch sees if the work is large. ``mps`` is the processor here.
        On the processor, torch multiplies in bfloat16 where that is faster.
    n_latents, d_model
        Shape of the decoder.
    n_workers
        Threads of the processor.

    Raises
    ------
    DeviceError
        If the device is not there.
    MissingExtraError
        If it needs torch, which is not installed.
    """
    large = n_latents * n_latents * d_model >= WORTH_TORCH
    if not device.startswith("cuda") and not (large and find_spec("torch")):
        return Backend()
    try:
        from feature_manifold.geometry import torch_products as torch_
    except ModuleNotFoundError as error:
        raise missing_extra(error, work=f"Device '{device}'", extra="harvest") from error
    found = torch_.find_device(device)
    if found != "cpu":
        return Backend(
            functools.partial(torch_.TorchProducts, device=found, n_threads=n_workers),
            functools.partial(torch_.TorchCofirings, device=found),
        )
    if torch_.bfloat16_is_faster(d_model, n_workers):
        return Backend(
            functools.partial(
                torch_.TorchProducts, device="cpu", precision="bfloat16", n_threads=n_workers
            )
        )
    return Backend()


def check_device(device: str) -> None:
    """Look for a GPU that is asked for by name.

    Raises
    ------
    DeviceError, MissingExtraError
        If it is not there, or torch is not.
    """
    if device.startswith("cuda"):
        choose_backend(device, n_latents=0, d_model=0, n_workers=1)
