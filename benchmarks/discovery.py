"""How well manifolds are found: planted experiments of several seeds, and such without manifolds.

    python -m benchmarks.discovery [--seeds 5] [--without 20] [--tokens 100000] [--latents 4096]

Prints two tables. Of experiments with manifolds: how many of them are among the first 2 x (number
planted) clusters, the worst rank of a manifold and of a circle, and the best of a decoy. Of
experiments of the same size without manifolds: how many have a cluster with p at most 0.05.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import typer

from feature_manifold.core.config import processors
from feature_manifold.store.clusters import ClusterSet
from feature_manifold.testing.discovery import Found, clusters_in, graph_in, places
from feature_manifold.testing.planted.experiment import PlantedExperiment, plant
from feature_manifold.testing.planted.spec import PlantedSpec

ALPHA = 0.05
DRAWS = 199


def with_manifolds(spec: PlantedSpec) -> str:
    """Return a row of the first table."""
    planted = plant(spec)
    clusters = clusters_of(planted, spec.seed)
    found = places(planted, clusters)
    manifolds = [one for one in found if not one.is_decoy]
    first = [one for one in manifolds if 0 < one.rank <= 2 * len(manifolds)]
    beaten = sum(one.p <= ALPHA for one in manifolds)
    circles = [one for one in manifolds if one.kind.startswith("circle")]
    cells = [
        str(spec.seed),
        f"{len(first)} of {len(manifolds)}",
        _ranks(manifolds, worst=True),
        _ranks(circles, worst=True),
        _ranks([one for one in found if one.is_decoy], worst=False),
        f"{np.mean([one.f1 for one in manifolds]):.2f}",
        f"{beaten} of {len(manifolds)}",
        str(clusters.n_clusters),
    ]
    return f"| {' | '.join(cells)} |"


def clusters_of(planted: PlantedExperiment, seed: int) -> ClusterSet:
    """Find clusters, from firings and decoder on."""
    n_workers = processors()
    graph = graph_in(planted, n_workers=n_workers)
    return clusters_in(planted, graph, seed=seed, draws=DRAWS, n_workers=n_workers)


def _ranks(found: list[Found], *, worst: bool) -> str:
    ranks = [one.rank for one in found if one.rank]
    if not ranks or (worst and len(ranks) < len(found)):
        return "none"
    return str(max(ranks) if worst else min(ranks))


def without_manifolds(spec: PlantedSpec, n_seeds: int) -> Iterator[str]:
    """Yield the second table."""
    false, tried = 0, 0
    least = []
    for seed in range(n_seeds):
        planted = plant(PlantedSpec(**{**vars(spec), "seed": seed, "manifolds": False}))
        clusters = clusters_of(planted, seed)
        p = clusters.measures["p"]
        tried += clusters.n_clusters
        false += bool((p <= ALPHA).any())
        least.append(float(p.min(initial=1.0)))
    yield "| experiments | clusters | with a p at most 0.05 | least p |"
    yield "|---|---|---|---|"
    yield f"| {n_seeds} | {tried} | {false} | {min(least):.3f} |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--without", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--latents", type=int, default=4096)
    options = parser.parse_args()
    spec = PlantedSpec(options.tokens, options.latents, d_model=128, l0=15)
    head = "seed", "found", "worst manifold", "worst circle", "best decoy", "F1", "p", "clusters"
    typer.echo(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for seed in range(options.seeds):
        typer.echo(with_manifolds(PlantedSpec(**{**vars(spec), "seed": seed})))
    typer.echo("")
    for line in without_manifolds(spec, options.without):
        typer.echo(line)


if __name__ == "__main__":
    main()
