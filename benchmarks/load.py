"""Users who edit clusters at the same time, against one who has the server to themselves.

    python -m benchmarks.load [--users 16] [--edits 200] [--latents 65536] [--firings 10000000]

The server runs in a process of its own and is asked over sockets. Every answer of every user is
compared, to the byte, with that of a second server which keeps no clouds and answers one request at
a time. Meanwhile health is asked for every 20 ms; afterwards four clients ask for the heaviest
answers over and over while it is.

Goals: no mismatch, health below 200 ms at the 99th percentile.
"""

import argparse
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import typer
from tests.server.edits import BINARY, User, play
from tests.server.large import write_large
from tests.server.load import Connection, serving, together, watching
from tests.server.planted import EXPERIMENT_ID

from feature_manifold.store.layout import DataRoot
from feature_manifold.store.npy import save_npy

D_MODEL = 256
HEAVY_SECONDS = 15.0
HEAVY_CLIENTS = 4
GOAL_MS = 200.0


def report(name: str, taken: list[float]) -> None:
    """Print percentiles of milliseconds."""
    p50, p95, p99 = np.percentile(taken, (50, 95, 99))
    typer.echo(f"{name:34} {len(taken):>6,}  p50 {p50:7.1f}  p95 {p95:7.1f}  p99 {p99:7.1f} ms")


def edit_clusters(root: Path, *, n_users: int, n_edits: int, n_latents: int) -> int:
    """Let the users edit, and return how many answers differ from those of one user alone."""

    def user(number: int) -> User:
        return User(number, n_latents=n_latents, max_points=2000)

    def played(port: int, number: int, taken: list[float]) -> list[bytes]:
        with Connection(port) as client:
            answers = play(
                user(number),
                n_edits,
                lambda question: client.ask("POST", "/api/cluster/pca", question, **BINARY),
            )
            taken.extend(client.taken)
        return answers

    taken: list[float] = []
    with serving(root, cache_bytes=1 << 29) as port, watching(port) as health:
        begin = time.perf_counter()
        answers = together(n_users, lambda number: played(port, number, taken))
        seconds = time.perf_counter() - begin
    report(f"edits of {n_users} users", taken)
    report("health meanwhile", health)
    typer.echo(f"{n_users * n_edits / seconds:.0f} edits/s")
    alone: list[float] = []
    with serving(root, cache_bytes=0) as port:
        oracle = [played(port, number, alone) for number in range(n_users)]
    report("the same, one at a time, built anew", alone)
    pairs = zip(chain(*answers), chain(*oracle), strict=True)
    return sum(found != expected for found, expected in pairs)


def heaviest(root: Path, *, n_latents: int) -> float:
    """Ask for the heaviest answers all the time; return the p99 of health in milliseconds."""
    rng = np.random.default_rng(0)
    wide = {"max_points": 1_000_000, "n_components": 13}
    n_numbers = 50_000

    def question(number: int) -> tuple[str, str, Any, dict[str, str]]:
        members = rng.integers(0, n_latents, 200).tolist()
        choices = [
            ("POST", "/api/cluster/pca", {"latents": members, **wide}, BINARY),
            ("POST", "/api/cluster/cloud", {"latents": members[:20], "max_points": n_numbers}, {}),
            ("GET", "/api/edges?limit=200000", None, BINARY),
            ("POST", "/api/cluster/measures", {"latents": members[:20]}, {}),
        ]
        return choices[number % len(choices)]

    with serving(root, cache_bytes=1 << 29) as port:
        for number in range(HEAVY_CLIENTS):
            # The first of each compiles and loads, which users wait for once.
            method, route, body, headers = question(number)
            with Connection(port) as connection:
                connection.ask(method, route, body, **headers)
        end = time.perf_counter() + HEAVY_SECONDS

        def client(number: int) -> list[float]:
            with Connection(port) as connection:
                while time.perf_counter() < end:
                    method, route, body, headers = question(number)
                    connection.ask(method, route, body, **headers)
                return connection.taken

        with watching(port) as health:
            taken = together(HEAVY_CLIENTS, client)
    names = ("axes of 200 latents", "cloud as JSON", "200,000 edges", "measures")
    for name, one in zip(names, taken, strict=True):
        report(name, one)
    report("health meanwhile", health)
    return float(np.percentile(health, 99))


def main() -> None:
    """Write an experiment, run both loads, and fail if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--latents", type=int, default=65_536)
    parser.add_argument("--firings", type=int, default=10_000_000)
    sizes = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        write_large(
            root,
            n_latents=sizes.latents,
            n_firings=sizes.firings,
            n_vocabulary=50_000,
            edges_per_latent=100,
        )
        rows = np.random.default_rng(1).normal(size=(sizes.latents, D_MODEL))
        save_npy(DataRoot(root).experiment(EXPERIMENT_ID).decoder, rows.astype(np.float32))
        mismatches = edit_clusters(
            root, n_users=sizes.users, n_edits=sizes.edits, n_latents=sizes.latents
        )
        typer.echo(f"{mismatches} of {sizes.users * sizes.edits:,} answers differ")
        p99 = heaviest(root, n_latents=sizes.latents)
    if mismatches or p99 >= GOAL_MS:
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
