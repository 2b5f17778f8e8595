"""The examples of the page on Python, run in order in one namespace."""

from pathlib import Path

import pytest

from tests.docs.pages import blocks, page
from tests.notebook.planted import write_almanac


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_almanac(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for page_name in ("docs/python.md", "README.md"):
        for block in blocks(page(page_name), "python"):
            exec(compile(block, page_name, "exec"), names)
    assert (tmp_path / "weekdays.png").stat().st_size > 1000
