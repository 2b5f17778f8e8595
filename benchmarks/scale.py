"""The pipeline after the harvest on planted data: time, peak memory, bytes, share of the bound.

    python -m benchmarks.scale [--size tenth|full] [--tokens 1M] [--latents 65536] [--l0 60]
                               [--d-model 512] [--data FOLDER] [--pieces index graph ...]

Every piece runs in a process of its own; peak memory is the kernel's account of it. A bound is what
this machine can do at best, measured in the same run: a file of as many bytes written and synced, a
matrix product, a copy in memory, a bare loop of increments. The tenth takes minutes, the full size,
the specification's own, about a quarter of an hour and 25 GB of disk.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from benchmarks import bounds
from benchmarks.measure import Figures
from benchmarks.pieces import PIECES

from feature_manifold.core.config import load_config, processors
from feature_manifold.pipeline.pipeline import experiment_paths
from feature_manifold.store.experiment import Experiment

GIB = 1 << 30
MINUTE = 60.0
INDEX_GOAL = 20e6
"""Firings per second."""

SHARD_BYTES, INDEX_BYTES = 6, 12
"""Bytes of a firing: as harvested, and in the two orientations of the index."""

SORTING = ("merge shards", "sort firings by token")
COSINE = ("products of decoder rows", "cosine neighbours")
LAYING_OUT = ("lay out by cosine", "lay out by coactivation")
WHOLE_GOAL = 25 * MINUTE
STAGES = ("index", "graph", "clusters", "examples", "export")

SIZES = {
    "tenth": {"tokens": "1M", "latents": "65536", "l0": "60", "d-model": "512"},
    "full": {"tokens": "10M", "latents": "65536", "l0": "60", "d-model": "5376"},
}


@dataclass(frozen=True)
class Piece:
    """Figures of one piece: the whole of it, its tasks, and what it says besides.

    Attributes
    ----------
    name
        The piece.
    tasks
        Figures of its tasks and, under its own name, of its work without start and end.
    whole
        The process from start to end, by ``wait4``.
    facts
        What it says besides.
    """

    name: str
    tasks: dict[str, Figures]
    whole: Figures
    facts: dict[str, Any]


def run_process(name: str, arguments: list[str]) -> tuple[str, Figures]:
    """Run a Python process to its end; return what it printed and the kernel's account of it."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed with exit code {process.returncode}")
    seconds = time.perf_counter() - begin
    processor = usage.ru_utime + usage.ru_stime
    # The kernel counts blocks of 512 bytes, and memory in KiB.
    figures = Figures(name, seconds, processor, 1024 * usage.ru_maxrss, 512 * usage.ru_oublock)
    return printed, figures


def run_piece(name: str, config: Path) -> Piece:
    """Run one piece of ``benchmarks.pieces``."""
    printed, whole = run_process(name, ["-m", "benchmarks.pieces", name, str(config)])
    answer = json.loads(printed.splitlines()[-1])
    found = [Figures(**values) for values in answer["figures"]]
    return Piece(name, {figures.name: figures for figures in found}, whole, answer["facts"])


