"""What the system tells about memory, from files as Linux writes them."""

import os
from pathlib import Path

import pytest

from feature_manifold.core.memory import available_memory

GIB = 1 << 30
PAGE = os.sysconf("SC_PAGE_SIZE")


def system(folder: Path, files: dict[str, str]) -> int | None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return available_memory(proc=folder / "proc", groups=folder / "groups")


MACHINE = {"proc/meminfo": "MemTotal: 25165824 kB\nMemAvailable: 8388608 kB\n"}
VERSION_2 = {
    "proc/self/cgroup": "0::/job/step\n",
    "groups/job/memory.max": f"{6 * GIB}\n",
    "groups/job/memory.current": f"{4 * GIB}\n",
    "groups/job/memory.stat": f"anon 5\ninactive_file {2 * GIB}\nactive_file {GIB}\n",
    "groups/job/step/memory.max": "max\n",
    "groups/job/step/memory.current": "5\n",
}
VERSION_1 = {
    "proc/self/cgroup": "3:cpu,cpuacct:/\n4:memory:/docker/abc\n",
    "groups/memory/memory.limit_in_bytes": f"{3 * GIB}\n",
    "groups/memory/memory.usage_in_bytes": f"{2 * GIB}\n",
    "groups/memory/memory.stat": f"total_inactive_file {GIB}\ninactive_file {9 * GIB}\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (MACHINE, 8 * GIB),
        # What the process holds already is its own to use.
        (MACHINE | {"proc/self/statm": "9 2 1\n"}, 8 * GIB + 2 * PAGE),
        # A group above sets the limit; cached files are given up first.
        (MACHINE | VERSION_2, 5 * GIB),
        (MACHINE | VERSION_1, 2 * GIB),
        (VERSION_1 | {"groups/memory/memory.limit_in_bytes": f"{GIB // 2}\n"}, 0),
        ({}, None),
    ],
)
def test_the_least_of_machine_and_groups_counts(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    assert system(tmp_path, files) == expected


def test_this_machine_tells() -> None:
    if not Path("/proc/meminfo").exists():
        pytest.skip("only Linux tells")
    available = available_memory()
    assert available is not None
    assert available > 1 << 26
