"""Time, processor time, peak memory and bytes written of a piece of work, by the kernel's accounts.

Linux only: ``/proc/self/clear_refs`` resets the peak, so that each piece has a peak of its own.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
IO = Path("/proc/self/io")
CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Figures:
    """What a piece of work took.

    Attributes
    ----------
    name
        The piece.
    seconds, processor
        Wall time, and processor time of all threads, in seconds.
    peak
        Greatest resident memory of the process, in bytes; pages of mapped files count.
    written
        Bytes given to the kernel to write.
    """

    name: str
    seconds: float
    processor: float
    peak: int
    written: int


def _field(path: Path, key: str) -> int:
    line = next(line for line in path.read_text().splitlines() if line.startswith(key + ":"))
    return int(line.split()[1])


class Meter:
    """Measures pieces of work, which may lie within each other or run side by side."""

    def __init__(self) -> None:
        self.found: list[Figures] = []
        self._numbers = itertools.count()
        self._peaks: dict[int, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure the block."""
        number = self._begin()
        wall, processor, written = time.perf_counter(), time.process_time(), _field(IO, "wchar")
        try:
            yield
        finally:
            figures = Figures(
                name=name,
                seconds=time.perf_counter() - wall,
                processor=time.process_time() - processor,
                peak=self._end(number),
                written=_field(IO, "wchar") - written,
            )
            self.found.append(figures)

    def _begin(self) -> int:
        with self._lock:
            self._note()
            CLEAR_REFS.write_text("5")
            number = next(self._numbers)
            self._peaks[number] = 0
            return number

    def _end(self, number: int) -> int:
        with self._lock:
            self._note()
            return self._peaks.pop(number)

    def _note(self) -> None:
        """Give the peak since the last reset to every piece that is being measured."""
        peak = 1024 * _field(STATUS, "VmHWM")
        for number in self._peaks:
            self._peaks[number] = max(self._peaks[number], peak)


class _Silent:
    def advance(self, n: int = 1) -> None:
        """Do nothing."""


class MeasuringProgress:
    """Progress that measures each task instead of showing it."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    @contextmanager
    def task(
        self, description: str, *, total: int | None = None, unit: str = ""
    ) -> Iterator[_Silent]:
        """Measure the task."""
        with self._meter.measure(description):
            yield _Silent()
