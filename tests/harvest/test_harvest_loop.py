"""The harvest's shards: exact, ordered, resumable, and the same however they were computed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from feature_manifold.core.config import make_config
from feature_manifold.core.errors import DeviceError, ModelError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.harvest import sae_sanity, write_decoder
from feature_manifold.harvest.model import ResidualModel
from feature_manifold.store.shards import open_shard, shard_folders
from feature_manifold.store.token_table import load_metadata, open_token_table
from feature_manifold.testing.saes import ALWAYS, N_SILENT
from feature_manifold.testing.tiny import TinyExperiment, TinyHub
from tests.harvest.harvesting import (
    Tiny,
    dense_firings,
    file_hashes,
    harvest,
    in_hub,
    make_table,
    whole_model_residual,
)

MODELS = ["gemma_text", "gemma_multimodal", "gpt2"]


@pytest.fixture(scope="module")
def corpus(gemma_text: TinyHub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    make_table(gemma_text, folder)
    return folder


@pytest.fixture(scope="module")
def reference(gemma_text: TinyHub, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    harvest(gemma_text, corpus, folder)
    return folder


def expected_firings(tiny: Tiny, model: Any, corpus: Path) -> np.ndarray:
    """Dense activations by the definition, special tokens silent."""
    table = open_token_table(corpus)
    residual = whole_model_residual(model, table, layer=tiny.layer).float()
    hidden = residual @ tiny.sae.w_enc + tiny.sae.b_enc
    acts = torch.relu(hidden) * (hidden > tiny.sae.threshold)
    acts[np.isin(table.token_id, load_metadata(corpus)["special_ids"])] = 0
    return acts.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_firings_are_those_of_the_whole_model_and_the_dense_sae(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    tiny: Tiny = request.getfixturevalue(name)
    table = make_table(tiny, tmp_path / "corpus", num_tokens=1200)
    facts = harvest(tiny, tmp_path / "corpus", tmp_path / "raw")
    with in_hub(tiny):
        model = AutoModelForCausalLM.from_pretrained(
            tiny.config()["model"], dtype=torch.float32
        ).eval()
    expected = expected_firings(tiny, model, tmp_path / "corpus")
    dense = dense_firings(tmp_path / "raw", n_tokens=table.n_tokens, n_latents=256)
    assert facts.n_firings == (expected > 0).sum() > 4_000
    assert ((dense > 0) == (expected > 0)).all()
    # Half a unit of float16, and the last bits of float32: here every window ran alone.
    np.testing.assert_allclose(dense, expected, rtol=2**-10)


def test_shards_are_sorted_by_latent_then_token_and_cover_every_row(
    corpus: Path, reference: Path
) -> None:
    table = open_token_table(corpus)
    row = 0
    for folder in shard_folders(reference):
        shard = open_shard(folder)
        assert shard.start == row
        row = shard.stop
        assert shard.n_latents == 256
        for latent in range(256):
            tokens = shard.tokens[shard.indptr[latent] : shard.indptr[latent + 1]].astype(int)
            assert (np.diff(tokens) > 0).all()
            assert ((tokens >= shard.start) & (tokens < shard.stop)).all()
        assert (shard.activations > 0).all()
    assert row == table.n_tokens
    assert len(shard_folders(reference)) == 4


def test_bos_and_special_tokens_never_fire(corpus: Path, reference: Path) -> None:
    table = open_token_table(corpus)
    dense = dense_firings(reference, n_tokens=table.n_tokens, n_latents=256)
    special = np.isin(table.token_id, load_metadata(corpus)["special_ids"])
    assert special.sum() == table.n_windows
    assert not dense[special].any()
    assert (dense[~special, ALWAYS] > 0).all()
    assert not dense[:, :N_SILENT].any()


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 1},
        {"batch_size": 64},
        {"latent_chunk": 7},
        {"latent_chunk": 4096},
        {"n_workers": 3},
    ],
    ids=str,
)
def test_how_the_work_is_cut_changes_no_byte(
    gemma_text: TinyHub, corpus: Path, reference: Path, tmp_path: Path, changes: dict[str, int]
) -> None:
    harvest(gemma_text, corpus, tmp_path, **changes)
    assert file_hashes(tmp_path) == file_hashes(reference)


def test_shard_size_changes_no_firing(
    gemma_text: TinyHub, corpus: Path, reference: Path, tmp_path: Path
) -> None:
    harvest(gemma_text, corpus, tmp_path, shard_tokens=10_000_000)
    assert len(shard_folders(tmp_path)) == 1
    n_tokens = open_token_table(corpus).n_tokens
    one = dense_firings(tmp_path, n_tokens=n_tokens, n_latents=256)
    assert (one == dense_firings(reference, n_tokens=n_tokens, n_latents=256)).all()


def measure(tiny: Tiny, corpus: Path, raw: Path) -> None:
    """Do what ``sanity_check_sae.py`` does."""
    special_ids = load_metadata(corpus)["special_ids"]
    config, table = make_config(tiny.config()), open_token_table(corpus)
    sae_sanity(config, table, special_ids=special_ids, progress=SilentProgress())


class _Interrupted(Exception):
    pass


class _FailingProgress:
    """Progress that raises once a number of rows is reached."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.total: int | None = None

    @contextmanager
    def task(
        self, description: str, *, total: int | None = None, unit: str = ""
    ) -> Iterator["_FailingProgress"]:
        self.total = total
        yield self

    def advance(self, n: int = 1) -> None:
        self.left -= n
        if self.left < 0:
            raise _Interrupted


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_run_that_failed_half_way_resumes_to_the_same_bytes(
    gemma_text: TinyHub, corpus: Path, reference: Path, tmp_path: Path, n_workers: int
) -> None:
    with pytest.raises(_Interrupted):
        harvest(gemma_text, corpus, tmp_path, progress=_FailingProgress(2700), n_workers=n_workers)
    done = shard_folders(tmp_path)
    assert 0 < len(done) < 4
    kept = {folder: folder.stat().st_ino for folder in done}
    rest = _FailingProgress(10_000)
    harvest(gemma_text, corpus, tmp_path, progress=rest)
    # Rows that are there are not counted: rate and time left are those of the work to do.
    n_there = sum(shard.stop - shard.start for shard in map(open_shard, done))
    assert rest.total == open_token_table(corpus).n_tokens - n_there == 10_000 - rest.left
    assert all(folder.stat().st_ino == inode for folder, inode in kept.items())
    assert file_hashes(tmp_path) == file_hashes(reference)


