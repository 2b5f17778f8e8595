import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from feature_manifold.testing.hub import use_hub
from feature_manifold.testing.tiny import tiny_gemma_cache

SCRIPTS = Path(__file__).parents[2] / "scripts"

Run = Callable[..., int]


@pytest.fixture(scope="session")
def gemma_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A tiny Gemma 3 27B with 33 blocks and its Gemma Scope 2 SAE after block 31, at 65k."""
    folder = tmp_path_factory.mktemp("hub")
    tiny = tiny_gemma_cache(folder, multimodal=True, layer=31, width="65k")
    with use_hub(tiny.hub):
        yield


@pytest.fixture(scope="session")
def run(gemma_hub: None) -> Run:
    """Run a script in this process with a documented command line; return its exit code."""

    def run(script: str, *arguments: str | Path) -> int:
        before = sys.argv
        sys.argv = [script, *map(str, arguments)]
        try:
            runpy.run_path(str(SCRIPTS / script), run_name="__main__")
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else 1
        finally:
            sys.argv = before
        return 0

    return run
