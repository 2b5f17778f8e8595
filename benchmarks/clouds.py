"""Clouds of 20 latents in a model 5,376 wide: time and peak memory beside the full-width PCA.

    python -m benchmarks.clouds [--points 100000 1000000] [--members 20] [--d-model 5376]
                                [--density 0.2] [--full-width-points 100000]

Firings are drawn at random and lie in memory-mapped files, as an index's do. Every piece runs in a
process of its own, on one thread. The full-width computation forms the reconstructions, float32
(points, d_model), and gives them to scikit-learn's PCA. Of more points than
``--full-width-points`` it takes the first so many, and is given in proportion.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import typer
from benchmarks.measure import STATUS, Figures, Meter
from benchmarks.scale import run_process
from threadpoolctl import threadpool_limits

from feature_manifold.core.arrays import Array
from feature_manifold.core.rng import generator
from feature_manifold.store.firings import ACTIVATIONS, INDPTR, TOKENS, FiringsByLatent
from feature_manifold.store.npy import open_npy, save_npy

N_COMPONENTS = 13
TOKENS_PER_POINT = 10
DECODER = "decoder.npy"
DRAWN = 20_000
WHOLE = "build, PCA, projections"
FULL_WIDTH = "full width: points, scikit-learn's PCA"
MIB = 1 << 20
GOAL_SIZE = (20, 5376)
"""Members and d_model of the goals."""

GOALS = {100_000: 0.15, 1_000_000: 1.5}
"""Seconds for so many points."""

ROUNDS = 5
"""Times the work is done, after a first time; the median is reported."""


def plant(folder: Path, *, n_points: int, n_members: int, d_model: int, density: float) -> None:
    """Write firings of ``n_members`` latents and one outside, and a decoder.

    A member fires on a share of the points, on average ``density``, the commonest about ten times
    as often as the rarest; every point has at least one member.
    """
    draw = generator(0, "benchmark clouds")
    tokens = np.arange(n_points, dtype=np.uint32) * np.uint32(TOKENS_PER_POINT)
    rates = np.geomspace(1, 10, n_members + 1)[::-1]
    rates = np.minimum(rates / rates.mean() * density, 1)
    owner = draw.integers(n_members, size=n_points)
    parts = [tokens[(draw.random(n_points) < rates[i]) | (owner == i)] for i in range(len(rates))]
    sizes = [len(part) for part in parts]
    activations = draw.gamma(4, 2, sum(sizes)).astype(np.float16)
    save_npy(folder / INDPTR, np.append(0, np.cumsum(sizes)))
    save_npy(folder / TOKENS, np.concatenate(parts))
    save_npy(folder / ACTIVATIONS, np.maximum(activations, np.float16(0.01)))
    decoder = draw.standard_normal((len(rates), d_model), dtype=np.float32)
    save_npy(folder / DECODER, decoder / np.linalg.norm(decoder, axis=1, keepdims=True))


def opened(folder: Path) -> tuple[FiringsByLatent, Array]:
    """Open what ``plant`` wrote."""
    indptr = open_npy(folder / INDPTR, dtypes=("<i8",), shape=(None,))
    tokens = open_npy(folder / TOKENS, dtypes=("<u4",), shape=(None,))
    activations = open_npy(folder / ACTIVATIONS, dtypes=("<f2",), shape=(None,))
    decoder = open_npy(folder / DECODER, dtypes=("<f4",), shape=(None, None))
    return FiringsByLatent(indptr, tokens, activations, int(tokens.max()) + 1), decoder


@dataclass(frozen=True)
class Measured:
    """What a piece took in a process of its own.

    Attributes
    ----------
    first
        Seconds of a first time, which compiles the kernels.
    start
        Resident memory before the work, in bytes.
    runs
        Figures of the work, by name.
    """

    first: float
    start: int
    runs: dict[str, list[Figures]]


def engine(folder: Path) -> Measured:
    """Build, fit and project; add and remove a latent; choose points."""
    from feature_manifold.geometry.cloud import build_cloud
    from feature_manifold.geometry.pca import fit_pca, project
    from feature_manifold.geometry.sampling import display_sample

    threadpool_limits(1)
    firings, decoder = opened(folder)
    outside = firings.n_latents - 1
    begin = time.perf_counter()
    fit_pca(build_cloud(firings, decoder, range(outside)), N_COMPONENTS)
    first = time.perf_counter() - begin
    start = resident()
    meter = Meter()
    for _ in range(ROUNDS):
        with meter.measure(WHOLE):
            cloud = build_cloud(firings, decoder, range(outside))
            pca = fit_pca(cloud, N_COMPONENTS)
            project(cloud, pca)
        with meter.measure("of these, the cloud"):
            build_cloud(firings, decoder, range(outside))
        with meter.measure("add a latent, PCA, projections"):
            grown = cloud.add(outside, firings, decoder)
            project(grown, fit_pca(grown, N_COMPONENTS, reference=pca))
        del grown
        with meter.measure("remove a latent, PCA, projections"):
            shrunk = cloud.remove(0, decoder)
            project(shrunk, fit_pca(shrunk, N_COMPONENTS, reference=pca))
        del shrunk
        with meter.measure(f"choose {DRAWN:,} points to draw"):
            display_sample(cloud, DRAWN, 0)
        del cloud, pca
    return Measured(first, start, by_name(meter.found))


def full_width(folder: Path, *, n_points: int) -> Measured:
    """Form d_model-wide points and give them to scikit-learn, as one would in a notebook."""
    import scipy.sparse as sp
    from sklearn.decomposition import PCA

    threadpool_limits(1)
    firings, decoder = opened(folder)
    members = range(firings.n_latents - 1)
    start = resident()
    meter = Meter()
    with meter.measure(FULL_WIDTH):
        parts = [firings.latent(latent) for latent in members]
        columns = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
        tokens, rows = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
        values = np.concatenate([part[1] for part in parts]).astype(np.float32)
        activations = sp.csr_matrix((values, (rows, columns)), shape=(len(tokens), len(parts)))
        points = activations[:n_points] @ decoder[: len(parts)]
        PCA(N_COMPONENTS, random_state=0).fit_transform(points)
    return Measured(0, start, by_name(meter.found))


def by_name(found: list[Figures]) -> dict[str, list[Figures]]:
    """Gather the runs of each piece of work."""
    runs: dict[str, list[Figures]] = {}
    for figures in found:
        runs.setdefault(figures.name, []).append(figures)
    return runs


def resident() -> int:
    """Return the resident memory of this process, in bytes."""
    lines = STATUS.read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def measured(piece: str, folder: Path, *options: str) -> Measured:
    """Run a piece in a process of its own."""
    arguments = ["-m", "benchmarks.clouds", "--piece", piece, "--folder", str(folder), *options]
    printed, _ = run_process(piece, arguments)
    answer = json.loads(printed.splitlines()[-1])
    runs = {name: [Figures(**run) for run in runs] for name, runs in answer.pop("runs").items()}
    return Measured(**answer, runs=runs)


def line(name: str, runs: list[Figures], *, start: int, times: float = 1, goal: str = "") -> str:
    """Return a line of the table: the median of the runs, the greatest memory above the start."""
    seconds, processor = (
        times * float(np.median([getattr(run, field) for run in runs]))
        for field in ("seconds", "processor")
    )
    peak = times * (max(run.peak for run in runs) - start)
    cells = [name, f"{1000 * seconds:,.0f} ms", f"{1000 * processor:,.0f} ms"]
    return "| " + " | ".join([*cells, f"{peak / MIB:,.0f} MiB", goal]) + " |"


def report(options: argparse.Namespace, n_points: int, folder: Path) -> None:
    """Plant firings, measure, print as Markdown."""
    plant(
        folder,
        n_points=n_points,
        n_members=options.members,
        d_model=options.d_model,
        density=options.density,
    )
    firings, _ = opened(folder)
    n_firings = int(firings.indptr[-2])
    typer.echo(
        f"{n_points:,} points, {options.members} latents, {n_firings:,} firings, d_model "
        f"{options.d_model:,}; {N_COMPONENTS} components."
    )
    typer.echo("| work | time | processor time | peak memory over the start | goal |")
    typer.echo("|---|---|---|---|---|")
    ours = measured("engine", folder)
    is_goal_size = (options.members, options.d_model) == GOAL_SIZE and n_points in GOALS
    for name, runs in ours.runs.items():
        goal = f"{1000 * GOALS[n_points]:,.0f} ms" if is_goal_size and name == WHOLE else ""
        typer.echo(line(name, runs, start=ours.start, goal=goal))
    n_full = min(n_points, options.full_width_points)
    theirs = measured("full-width", folder, "--full-width-points", str(n_full))
    times = n_points / n_full
    for name, runs in theirs.runs.items():
        scaled = name if times == 1 else f"{name}; {n_full:,} points, times {times:.0f}"
        typer.echo(line(scaled, runs, start=theirs.start, times=times))
    typer.echo(f"\nThe first cloud of a process takes {ours.first:.1f} s: kernels are compiled.\n")


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", nargs="+", type=int, default=list(GOALS))
    parser.add_argument("--members", type=int, default=GOAL_SIZE[0])
    parser.add_argument("--d-model", type=int, default=GOAL_SIZE[1])
    parser.add_argument("--density", type=float, default=0.2, help="share of members at a point")
    parser.add_argument("--full-width-points", type=int, default=100_000)
    parser.add_argument("--piece", choices=("engine", "full-width"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.piece is None:
        for n_points in options.points:
            with tempfile.TemporaryDirectory() as scratch:
                report(options, n_points, Path(scratch))
        return
    if options.piece == "engine":
        found = engine(options.folder)
    else:
        found = full_width(options.folder, n_points=options.full_width_points)
    typer.echo(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
