"""Make every asset of the demo from one seed."""

import json
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from feature_manifold.core.errors import ConfigError
from feature_manifold.core.progress import Progress
from feature_manifold.demo import train_model, train_sae
from feature_manifold.demo.activations import residuals
from feature_manifold.demo.assets import AssetPaths
from feature_manifold.demo.card import other_seeds, write_card
from feature_manifold.demo.corpus import as_token_ids, save_corpus, write_documents
from feature_manifold.demo.evaluate import Measurements, bars, measure
from feature_manifold.demo.tokenizer import CONTEXT_SIZE, save_tokenizer
from feature_manifold.demo.train_model import MODEL_NAME
from feature_manifold.demo.train_sae import Sae
from feature_manifold.demo.truth import save_truth

if TYPE_CHECKING:
    from transformers import Gemma3ForCausalLM

#: Active latents per token after each layer: words need few, contexts more.
L0_BY_LAYER = {0: 5.5, 1: 24.0}
CORPUS_TOKENS = 300_000


def train_demo(
    out: Path,
    *,
    seed: int = 0,
    model_steps: int | None = None,
    sae_steps: int | None = None,
    corpus_tokens: int = CORPUS_TOKENS,
    compare: tuple[Path, ...] = (),
    progress: Progress,
) -> None:
    """Train the language model and its autoencoders, write all assets, and measure them.

    Runs on one thread whatever the machine has: the number of threads decides in which order
    sums are taken, and with it the last bits of every weight. On the same processor and torch
    build equal arguments write equal weights, corpus and ground truth.

    Parameters
    ----------
    out
        Folder to write (``demo.assets.AssetPaths``); made if needed, files in it replaced.
    seed
        Seed of text, weights and batches.
    model_steps, sae_steps
        Fewer steps than the recipe's, for a quick trial; the bars then fail, and are reported so.
    corpus_tokens
        Tokens of held-out text, and tokens on which each autoencoder is trained.
    compare
        Folders of earlier runs with other seeds; the model card shows their bars too.
    progress
        Told of every stage.

    Raises
    ------
    ConfigError
        If a number of steps or tokens is below 1.
    MissingArtifactError
        If a folder to compare with holds no run.
    """
    model_steps = train_model.STEPS if model_steps is None else model_steps
    sae_steps = train_sae.STEPS if sae_steps is None else sae_steps
    _check_counts(model_steps=model_steps, sae_steps=sae_steps, corpus_tokens=corpus_tokens)
    others = other_seeds(tuple(AssetPaths(folder) for folder in compare))
    start, cpu_start = time.perf_counter(), time.process_time()
    paths = AssetPaths(out)
    out.mkdir(parents=True, exist_ok=True)
    # Imported here: it needs torch.
    from feature_manifold.harvest.device import one_thread

    with one_thread():
        model, log = train_model.train_model(seed=seed, steps=model_steps, progress=progress)
        _save_model(model, paths.model)
        saes = _train_saes(model, paths, seed, sae_steps, corpus_tokens, progress)
        save_truth(paths.truth)
        written = write_documents(seed=seed, purpose="held-out", n_tokens=corpus_tokens)
        save_corpus(written, paths.corpus)
        measured = measure(model, saes, as_token_ids(written), seed=seed, progress=progress)
    minutes = (time.perf_counter() - start) / 60
    cpu_minutes = (time.process_time() - cpu_start) / 60
    _save_provenance(
        paths,
        {
            "command": f"fmi train-demo assets --seed {seed}",
            "seed": seed,
            "model": asdict(log),
            "sae_steps": sae_steps,
            "corpus_tokens": corpus_tokens,
            "minutes": round(minutes, 1),
            "cpu_minutes": round(cpu_minutes, 1),
            "threads": 1,
            "other_seeds": others,
        },
        measured,
    )
    write_card(paths)


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}; give at least 1, or leave it out.")


def _save_model(model: "Gemma3ForCausalLM", folder: Path) -> None:
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes its files private
    save_tokenizer(folder)


def _train_saes(
    model: "Gemma3ForCausalLM",
    paths: AssetPaths,
    seed: int,
    steps: int,
    n_tokens: int,
    progress: Progress,
) -> dict[int, Sae]:
    """Train and save one autoencoder per layer, on text of their own."""
    written = write_documents(seed=seed, purpose="autoencoder", n_tokens=n_tokens)
    stream = residuals(model, as_token_ids(written), layers=tuple(L0_BY_LAYER), progress=progress)
    saes = {}
    for layer, k in L0_BY_LAYER.items():
        saes[layer] = train_sae.train_sae(
            stream.by_layer[layer], k=k, seed=seed, steps=steps, progress=progress
        )
        train_sae.save_sae(
            saes[layer],
            paths.sae(layer),
            layer=layer,
            model_name=MODEL_NAME,
            context_size=CONTEXT_SIZE,
        )
    return saes


def _save_provenance(paths: AssetPaths, run: dict[str, object], measured: Measurements) -> None:
    import torch
    import transformers

    content = run | {
        "format_version": 1,
        "software": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "bars": [asdict(bar) | {"passed": bar.passed} for bar in bars(measured)],
        "measurements": asdict(measured),
    }
    paths.provenance.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
