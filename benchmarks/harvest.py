"""Harvest speed beside its bound: the truncated forward and the SAE's product, and nothing else.

    python benchmarks/harvest.py [--tokens 200000] [--rounds 5]

Runs on the shipped model when its files are there, else on a random one of the same shape, on one
thread. Shard by shard, the bound and the harvest of the same batches and blocks follow each other,
with either first in turn; the harvest's time holds the writing of the shard, and not the loading of
model and SAE, which is printed apart. The share is the median over all shards and rounds of bound
over harvest in processor time, which other work on the machine moves less than wall time.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
import typer

from feature_manifold.core.config import ExperimentConfig, load_config, make_config, resolve_path
from feature_manifold.core.errors import ConfigError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.corpus import build_token_table
from feature_manifold.harvest.batches import POOL_ROWS, batches_by_length, cut_ranges
from feature_manifold.harvest.encode import latent_chunks
from feature_manifold.harvest.model import ResidualModel
from feature_manifold.harvest.sae import ThresholdSae
from feature_manifold.harvest.sae_source import load_sae
from feature_manifold.harvest.shard import ShardHarvester, encode_rows
from feature_manifold.store.shards import write_shard
from feature_manifold.store.token_table import load_metadata, open_token_table
from feature_manifold.testing.models import gemma3, gemma_tokenizer, save_checkpoint
from feature_manifold.testing.saes import calibrated_sae, write_saelens_sae
from feature_manifold.testing.texts import word_soup, write_jsonl
from feature_manifold.testing.tiny import residual_rows

DEMO = Path(__file__).parents[1] / "experiments" / "almanac_layer1.yaml"


@dataclass(frozen=True)
class Seconds:
    """Time of one run on both clocks."""

    wall: float
    processor: float


@dataclass(frozen=True)
class Pair:
    """The bound and the harvest of one shard, one right after the other."""

    n_rows: int
    bound: Seconds
    harvest: Seconds

    @property
    def share(self) -> float:
        """Part of the bound's speed that the harvest reaches."""
        return self.bound.processor / self.harvest.processor


def demo_config() -> ExperimentConfig | None:
    """Return the shipped experiment's config, or None where its files are missing."""
    config = load_config(DEMO)
    try:
        paths = [
            resolve_path(str(value)) for value in (config.model, config.sae_path, config.corpus)
        ]
    except ConfigError:
        return None
    return config if all(paths) else None


def random_config(folder: Path) -> ExperimentConfig:
    """Make a random model, SAE and corpus of the shipped one's shape."""
    documents = word_soup(4000, seed=0, longest=300)
    write_jsonl(folder / "corpus.jsonl.zst", documents)
    tokenizer = gemma_tokenizer(documents[:200])
    model = gemma3(n_layers=3, vocab_size=1200, multimodal=False, seed=0, d_model=128)
    save_checkpoint(folder / "random", model, tokenizer)
    ids = tokenizer(documents[:60], add_special_tokens=False)["input_ids"]
    residual = residual_rows(model, [[2, *row[:127]] for row in ids], layer=1)
    sae = calibrated_sae(residual, n_latents=2048, seed=0, rates=(5e-4, 0.02))
    write_saelens_sae(folder / "sae", sae, layer=1, model_id="random")
    return make_config(
        {
            "model": str(folder / "random"),
            "layer": 1,
            "sae_path": str(folder / "sae"),
            "corpus": str(folder / "corpus.jsonl.zst"),
            "seq_len": 128,
            "dtype": "float32",
            "device": "cpu",
            "batch_size": 32,
            "shard_tokens": 65536,
        }
    )


