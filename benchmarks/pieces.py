"""The pieces of the pipeline that ``benchmarks.scale`` measures, each in a process of its own.

    python -m benchmarks.pieces PIECE CONFIG.yaml

Prints one JSON object. A process per piece, so that the kernel's account of its peak memory is that
of the piece, and nothing that an earlier one read or compiled helps it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import typer
from benchmarks.measure import MeasuringProgress, Meter

from feature_manifold.core.config import ExperimentConfig, load_config
from feature_manifold.pipeline.pipeline import experiment_paths, run_experiment, verify_experiment
from feature_manifold.pipeline.plan import Selection
from feature_manifold.store.experiment import open_experiment
from feature_manifold.store.latent_files import write_latent_files

N_PAGES = 300


def run_stage(name: str) -> Callable[[ExperimentConfig, Meter], dict[str, Any]]:
    """Return the piece that runs one stage, whether its output is current or not."""

    def run(config: ExperimentConfig, meter: Meter) -> dict[str, Any]:
        with meter.measure(name):
            run_experiment(
                config, Selection(only=(name,), force=True), progress=MeasuringProgress(meter)
            )
        return {}

    return run


def verify(config: ExperimentConfig, meter: Meter) -> dict[str, Any]:
    """Read every file and compare it with its manifest."""
    with meter.measure("verify"):
        states = verify_experiment(experiment_paths(config), progress=MeasuringProgress(meter))
    return {"states": {state.name: state.state for state in states}}


def export_latent_files(config: ExperimentConfig, meter: Meter) -> dict[str, Any]:
    """Write ``latents/*.npz`` of every latent into a scratch folder beside the experiment."""
    root = experiment_paths(config).root
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=".") as folder:
        write_latent_files(
            Path(folder),
            open_experiment(root).by_latent,
            n_workers=config.threads,
            progress=MeasuringProgress(meter),
        )
    return {}


def explore(config: ExperimentConfig, meter: Meter) -> dict[str, Any]:
    """Open the experiment, and ask the server for pages of random latents."""
    # Imported here: it pulls in FastAPI, which would count as memory of the other pieces.
    from fastapi.testclient import TestClient

    from feature_manifold.server.app import build_app
    from feature_manifold.server.settings import ServerSettings

    root = experiment_paths(config).root
    with meter.measure("open"):
        begin = time.perf_counter()
        experiment = open_experiment(root)
        for part in ("by_latent", "by_token", "statistics", "tokens", "examples"):
            getattr(experiment, part)
        opening = time.perf_counter() - begin
    rng = np.random.default_rng(0)
    latents = rng.integers(experiment.by_latent.n_latents, size=N_PAGES).tolist()
    settings = ServerSettings(root.parents[1])
    with TestClient(build_app(settings), base_url="http://localhost") as client:
        client.get(f"/api/latent/{latents[0]}", params={"experiment_id": root.name})
        with meter.measure("pages"):
            taken = [_asked(client, latent, root.name) for latent in latents]
    middle, most = np.percentile(taken, (50, 95)).tolist()
    return {"opening": opening, "page_p50": middle, "page_p95": most}


def _asked(client: Any, latent: int, experiment_id: str) -> float:
    begin = time.perf_counter()
    client.get(f"/api/latent/{latent}", params={"experiment_id": experiment_id}).raise_for_status()
    return time.perf_counter() - begin


PIECES: dict[str, Callable[[ExperimentConfig, Meter], dict[str, Any]]] = {
    **{name: run_stage(name) for name in ("index", "graph", "clusters", "examples", "export")},
    "verify": verify,
    "latent-files": export_latent_files,
    "explore": explore,
}


def main() -> None:
    """Run one piece and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("piece", choices=PIECES)
    parser.add_argument("config", type=Path)
    options = parser.parse_args()
    meter = Meter()
    facts = PIECES[options.piece](load_config(options.config), meter)
    figures = [asdict(found) for found in meter.found]
    typer.echo(json.dumps({"figures": figures, "facts": facts}))


if __name__ == "__main__":
    main()
