import io
import logging

import pytest
from rich.console import Console

from feature_manifold.core import progress as progress_module
from feature_manifold.core.progress import BarProgress, LogProgress, console_progress


def test_a_pipe_gets_log_lines_with_rate_and_time_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_module, "LOG_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO), LogProgress().task("count", total=4, unit="rows") as task:
        task.advance(2)
        task.advance(2)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "count: started"
    assert "2/4 rows" in lines[1]
    assert "left" in lines[1]
    assert "4/4 rows" in lines[-1]


def test_bars_may_nest_and_leave_the_console_usable() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    bars = BarProgress(console)
    for _ in range(2):
        with (
            bars.task("outer", total=1) as outer,
            bars.task("inner", total=2, unit="rows") as inner,
        ):
            inner.advance(2)
            outer.advance()
    with pytest.raises(ValueError, match="stop"), bars.task("fails"):
        raise ValueError("stop")


def test_without_a_terminal_progress_is_logged() -> None:
    assert isinstance(console_progress(), LogProgress)
