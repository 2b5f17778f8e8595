"""A built wheel, installed where nothing else is, runs the demo and serves the app."""

import os
import re
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    # The app was built by make; without it the hook would build it.
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True, text=True)
    return next(out.glob("*.whl"))


def test_a_wheel_holds_the_app_the_model_and_the_demos_experiments(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = "feature_manifold"
    assert {f"{package}/server/static/{page}.html" for page in ("index", "umap")} <= names
    assert f"{package}/experiments/almanac_layer0.yaml" in names
    assert f"{package}/demo/assets/almanac/model.safetensors" in names
    assert f"{package}/py.typed" in names
    assert not any("node_modules" in name or name.startswith("tests") for name in names)


@pytest.mark.slow
def test_an_installed_wheel_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    # What is not imported need not be compiled: that would be most of torch and transformers.
    install = [python, "-m", "pip", "install", "--quiet", "--no-compile"]
    install += ["--constraint", CONSTRAINTS]
    subprocess.run([*install, f"{wheel}[harvest]"], check=True, timeout=900)
    empty = tmp_path / "empty"
    empty.mkdir()
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        [environment / "bin" / "fmi", "demo", "--port", "0"],
        cwd=empty,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            lines = iter(server.stdout.readline, "")
            address = next(
                found[0] for line in lines if (found := re.search(r"http://\S+", line)) is not None
            )
            with urllib.request.urlopen(f"{address.rstrip('/')}/api/experiments") as reply:
                assert b"almanac_layer0_2k_small" in reply.read()
            with urllib.request.urlopen(f"{address.rstrip('/')}/umap.html") as reply:
                assert b"<script" in reply.read()
        finally:
            server.terminate()
            server.wait(timeout=60)
    assert (empty / "data" / "experiments" / "almanac_layer1_2k_medium").is_dir()
