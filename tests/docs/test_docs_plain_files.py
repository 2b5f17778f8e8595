"""The documented way to read the files without this package."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.config import make_config
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.imports import plan_import, run_import
from tests.docs.pages import page
from tests.pipeline import importing

CHECKS = """
assert positions.dtype == np.float32 and positions.shape == (24, 2)
assert ((positions >= 0) & (positions <= 1)).all()
assert decoder.dtype == np.float32 and decoder.shape == (24, 5)
assert edges.format == "csr" and edges.dtype == np.float32 and edges.shape == (24, 24)
assert (edges != edges.T).nnz == 0 and edges.nnz > 0 and (weights > 0).all()
import sys
assert not [name for name in sys.modules if name.startswith("feature_manifold")]
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("plain")
    folder = importing.write_spec(root / "raw_activations")
    config = make_config({"data-root": root / "data", "edges-top-k": 5, "umap-neighbors": 4})
    plan = plan_import(folder, config, experiment_id=None, tokenizer=None, identity={})
    run_import(plan, force=False, adopt_only=False, progress=SilentProgress())
    return plan.paths.root


def test_the_documented_snippet_reads_an_experiment(experiment: Path) -> None:
    snippets = re.findall(r"```python\n(.*?)```", page("docs/data-format.md"), re.DOTALL)
    (snippet,) = [text for text in snippets if "load_npz" in text]
    command = [sys.executable, "-I", "-c", snippet + CHECKS]
    done = subprocess.run(command, cwd=experiment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(experiment / "decoder.npy"), importing.decoder())
