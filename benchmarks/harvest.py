"""Harvest speed beside its bound: the truncated forward and the SAE's product, and nothing else.

    python benchmarks/harvest.py [--tokens 200000]

Runs on the shipped model when its files are there, else on a random one of the same shape. The
bound sees the same batches and blocks, interleaved with the harvest and best of three. Both run on
one thread, and the share is that of processor time, which other work on the machine hardly moves.
"""

import argparse
import dataclasses
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from feature_manifold.core.config import ExperimentConfig, load_config, make_config, resolve_path
from feature_manifold.core.errors import ConfigError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.corpus import build_token_table
from feature_manifold.harvest import run_harvest
from feature_manifold.harvest.batches import POOL_ROWS, batches_by_length, cut_ranges
from feature_manifold.harvest.model import ResidualModel
from feature_manifold.harvest.sae_source import load_sae
from feature_manifold.harvest.shard import encode_rows
from feature_manifold.store.token_table import TokenTable, load_metadata, open_token_table
from feature_manifold.testing.models import gemma3, gemma_tokenizer, save_checkpoint
from feature_manifold.testing.saes import calibrated_sae, write_saelens_sae
from feature_manifold.testing.texts import word_soup, write_jsonl
from feature_manifold.testing.tiny import residual_rows

DEMO = Path(__file__).parents[1] / "experiments" / "almanac_layer1.yaml"
REPEATS = 3


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


def clocks() -> tuple[float, float]:
    """Read the wall clock and the processor clock."""
    return time.perf_counter(), time.process_time()


def since(start: tuple[float, float]) -> tuple[float, float]:
    """Return seconds on both clocks since a reading."""
    now = clocks()
    return now[0] - start[0], now[1] - start[1]


def bound_seconds(config: ExperimentConfig, table: TokenTable) -> tuple[float, float]:
    """Time the truncated forward of every batch, then the SAE's products of every block."""
    model = ResidualModel(config, torch.device("cpu"))
    sae: Any = load_sae(config, torch.device("cpu"))
    token_id = np.asarray(table.token_id, dtype=np.int64)
    max_rows = config.batch_size * config.seq_len
    start = clocks()
    with torch.inference_mode():
        for first, last in cut_ranges(table.windows, rows=POOL_ROWS, first=0, last=table.n_windows):
            for batch in batches_by_length(
                table.windows, first=first, last=last, max_rows=max_rows
            ):
                begin = table.windows[batch.windows][:, None]
                rows = np.minimum(begin + np.arange(batch.length), table.n_tokens - 1)
                hidden = model.residual(torch.from_numpy(token_id[rows]))
        n_rows = encode_rows(model.device)
        block = hidden.reshape(-1, sae.d_model)[:1].repeat(n_rows, 1).float().T
        for _ in range(0, table.n_tokens - table.n_windows, n_rows):
            for chunk in range(0, sae.n_latents, config.latent_chunk):
                sae._w_enc[:, chunk : chunk + config.latent_chunk].T @ block
    return since(start)


def harvest_seconds(
    config: ExperimentConfig, corpus: Path, raw: Path
) -> tuple[tuple[float, float], int]:
    """Time a whole harvest, loading and writing included."""
    start = clocks()
    facts = run_harvest(
        config,
        open_token_table(corpus),
        raw,
        special_ids=load_metadata(corpus)["special_ids"],
        config_part=config.stage_config("harvest"),
        inputs={},
        progress=SilentProgress(),
    )
    return since(start), facts.n_firings


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shipped = demo_config()
        config = (shipped or random_config(folder)).replaced(num_tokens=options.tokens, n_workers=1)
        corpus = folder / "corpus"
        corpus.mkdir()
        facts = build_token_table(config, corpus, progress=SilentProgress())
        table = open_token_table(corpus)
        small = table.windows[: 1 + np.searchsorted(table.windows, 5000)]
        bound_seconds(config, dataclasses.replace(table, windows=small))
        harvest_seconds(config, corpus, folder / "warm")
        bounds, harvests, n_firings = [], [], 0
        for repeat in range(REPEATS):
            bounds.append(bound_seconds(config, table))
            seconds, n_firings = harvest_seconds(config, corpus, folder / f"raw{repeat}")
            harvests.append(seconds)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        typer.echo(
            f"model      {'shipped' if shipped else 'random, same shape'}, {facts.n_rows:,} rows"
        )
        typer.echo(f"firings    {n_firings:,} ({n_firings / facts.n_tokens:.1f} a token)")
        bound, harvest = (
            [facts.n_rows / min(times) for times in zip(*runs, strict=True)]
            for runs in (bounds, harvests)
        )
        typer.echo(f"bound      {bound[0]:,.0f} rows/s of wall, {bound[1]:,.0f} of processor time")
        typer.echo(
            f"harvest    {harvest[0]:,.0f} rows/s of wall, {harvest[1]:,.0f} of processor time"
        )
        typer.echo(f"share      {harvest[1] / bound[1]:.0%} of the bound; peak {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