@dataclass(frozen=True)
class Work:
    """How much there is to do, counted from the data."""

    n_tokens: int
    n_latents: int
    d_model: int
    n_firings: int
    n_increments: int

    @classmethod
    def of(cls, config: Path) -> "Work":
        """Count: a token with m firings makes m squared increments of a co-firing count."""
        experiment = Experiment(experiment_paths(load_config(config)))
        per_token = np.diff(experiment.by_token.indptr)
        return cls(
            n_tokens=experiment.by_latent.n_tokens,
            n_latents=experiment.by_latent.n_latents,
            d_model=experiment.decoder.shape[1],
            n_firings=experiment.by_latent.n_firings,
            n_increments=int((per_token**2).sum()),
        )


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes
    ----------
    name
        What was done.
    took
        Its figures.
    bound
        Seconds that the machine needs at best, or None where there is no simple bound.
    bound_by
        What that bound is.
    goal
        Seconds to reach at full size.
    goal_memory
        Bytes to stay within at full size.
    """

    name: str
    took: Figures
    bound: float | None
    bound_by: str
    goal: float | None = None
    goal_memory: float | None = None


def joined(name: str, parts: list[Figures]) -> Figures:
    """Add up pieces of work that follow each other."""
    return Figures(
        name,
        sum(part.seconds for part in parts),
        sum(part.processor for part in parts),
        max(part.peak for part in parts),
        sum(part.written for part in parts),
    )


@dataclass(frozen=True)
class Machine:
    """What the machine does at best, per second."""

    copy: float
    disk: float
    float32: float
    bfloat16: float | None
    increments: float

    @classmethod
    def measured(cls, work: Work, folder: Path) -> "Machine":
        """Measure on the sizes of the work; the disk with as many bytes as the index has."""
        return cls(
            copy=bounds.copy_rate(),
            disk=bounds.disk_rate(folder, INDEX_BYTES * work.n_firings),
            float32=bounds.float32_rate(work.d_model),
            bfloat16=bounds.bfloat16_rate(work.d_model),
            increments=bounds.increment_rate(work.n_latents),
        )

    @property
    def product(self) -> float:
        """Operations of the fastest matrix product."""
        return max(self.float32, self.bfloat16 or 0)


def rows(pieces: dict[str, Piece], work: Work, machine: Machine) -> list[Row]:
    """Make the table of what was measured."""
    found = []
    index, graph = pieces.get("index"), pieces.get("graph")
    examples, export = pieces.get("examples"), pieces.get("export")
    disk, product = f"write {INDEX_BYTES} bytes a firing", "half of the symmetric product"
    if index:
        sorting = joined("shards to index", [index.tasks[task] for task in SORTING])
        bound = INDEX_BYTES * work.n_firings / machine.disk
        goal = work.n_firings / INDEX_GOAL
        found.append(Row("shards to index, both ways", sorting, bound, disk, goal, 4 * GIB))
    if graph:
        took = graph.tasks["co-firing neighbours"]
        bound = work.n_increments / machine.increments
        name = "co-activation and Jaccard, top 100"
        found.append(Row(name, took, bound, "bare increments", 8 * MINUTE, 6 * GIB))
        flops = work.n_latents**2 * work.d_model
        took = joined("cosine", [graph.tasks[task] for task in COSINE])
        bound = flops / machine.product
        found.append(Row("exact cosine, top 100", took, bound, product, 5 * MINUTE, 4 * GIB))
        for task in LAYING_OUT:
            found.append(Row(task, graph.tasks[task], None, "", 3 * MINUTE, 4 * GIB))
    if "clusters" in pieces:
        found.append(
            Row("find, rank and measure clusters", pieces["clusters"].tasks["clusters"], None, "")
        )
    if index and examples:
        parts = [index.tasks["latent statistics"], examples.tasks["examples"]]
        bound = 2 * SHARD_BYTES * work.n_firings / machine.copy
        took = joined("statistics and examples", parts)
        found.append(Row(took.name, took, bound, "copy the index twice", 5 * MINUTE, 4 * GIB))
    if export:
        took = export.tasks["export pages"]
        bound = took.written / machine.disk
        found.append(Row("JSON page of every latent", took, bound, "write", 5 * MINUTE, 4 * GIB))
    if "latent-files" in pieces:
        took = pieces["latent-files"].tasks["latents/*.npz"]
        bound = took.written / machine.disk
        found.append(Row("npz file of every latent", took, bound, "write", 5 * MINUTE, 4 * GIB))
    return found


def shown(row: Row, machine: Machine, *, is_full: bool) -> str:
    """Return a line of the table; at full size with the goal and, where missed, the reason."""
    took = row.took
    share = "" if row.bound is None else f"{row.bound / took.seconds:.1%} of {row.bound_by}"
    goal = ""
    if is_full and row.goal is not None:
        limits = f"{row.goal:,.0f} s"
        limits += f", {row.goal_memory / GIB:.0f} GiB" if row.goal_memory else ""
        missed = took.seconds > row.goal or (row.goal_memory or took.peak) < took.peak
        goal = f"{limits}: {'missed, ' + limit_of(took, machine) if missed else 'reached'}"
    cells = [
        row.name,
        f"{took.seconds:,.1f} s",
        f"{took.processor:,.1f} s",
        f"{took.peak / GIB:.2f} GiB",
        f"{took.written / 1e9:.2f} GB",
        share,
        goal,
    ]
    return "| " + " | ".join(cells) + " |"


def limit_of(took: Figures, machine: Machine) -> str:
    """Say what a piece of work waits for most: processors, or the disk."""
    busy = took.processor / (took.seconds * processors())
    writing = took.written / (took.seconds * machine.disk)
    return f"{busy:.0%} of the processors and {writing:.0%} of the disk's speed in use"


def data_config(options: argparse.Namespace, folder: Path) -> tuple[Path, Figures]:
    """Return the config of the planted experiment, writing it first where it is not there."""
    size = SIZES[options.size] | {
        name: value
        for name in ("tokens", "latents", "l0", "d-model")
        if (value := getattr(options, name.replace("-", "_"))) is not None
    }
    sizes = [word for name, value in size.items() for word in (f"--{name}", value)]
    _, took = run_process(
        "synth", ["-m", "feature_manifold.cli", "synth", *sizes, "--data", str(folder)]
    )
    configs = sorted(folder.glob("experiments/*/config.yaml"))
    if len(configs) != 1:
        raise SystemExit(f"{folder} holds {len(configs)} planted experiments; name an empty folder")
    return configs[0], took


def main() -> None:
    """Plant, run every piece, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="tenth")
    for name in SIZES["tenth"]:
        parser.add_argument(f"--{name}", help="instead of what the size says")
    parser.add_argument("--data", type=Path, help="folder to keep the data in; else a scratch one")
    parser.add_argument("--pieces", nargs="+", choices=PIECES, default=list(PIECES))
    options = parser.parse_args()
    if options.data is None:
        with tempfile.TemporaryDirectory() as scratch:
            report(options, Path(scratch))
    else:
        options.data.mkdir(parents=True, exist_ok=True)
        report(options, options.data)


