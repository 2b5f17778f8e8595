"""The truncated model gives the whole model's residual stream, and refuses what it cannot run."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from feature_manifold.core.config import make_config
from feature_manifold.core.errors import DeviceError, ModelError, SaeError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.core.rng import generator
from feature_manifold.harvest import check_harvest
from feature_manifold.harvest.batches import (
    batches_by_length,
    cut_ranges,
    padded_lengths,
    padded_rows,
)
from feature_manifold.harvest.device import choose_device, one_thread
from feature_manifold.harvest.model import ResidualModel, model_facts
from feature_manifold.harvest.sae import Sae
from feature_manifold.harvest.sae_source import load_sae
from feature_manifold.harvest.shard import ShardHarvester
from feature_manifold.pipeline.pipeline import run_experiment
from feature_manifold.pipeline.plan import Selection
from feature_manifold.testing.hub import LocalHub, use_hub
from feature_manifold.testing.texts import word_soup, write_jsonl
from feature_manifold.testing.tiny import TinyExperiment, TinyHub
from tests.harvest.harvesting import Tiny, in_hub, make_table

CPU = torch.device("cpu")
MODELS = ["gemma_text", "gemma_multimodal", "gpt2"]


def load(tiny: Tiny, **changes: Any) -> ResidualModel:
    with in_hub(tiny):
        return ResidualModel(make_config(tiny.config(**changes)), CPU)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", MODELS)
def test_the_truncated_forward_equals_the_whole_models_hidden_state(
    name: str, attention: str, dtype: str, request: pytest.FixtureRequest
) -> None:
    tiny: Tiny = request.getfixturevalue(name)
    ids = torch.randint(4, 300, (5, 40), generator=torch.Generator().manual_seed(0))
    with in_hub(tiny):
        whole = AutoModelForCausalLM.from_pretrained(
            tiny.config()["model"], dtype=getattr(torch, dtype), attn_implementation=attention
        ).eval()
    with torch.inference_mode():
        states = whole(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    residual = load(tiny, attention=attention, dtype=dtype).residual(ids)
    assert residual.dtype == getattr(torch, dtype)
    assert torch.equal(residual, states[tiny.layer + 1])


def test_blocks_above_the_layer_are_not_even_loaded(gemma_multimodal: TinyHub) -> None:
    model = load(gemma_multimodal)
    assert len(model._decoder.layers) == gemma_multimodal.layer + 1 < gemma_multimodal.n_layers


def test_the_last_block_is_read_before_the_final_norm(gpt2: TinyExperiment) -> None:
    whole = AutoModelForCausalLM.from_pretrained(gpt2.model_folder).eval()
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        normed = whole(input_ids=ids, output_hidden_states=True).hidden_states[-1]
        residual = load(gpt2, layer=2).residual(ids)
        assert not torch.equal(residual, normed)
        assert torch.equal(whole.transformer.ln_f(residual), normed)


@pytest.mark.parametrize("name", MODELS)
def test_padding_on_the_right_changes_last_bits_at_most(
    name: str, request: pytest.FixtureRequest
) -> None:
    tiny: Tiny = request.getfixturevalue(name)
    model = load(tiny)
    ids = torch.randint(4, 300, (3, 40), generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(ids, (0, 24))
    torch.testing.assert_close(
        model.residual(padded)[:, :40], model.residual(ids), rtol=1e-4, atol=1e-4
    )


def copied(tiny: TinyHub, folder: Path, **config: Any) -> Path:
    shutil.copytree(tiny.model_folder, folder)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **config}))
    return folder


def test_a_checkpoint_that_leaves_weights_uninitialised_is_refused(
    gemma_multimodal: TinyHub, tmp_path: Path
) -> None:
    # The multimodal weights under the text-only class: transformers draws all of them at random.
    values = json.loads((gemma_multimodal.model_folder / "config.json").read_text())
    folder = copied(gemma_multimodal, tmp_path / "text")
    text = {**values["text_config"], "architectures": ["Gemma3ForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(text))
    with pytest.raises(ModelError, match="uninitialised") as raised:
        load(gemma_multimodal, model=str(folder))
    assert "Gemma3ForCausalLM" in str(raised.value)


def test_a_checkpoint_of_other_sizes_is_refused(gemma_text: TinyHub, tmp_path: Path) -> None:
    folder = copied(gemma_text, tmp_path / "wide", intermediate_size=128)
    with pytest.raises(ModelError) as raised:
        load(gemma_text, model=str(folder))
    assert "\n" not in str(raised.value)


def test_a_layer_out_of_range_names_the_range(gemma_text: TinyHub) -> None:
    with pytest.raises(ModelError, match="has 7 blocks: 'layer' is 7, and may be 0 to 6"):
        load(gemma_text, layer=7)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "t5"}, "encoder-decoder"),
        ({"model_type": "no-such-model"}, "cannot be loaded"),
        ({"model_type": "siglip_vision_model"}, "cannot be loaded|no text"),
    ],
)
def test_models_that_cannot_be_read_are_named(
    gemma_text: TinyHub, tmp_path: Path, config: dict[str, Any], expected: str
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=expected) as raised:
        load(gemma_text, model=str(folder), layer=0)
    assert "\n" not in str(raised.value)


def test_a_damaged_weight_file_is_named(gemma_text: TinyHub, tmp_path: Path) -> None:
    folder = copied(gemma_text, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="cut") as raised:
        load(gemma_text, model=str(folder))
    assert "\n" not in str(raised.value)


def test_a_model_out_of_reach_says_how_to_fetch_it(tmp_path: Path) -> None:
    with use_hub(LocalHub(tmp_path)), pytest.raises(ModelError, match="hf download") as raised:
        model_facts("google/gemma-3-27b-pt")
    assert "\n" not in str(raised.value)


def test_a_retrained_model_in_the_same_folder_has_another_revision(
    gpt2: TinyExperiment, tmp_path: Path
) -> None:
    shutil.copytree(gpt2.model_folder, tmp_path / "model")
    before = model_facts(str(tmp_path / "model")).revision
    weights = tmp_path / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert model_facts(str(tmp_path / "model")).revision != before


def test_a_missing_gpu_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="Use device: auto or cpu"):
        choose_device("cuda:1")
    assert choose_device("auto") == CPU


def test_what_is_wrong_is_known_before_the_corpus_is_read(gemma_text: TinyHub) -> None:
    def check(**changes: Any) -> None:
        with in_hub(gemma_text):
            check_harvest(make_config(gemma_text.config(**changes)))

    check()
    with pytest.raises(DeviceError):
        check(device="cuda:99")
    with pytest.raises(SaeError, match="Nearest"):
        check(sae_l0="huge")
    with pytest.raises(SaeError, match="No SAE folder"):
        check(sae_path="nowhere")
    with pytest.raises(ModelError, match="hf download"):
        check(model="google/gemma-3-1b-pt", layer=7)


def test_a_pipeline_asked_for_a_missing_gpu_stops_before_the_corpus(
    gemma_text: TinyHub, tmp_path: Path
) -> None:
    config = make_config(gemma_text.config(data_root=tmp_path, device="cuda:99"))
    with in_hub(gemma_text), pytest.raises(DeviceError):
        run_experiment(config, Selection(), progress=SilentProgress())
    assert not list(tmp_path.rglob("*.npy"))


def test_batches_hold_every_window_once_with_little_padding() -> None:
    rng = generator(0, "lengths")
    # Documents of a median of 200 tokens, cut at 1,024: as the Pile's.
    lengths = np.clip(np.exp(rng.normal(5.3, 1.4, size=2000)), 2, 1024).astype(np.int64)
    windows = np.concatenate([[0], np.cumsum(lengths)])
    batches = list(batches_by_length(windows, first=0, last=2000, max_rows=8192))
    assert sorted(window for batch in batches for window in batch.windows) == list(range(2000))
    assert all(len(batch.windows) * batch.length <= 8192 for batch in batches)
    ranges = cut_ranges(windows, rows=131_072, first=0, last=2000)
    assert windows[-1] <= padded_rows(windows, ranges, max_rows=8192) < 1.04 * windows[-1]


def test_how_far_a_window_is_padded_depends_on_it_alone() -> None:
    lengths = np.arange(1, 3000)
    padded = padded_lengths(lengths)
    assert (padded >= lengths).all()
    assert (padded % 8 == 0).all()
    assert (padded[lengths >= 64] <= lengths[lengths >= 64] * 9 / 8).all()
    assert [int(padded[size - 1]) for size in (1, 17, 128, 129, 1024, 1025)] == [
        *(16, 24, 128, 144, 1024, 1152)
    ]
    windows = np.concatenate([[0], np.cumsum(lengths)])
    for batch in batches_by_length(windows, first=0, last=len(lengths), max_rows=10_000):
        assert (padded[batch.windows] == batch.length).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("name", "seq_len"), [("gemma_multimodal", 300), ("gpt2", 128)])
def test_batch_size_changes_no_bit_of_the_residual_stream(
    name: str, seq_len: int, dtype: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    tiny: Tiny = request.getfixturevalue(name)
    # Longer than 192, where torch's attention begins to cut its work in another way.
    texts = tmp_path / "long.jsonl"
    write_jsonl(texts, word_soup(60, seed=1, longest=400))
    table = make_table(tiny, tmp_path / "corpus", corpus=str(texts), seq_len=seq_len)
    assert np.diff(table.windows).max() == seq_len
    model = load(tiny, dtype=dtype)
    none_special = np.array([], dtype=np.int64)
    results = []
    with one_thread():
        for max_rows in (1, 1000, 100_000):
            harvester = ShardHarvester(
                model=model,
                sae=cast(Sae, None),
                table=table,
                special_ids=none_special,
                max_rows=max_rows,
                latent_chunk=1,
            )
            results.append(harvester.residual(0, table.n_windows, advance=lambda n: None)[1])
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[1], results[2])


def test_an_interrupt_does_not_wait_for_the_sae(gpt2: TinyExperiment, tmp_path: Path) -> None:
    table = make_table(gpt2, tmp_path, num_tokens=200)
    sae = load_sae(make_config(gpt2.config()), CPU)
    harvester = ShardHarvester(
        model=load(gpt2),
        sae=sae,
        table=table,
        special_ids=np.array([0]),
        max_rows=100,
        latent_chunk=100,
    )
    n_left = table.n_tokens

    def stop_after_the_model(n_rows: int) -> None:
        nonlocal n_left
        if n_left == 0:
            raise InterruptedError
        n_left -= n_rows

    with pytest.raises(InterruptedError):
        harvester.harvest(0, table.n_windows, advance=stop_after_the_model)


def test_ranges_follow_each_other_and_are_about_as_long_as_asked(
    gemma_text: TinyHub, tmp_path: Path
) -> None:
    windows = make_table(gemma_text, tmp_path).windows
    ranges = cut_ranges(windows, rows=500, first=0, last=len(windows) - 1)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(windows) - 1
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ranges))
    sizes = [int(windows[last] - windows[first]) for first, last in ranges]
    assert all(500 <= size < 500 + 48 for size in sizes[:-1])