def test_a_harvest_killed_by_sigkill_resumes_to_the_same_bytes(
    gemma_text: TinyHub, corpus: Path, reference: Path, tmp_path: Path
) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from feature_manifold.testing.hub import LocalHub
from types import SimpleNamespace
from tests.harvest import harvesting
from contextlib import nullcontext
harvesting.in_hub = lambda tiny: nullcontext()
tiny = SimpleNamespace(config=lambda **changes: {gemma_text.config()!r} | changes)
harvesting.harvest(tiny, Path({str(corpus)!r}), Path({str(tmp_path / "raw")!r}))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **gemma_text.hub.environment},
        stderr=subprocess.DEVNULL,
    )
    first = tmp_path / "raw" / "shard_00000" / "manifest.json"
    deadline = time.monotonic() + 300
    while not first.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert first.exists()
    harvest(gemma_text, corpus, tmp_path / "raw")
    assert file_hashes(tmp_path / "raw") == file_hashes(reference)


def test_a_changed_config_or_damaged_shard_is_harvested_again(
    gemma_text: TinyHub, corpus: Path, reference: Path, tmp_path: Path
) -> None:
    harvest(gemma_text, corpus, tmp_path, attention="eager")
    assert file_hashes(tmp_path) != file_hashes(reference)
    harvest(gemma_text, corpus, tmp_path)
    assert file_hashes(tmp_path) == file_hashes(reference)
    activations = tmp_path / "shard_00001" / "activations.npy"
    content = bytearray(activations.read_bytes())
    content[-1] ^= 1
    activations.write_bytes(content)
    harvest(gemma_text, corpus, tmp_path)
    assert file_hashes(tmp_path) == file_hashes(reference)


def test_shards_of_a_longer_earlier_run_are_dropped(
    gemma_text: TinyHub, corpus: Path, tmp_path: Path
) -> None:
    harvest(gemma_text, corpus, tmp_path, shard_tokens=500)
    n_before = len(shard_folders(tmp_path))
    harvest(gemma_text, corpus, tmp_path)
    assert n_before > len(shard_folders(tmp_path)) == 4