def report(options: argparse.Namespace, folder: Path) -> None:
    """Measure, and print as Markdown."""
    config, planting = data_config(options, folder)
    pieces: dict[str, Piece] = {}
    for name in options.pieces:
        pieces[name] = run_piece(name, config)
        typer.echo(f"{name}: {pieces[name].whole.seconds:,.1f} s", err=True)
    work = Work.of(config)
    machine = Machine.measured(work, folder)
    table = rows(pieces, work, machine)
    stages = [pieces[name].whole for name in STAGES if name in pieces]
    if len(stages) == len(STAGES):
        whole = joined("all stages after the harvest, start to end", stages)
        table.append(Row(whole.name, whole, None, "", WHOLE_GOAL))
    typer.echo(described(work, machine))
    typer.echo("| work | time | processor time | peak memory | written | of the bound | goal |")
    typer.echo("|---|---|---|---|---|---|---|")
    for row in [Row("plant the data", planting, None, ""), *table]:
        typer.echo(shown(row, machine, is_full=options.size == "full"))
    if "explore" in pieces:
        facts = pieces["explore"].facts
        typer.echo(
            f"\nOpen the experiment: {1e3 * facts['opening']:.0f} ms (goal 200). A latent's page: "
            f"{1e3 * facts['page_p50']:.1f} ms in the median, {1e3 * facts['page_p95']:.1f} ms at "
            "the 95th percentile (goal 50)."
        )


def described(work: Work, machine: Machine) -> str:
    """Describe the work and the machine in two sentences."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    narrow = "torch is not installed"
    if machine.bfloat16:
        narrow = f"bfloat16 {machine.bfloat16 / 1e9:,.0f} GFLOP/s"
    return (
        f"{work.n_tokens:,} tokens, {work.n_latents:,} latents, d_model {work.d_model:,}: "
        f"{work.n_firings:,} firings, {work.n_increments:,} co-firing increments.\n\n"
        f"{processors()} processors ({model[1] if model else 'unknown'}), {memory / GIB:.0f} GiB. "
        f"Copy in memory {machine.copy / 1e9:.1f} GB/s, disk {machine.disk / 1e9:.2f} GB/s written "
        f"and synced, float32 product {machine.float32 / 1e9:,.0f} GFLOP/s, {narrow}, "
        f"{machine.increments / 1e6:,.0f} M increments/s.\n"
    )


if __name__ == "__main__":
    main()
