"""How much memory this process can have, as far as the system says."""

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
GROUPS = Path("/sys/fs/cgroup")


def available_memory(*, proc: Path = PROC, groups: Path = GROUPS) -> int | None:
    """Return the bytes that this process can hold without pushing anything else out.

    The least of what is available on the machine and what its control groups (a container, a
    batch job) allow, and what the process holds already.

    Parameters
    ----------
    proc, groups
        Where the system tells; other than in tests, its own places.

    Returns
    -------
    int or None
        None where the system does not tell, as everywhere but on Linux.
    """
    found = [*_of_machine(proc / "meminfo"), *_of_groups(proc / "self" / "cgroup", groups)]
    return max(min(found), 0) + _held(proc / "self" / "statm") if found else None


def _of_machine(path: Path) -> Iterator[int]:
    for line in _lines(path):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _of_groups(path: Path, groups: Path) -> Iterator[int]:
    """Yield what is left in each control group of the process, those above it included."""
    for line in _lines(path):
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            root, files = groups, ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            root = groups / "memory"
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        inner = Path(name.lstrip("/"))
        # In a container the name may be that outside of it; its own group is then the root.
        for folder in {root / inner, *(root / parent for parent in inner.parents)}:
            yield from _left(folder, *files)


def _left(folder: Path, limit_file: str, used_file: str, prefix: str) -> Iterator[int]:
    limit, used = _lines(folder / limit_file), _lines(folder / used_file)
    if not limit or not used or not limit[0].isdigit():
        return
    # Cached files count as used and are given up first.
    cached = sum(
        int(line.split()[1])
        for line in _lines(folder / "memory.stat")
        if line.split()[0] in (f"{prefix}inactive_file", f"{prefix}active_file")
    )
    yield int(limit[0]) - int(used[0]) + cached


def _held(path: Path) -> int:
    lines = _lines(path)
    return int(lines[0].split()[1]) * os.sysconf("SC_PAGE_SIZE") if lines else 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
