"""Ctrl-C, SIGTERM and a second run, on the command line as a user starts it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feature_manifold.cli.shell import GRACE_S
from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.pipeline import experiment_paths, verify_experiment
from tests.pipeline.faults.drive import contents
from tests.pipeline.faults.small import plant, small_config

STOP_S = 30
OPTIONS = ("model", "layer", "sae_width", "sae_l0", "umap_neighbors", "edges_top_k", "top_k")

pytestmark = pytest.mark.slow


def start(config: ExperimentConfig) -> subprocess.Popen[str]:
    """Start ``fmi run`` on the small experiment."""
    options = [
        part
        for name in (*OPTIONS, "context_size", "n_workers", "data_root")
        for part in (f"--{name.replace('_', '-')}", str(getattr(config, name)))
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "feature_manifold.cli", "run", "--skip-harvest", *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )


def wait_for(run: subprocess.Popen[str], beginning: str) -> None:
    """Read log lines until one begins so."""
    assert run.stderr is not None
    seen = []
    for line in run.stderr:
        seen.append(line)
        if line.startswith(beginning):
            return
    raise AssertionError("".join(seen))


def ending(run: subprocess.Popen[str], *, within_s: float = STOP_S) -> tuple[int, str]:
    """Wait for the end; return the code and what was logged since."""
    _, text = run.communicate(timeout=within_s)
    return run.returncode, text


def finish(config: ExperimentConfig) -> None:
    code, text = ending(start(config), within_s=300)
    assert code == 0, text


@pytest.fixture
def config(tmp_path: Path) -> ExperimentConfig:
    config = small_config(tmp_path / "data")
    plant(config)
    return config


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files that a run leaves which nobody stops."""
    config = small_config(tmp_path_factory.mktemp("whole") / "data")
    plant(config)
    finish(config)
    assert config.data_root is not None
    return contents(config.data_root)


def test_a_run_stopped_in_any_stage_goes_on_and_ends_the_same(
    config: ExperimentConfig, whole: dict[str, bytes]
) -> None:
    signals = (signal.SIGINT, signal.SIGTERM)
    for number, stage in enumerate(("index", "graph", "clusters", "examples", "export")):
        run = start(config)
        wait_for(run, f"{stage}:")
        began = time.monotonic()
        run.send_signal(signals[number % 2])
        code, text = ending(run)
        taken = time.monotonic() - began
        assert taken < STOP_S
        if code == 0:
            # The last stage may end sooner than a signal comes.
            assert stage == "export"
            continue
        assert code == 130, text
        lines = text.splitlines()
        assert lines[-1].startswith("error: stopped. What was finished is kept"), text
        assert "Traceback" not in text
        states = verify_experiment(experiment_paths(config), progress=SilentProgress())
        found = {state.name: state.state for state in states}
        assert found[stage] in ("missing", "incomplete")
        assert "damaged" not in found.values()
        aside = [path.name for path in experiment_paths(config).root.glob("*.partial")]
        # One that had to be ended, in the middle of a step, leaves what the next run drops.
        assert aside == [] or taken >= GRACE_S
    finish(config)
    assert config.data_root is not None
    assert contents(config.data_root) == whole


def test_a_second_signal_while_cleaning_up_does_no_harm(
    config: ExperimentConfig, whole: dict[str, bytes]
) -> None:
    run = start(config)
    wait_for(run, "graph:")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        run.send_signal(number)
        time.sleep(0.02)
    code, text = ending(run)
    assert (code, text.count("error:")) == (130, 1), text
    assert "Traceback" not in text
    finish(config)
    assert config.data_root is not None
    assert contents(config.data_root) == whole


def test_a_second_run_names_the_first_and_a_dead_one_does_not_block(
    config: ExperimentConfig, whole: dict[str, bytes]
) -> None:
    first = start(config)
    wait_for(first, "graph:")
    os.kill(first.pid, signal.SIGSTOP)
    try:
        code, text = ending(start(config))
    finally:
        first.kill()
        first.communicate()
    assert code == 9
    assert f"in use by process {first.pid}" in text
    assert "run --skip-harvest" in text
    finish(config)
    assert config.data_root is not None
    assert contents(config.data_root) == whole


DEEP = """
import hashlib, sys, threading
from concurrent.futures import ThreadPoolExecutor
from feature_manifold.cli import shell

shell.GRACE_S = 1.0

def deep():
    # Minutes in C, without the interpreter's lock, and no way to break it off.
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2_000_000_000)

def app():
    with shell.stopping_in_time():
        if sys.argv[1] == "main":
            sys.stderr.write("deep:\\n")
            deep()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(deep)
            sys.stderr.write("deep:\\n")
            threading.Event().wait()

shell.run_shell(app)
"""


@pytest.mark.parametrize("where", ["main", "pool"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_is_deep_in_a_kernel(where: str, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DEEP, where], stderr=subprocess.PIPE, text=True, bufsize=1
    ) as run:
        wait_for(run, "deep:")
        time.sleep(0.1)
        run.send_signal(number)
        code, text = ending(run)
    assert code == 130
    assert "error: stopped." in text
