"""Compiled loops: plain functions over arrays, turned into machine code on first use."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

ParamsT = ParamSpec("ParamsT")
ResultT = TypeVar("ResultT")


def kernel(
    *, reassociate: bool = False
) -> Callable[[Callable[ParamsT, ResultT]], Callable[ParamsT, ResultT]]:
    """Compile a function on its first call; it runs without the interpreter lock.

    Nothing is cached on disk: an installed package may lie in a folder that is not writable, and
    a stale cache is a wrong result.

    Parameters
    ----------
    reassociate
        Let the compiler change the order of floating-point sums, so that they use vector
        instructions. Sums then differ from a plain loop in the last bits.

    Returns
    -------
    Callable
        The decorator.
    """
    fastmath = {"reassoc", "contract"} if reassociate else False

    def decorate(function: Callable[ParamsT, ResultT]) -> Callable[ParamsT, ResultT]:
        compiled: Callable[ParamsT, ResultT] = numba.njit(nogil=True, fastmath=fastmath)(function)
        return compiled

    return decorate
