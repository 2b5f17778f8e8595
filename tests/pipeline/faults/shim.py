"""Build the C shim, and turn it on and off in a process that was started under it."""

import ctypes
import os
import shutil
import subprocess
import sys
from enum import IntEnum
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("shim.c")


class Fault(IntEnum):
    """What happens at the chosen operation; the same numbers as in shim.c."""

    COUNT = 1
    KILL = 2
    FULL = 3
    BAD = 4


def build(folder: Path) -> Path:
    """Compile the shim; skip the test where that is not possible."""
    if sys.platform != "linux":
        pytest.skip("fault injection needs LD_PRELOAD and /proc: Linux only")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("fault injection needs a C compiler (cc, gcc or clang)")
    library = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*command, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


def environment(library: Path) -> dict[str, str]:
    """Return the environment of a process under the shim, with one thread wherever it computes.

    The process forks: what other threads hold at that moment would stay held in the child.
    """
    alone = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    own = {"LD_PRELOAD": str(library), "NUMBA_THREADING_LAYER": "workqueue"}
    return {**os.environ, **own, **dict.fromkeys(alone, "1")}


def arm(root: Path, fault: Fault, at: int = 0, *, log: int = -1) -> None:
    """Inject a fault at operation ``at``, from 1, on paths below ``root``.

    Parameters
    ----------
    log
        Descriptor that gets a line per operation: kind, path and second path, by tabs.
    """
    ctypes.CDLL(None).fault_arm(os.fsencode(root), int(fault), ctypes.c_long(at), log)


def disarm() -> int:
    """Inject nothing more; return how many operations there were since ``arm``."""
    count = ctypes.CDLL(None).fault_disarm
    count.restype = ctypes.c_long
    return int(count())
