"""Time of opening an experiment and of each route, on random firings of a given size.

    python -m benchmarks.serve [--latents 65536] [--firings 10000000]

Requests go through the whole application in this process, guards and compression included.
Goals: opening 200 ms, the page of a latent 50 ms at the 95th percentile.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import typer
from fastapi.testclient import TestClient
from tests.server.large import write_large

from feature_manifold.server.app import build_app
from feature_manifold.server.library import Library
from feature_manifold.server.settings import ServerSettings

BINARY = {"Accept": "application/octet-stream"}


def time_opening(root: Path) -> float:
    """Return the seconds that mapping every array takes."""
    begin = time.perf_counter()
    experiment = Library(root).open(None).experiment
    for name in ("by_latent", "by_token", "statistics", "tokens", "examples"):
        getattr(experiment, name)
    return time.perf_counter() - begin


def time_route(
    client: TestClient, route: Callable[[], str], *, n: int, headers: dict[str, str] | None = None
) -> None:
    """Print first, median and 95th percentile of ``n`` requests."""
    taken = []
    for _ in range(n):
        asked = route()
        begin = time.perf_counter()
        answer = client.get(asked, headers=headers)
        taken.append(1e3 * (time.perf_counter() - begin))
        answer.raise_for_status()
    p50, p95 = np.percentile(taken, (50, 95))
    kind = "binary" if headers else "JSON"
    typer.echo(
        f"{asked:38} {kind:6}  first {taken[0]:6.1f}  p50 {p50:6.1f}  p95 {p95:6.1f} ms"
        f"  {len(answer.content):>9,} bytes"
    )


def main() -> None:
    """Write an experiment, ask each route."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latents", type=int, default=65_536)
    parser.add_argument("--firings", type=int, default=10_000_000)
    sizes = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        write_large(
            root,
            n_latents=sizes.latents,
            n_firings=sizes.firings,
            n_vocabulary=262_144,
            edges_per_latent=150,
        )
        typer.echo(f"open {1e3 * min(time_opening(root) for _ in range(5)):.1f} ms (best of 5)")
        with TestClient(build_app(ServerSettings(root)), base_url="http://localhost") as client:

            def latent() -> int:
                return int(rng.integers(sizes.latents))

            time_route(client, lambda: "/api/experiments", n=20)
            time_route(client, lambda: f"/api/latent/{latent()}", n=300)
            time_route(client, lambda: "/api/latents", n=5)
            time_route(client, lambda: "/api/graph", n=5)
            time_route(client, lambda: "/api/graph", n=20, headers=BINARY)
            time_route(client, lambda: f"/api/edges?latent={latent()}", n=50)
            time_route(client, lambda: "/api/edges?limit=10000", n=5)
            time_route(client, lambda: "/api/edges?limit=200000", n=5, headers=BINARY)
            time_route(client, lambda: f"/api/search?q=word{latent()}", n=20)
            time_route(client, lambda: "/api/search?q=w", n=20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    typer.echo(f"peak memory {peak:,.0f} MiB, the writing of the experiment included")


if __name__ == "__main__":
    main()
