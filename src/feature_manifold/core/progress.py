"""Progress of long work: a bar on a terminal, log lines in a pipe, nothing in tests."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as RichBars,
    ProgressColumn,
    Task as RichTask,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

logger = logging.getLogger(__name__)

LOG_EVERY_S = 5.0


class Task(Protocol):
    """One piece of work that advances."""

    def advance(self, n: int = 1) -> None:
        """Say that ``n`` more units are done."""


class Progress(Protocol):
    """What long work is handed to report on itself."""

    def task(
        self, description: str, *, total: int | None = None, unit: str = ""
    ) -> AbstractContextManager[Task]:
        """Open a task of ``total`` units (None when the total is not known)."""


class _SilentTask:
    def advance(self, n: int = 1) -> None:
        """Do nothing."""


class SilentProgress:
    """Progress that nobody watches."""

    @contextmanager
    def task(self, description: str, *, total: int | None = None, unit: str = "") -> Iterator[Task]:
        """Open a task that reports nowhere."""
        yield _SilentTask()


class _LogTask:
    def __init__(self, description: str, total: int | None, unit: str) -> None:
        self._description = description
        self._total = total
        self._unit = unit
        self._done = 0
        self._start = self._last = time.monotonic()

    def advance(self, n: int = 1) -> None:
        """Log the rate and the time left, at most every few seconds."""
        self._done += n
        now = time.monotonic()
        if now - self._last >= LOG_EVERY_S:
            self._last = now
            self.log(now)

    def log(self, now: float) -> None:
        rate = self._done / max(now - self._start, 1e-9)
        share, left = "", ""
        if self._total:
            share = f"/{self._total:,}"
            left = f", {max(self._total - self._done, 0) / max(rate, 1e-9):.0f} s left"
        unit = f" {self._unit}" if self._unit else ""
        logger.info(
            "%s: %s%s%s, %s/s%s",
            self._description,
            f"{self._done:,}",
            share,
            unit,
            f"{rate:,.0f}",
            left,
        )


class LogProgress:
    """Progress as log lines, for pipes and log files."""

    @contextmanager
    def task(self, description: str, *, total: int | None = None, unit: str = "") -> Iterator[Task]:
        """Open a task that logs its start, its rate now and then, and its end."""
        logger.info("%s: started", description)
        task = _LogTask(description, total, unit)
        yield task
        task.log(time.monotonic())


class _RateColumn(ProgressColumn):
    def render(self, task: RichTask) -> Text:
        rate = task.finished_speed or task.speed
        unit = task.fields.get("unit") or "it"
        return Text("" if rate is None else f"{rate:,.0f} {unit}/s", style="progress.data.speed")


class _BarTask:
    def __init__(self, bars: RichBars, description: str, total: int | None, unit: str) -> None:
        self._bars = bars
        self._id = bars.add_task(description, total=total, unit=unit)

    def advance(self, n: int = 1) -> None:
        """Move the bar."""
        self._bars.advance(self._id, n)

    def finish(self) -> None:
        task = next(task for task in self._bars.tasks if task.id == self._id)
        self._bars.update(self._id, total=max(task.completed, 1), completed=max(task.completed, 1))


class BarProgress:
    """Progress as bars on a terminal, with rate and time left; tasks may nest."""

    def __init__(self, console: Console) -> None:
        self._bars = RichBars(
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._open = 0

    @contextmanager
    def task(self, description: str, *, total: int | None = None, unit: str = "") -> Iterator[Task]:
        """Open a task drawn as one bar."""
        if self._open == 0:
            self._bars.start()
        self._open += 1
        task = _BarTask(self._bars, description, total, unit)
        try:
            yield task
            task.finish()
        finally:
            self._open -= 1
            if self._open == 0:
                self._bars.stop()
                for done in self._bars.task_ids:
                    self._bars.remove_task(done)


def console_progress() -> Progress:
    """Return bars when standard error is a terminal, log lines otherwise."""
    if sys.stderr.isatty():
        return BarProgress(Console(stderr=True))
    return LogProgress()