def timed(work: Callable[[], object]) -> Seconds:
    """Run something and read both clocks."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - wall, time.process_time() - processor)


def make_harvester(config: ExperimentConfig, corpus: Path) -> ShardHarvester:
    """Load model and SAE."""
    device = torch.device("cpu")
    return ShardHarvester(
        model=ResidualModel(config, device),
        sae=load_sae(config, device),
        table=open_token_table(corpus),
        special_ids=np.array(load_metadata(corpus)["special_ids"], dtype=np.int64),
        max_rows=config.batch_size * config.seq_len,
        latent_chunk=config.latent_chunk,
    )


@torch.inference_mode()
def run_bound(harvester: ShardHarvester, first: int, last: int) -> None:
    """Run the truncated forward of every batch, then the products of every block."""
    windows, sae = harvester.table.windows, cast(ThresholdSae, harvester.sae)
    token_id = np.asarray(harvester.table.token_id, dtype=np.int64)
    n_block = encode_rows(harvester.model.device)
    block = torch.randn(n_block, sae.d_model).T
    for pool_first, pool_last in cut_ranges(windows, rows=POOL_ROWS, first=first, last=last):
        for batch in batches_by_length(
            windows, first=pool_first, last=pool_last, max_rows=harvester.max_rows
        ):
            begin = windows[batch.windows][:, None]
            rows = np.minimum(begin + np.arange(batch.length), len(token_id) - 1)
            harvester.model.residual(torch.from_numpy(token_id[rows]))
        # The first row of every window is its BOS, which is not encoded.
        n_tokens = int(windows[pool_last] - windows[pool_first]) - (pool_last - pool_first)
        for start in range(0, n_tokens, n_block):
            columns = block[:, : n_tokens - start]
            for latent, stop in latent_chunks(sae.n_latents, harvester.latent_chunk):
                sae._w_enc[:, latent:stop].T @ columns


def run_harvest(harvester: ShardHarvester, first: int, last: int, raw: Path) -> None:
    """Harvest one shard and write it."""
    shard = harvester.harvest(first, last, advance=lambda n_rows: None)
    write_shard(raw, 0, shard, config={}, inputs={})


def measured_pairs(
    harvester: ShardHarvester, ranges: list[tuple[int, int]], raw: Path, *, n_rounds: int
) -> Iterator[Pair]:
    """Time both on every shard; every second pair begins with the harvest."""
    windows = harvester.table.windows
    for number, (first, last) in enumerate(ranges * n_rounds):
        works = {
            "bound": partial(run_bound, harvester, first, last),
            "harvest": partial(run_harvest, harvester, first, last, raw),
        }
        order = list(works) if number % 2 == 0 else list(works)[::-1]
        seconds = {name: timed(works[name]) for name in order}
        yield Pair(int(windows[last] - windows[first]), **seconds)


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shipped = demo_config()
        config = (shipped or random_config(folder)).replaced(num_tokens=options.tokens)
        corpus, raw = folder / "corpus", folder / "raw"
        corpus.mkdir()
        build_token_table(config, corpus, progress=SilentProgress())
        harvester = make_harvester(config, corpus)
        loading = timed(partial(make_harvester, config, corpus))
        table = harvester.table
        ranges = cut_ranges(table.windows, rows=config.shard_tokens, first=0, last=table.n_windows)
        # Both run once before the clock: loops are compiled, files and pages are warm.
        run_bound(harvester, *ranges[-1])
        run_harvest(harvester, *ranges[-1], raw)
        pairs = list(measured_pairs(harvester, ranges, raw, n_rounds=options.rounds))
    model = "shipped" if shipped else "random, same shape"
    typer.echo(f"model      {model}, {table.n_tokens:,} rows in {len(ranges)} shards")
    for what in ("bound", "harvest"):
        wall, processor = (
            statistics.median(pair.n_rows / getattr(getattr(pair, what), clock) for pair in pairs)
            for clock in ("wall", "processor")
        )
        typer.echo(f"{what:<10} {wall:,.0f} rows/s of wall, {processor:,.0f} of processor time")
    low, middle, high = statistics.quantiles((pair.share for pair in pairs), n=4)
    typer.echo(
        f"share      {middle:.1%} of the bound, median of {len(pairs)}; "
        f"half of them from {low:.1%} to {high:.1%}"
    )
    typer.echo(f"loading    {loading.processor:.2f} s, once")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    typer.echo(f"peak       {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