def test_bfloat16_models_differ_only_near_the_threshold(
    gemma_text: TinyHub, corpus: Path, reference: Path, tmp_path: Path
) -> None:
    facts = harvest(gemma_text, corpus, tmp_path, dtype="bfloat16")
    assert facts.dtype == "bfloat16"
    n_tokens = open_token_table(corpus).n_tokens
    exact = dense_firings(reference, n_tokens=n_tokens, n_latents=256)
    rough = dense_firings(tmp_path, n_tokens=n_tokens, n_latents=256)
    both = (exact > 0) & (rough > 0)
    either = (exact > 0) | (rough > 0)
    assert 0.8 < both.sum() / either.sum() < 1
    # The SAE itself stays in float32: bfloat16 thresholds would be multiples of 2**-9 here.
    with in_hub(gemma_text):
        model = AutoModelForCausalLM.from_pretrained(
            gemma_text.model_id, dtype=torch.bfloat16
        ).eval()
    expected = expected_firings(gemma_text, model, corpus)
    assert (rough > 0).sum() == pytest.approx((expected > 0).sum(), rel=0.02)


def test_large_activations_are_kept_in_float32(gpt2: TinyExperiment, tmp_path: Path) -> None:
    make_table(gpt2, tmp_path / "corpus", num_tokens=200)
    folder = tmp_path / "sae"
    folder.mkdir()
    (folder / "cfg.json").write_bytes((gpt2.sae_folder / "cfg.json").read_bytes())
    tensors = load_file(gpt2.sae_folder / "sae_weights.safetensors")
    tensors["b_enc"][ALWAYS] = 70_000.0
    save_file(tensors, folder / "sae_weights.safetensors")
    harvest(gpt2, tmp_path / "corpus", tmp_path / "raw", sae_path=str(folder))
    shard = open_shard(shard_folders(tmp_path / "raw")[0])
    assert shard.activations.dtype == np.float32
    assert np.isfinite(shard.activations).all()
    assert shard.activations.max() > 65_504


def test_a_residual_that_is_not_finite_is_an_error_that_says_where(
    gpt2: TinyExperiment, tmp_path: Path
) -> None:
    make_table(gpt2, tmp_path / "corpus", num_tokens=200)
    model = AutoModelForCausalLM.from_pretrained(gpt2.model_folder)
    token_id = int(open_token_table(tmp_path / "corpus").token_id[5])
    with torch.no_grad():
        model.transformer.wte.weight[token_id] = float("nan")
    broken = tmp_path / "tiny-gpt2"
    model.save_pretrained(broken)
    with pytest.raises(ModelError, match=r"NaN or infinite at token row \d+ \(document"):
        harvest(gpt2, tmp_path / "corpus", tmp_path / "raw", model=str(broken))
    assert not shard_folders(tmp_path / "raw")


@pytest.mark.parametrize("place", [ResidualModel, AutoModelForCausalLM])
@pytest.mark.parametrize("work", [harvest, measure])
def test_a_gpu_out_of_memory_says_what_to_lower(
    gpt2: TinyExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any, work: Any
) -> None:
    def run_out(*args: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the docs")

    make_table(gpt2, tmp_path / "corpus", num_tokens=200)
    monkeypatch.setattr(place, "residual" if place is ResidualModel else "from_pretrained", run_out)
    with pytest.raises(DeviceError, match=r"batch-size \(now 4\) and latent-chunk") as raised:
        work(gpt2, tmp_path / "corpus", tmp_path / "raw")
    assert "\n" not in str(raised.value)


def test_the_decoder_is_copied_whole(gemma_text: TinyHub, tmp_path: Path) -> None:
    with in_hub(gemma_text):
        shape = write_decoder(
            make_config(gemma_text.config()), tmp_path / "decoder.npy", progress=SilentProgress()
        )
    decoder = np.load(tmp_path / "decoder.npy")
    assert shape == decoder.shape == (256, 32)
    assert (decoder == gemma_text.sae.w_dec.numpy()).all()
    assert [path.name for path in tmp_path.iterdir()] == ["decoder.npy"]
