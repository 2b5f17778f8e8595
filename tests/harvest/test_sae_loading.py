"""SAEs load natively, from the cache or a folder, and bad ones are refused in one clear line."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from feature_manifold.core.config import make_config
from feature_manifold.core.errors import ConfigError, SaeError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.harvest import sae_loading_report, sae_sanity
from feature_manifold.harvest.encode import (
    FiringBlock,
    above_threshold,
    encode_block,
    latent_chunks,
)
from feature_manifold.harvest.gemma_scope import (
    CHOSEN_LAYERS,
    find_scope_sae,
    release_of_model,
    sae_ids,
)
from feature_manifold.harvest.sae import Sae
from feature_manifold.harvest.sae_source import load_sae
from feature_manifold.store.token_table import load_metadata, open_token_table
from feature_manifold.testing.hub import LocalHub, use_hub
from feature_manifold.testing.saes import ALWAYS, N_SILENT, write_gemma_scope_sae, write_saelens_sae
from feature_manifold.testing.tiny import TinyExperiment, TinyHub
from tests.harvest.harvesting import in_hub, make_table

CPU = torch.device("cpu")


def load(tiny: TinyHub | TinyExperiment, **changes: Any) -> Sae:
    with in_hub(tiny):
        return load_sae(make_config(tiny.config(**changes)), CPU)


def dense(blocks: Any, shape: tuple[int, int]) -> np.ndarray:
    out = np.zeros(shape, dtype=np.float32)
    for block in blocks:
        out[block.row, block.latent] = block.value
    return out


def test_a_published_sae_loads_from_the_cache_alone(gemma_text: TinyHub) -> None:
    sae = load(gemma_text)
    assert (sae.d_model, sae.n_latents) == (32, 256)
    assert sae.provenance.release == "gemma-scope-2-270m-pt-res"
    assert sae.provenance.sae_id == "layer_5_width_16k_l0_medium"
    assert len(sae.provenance.sha256) == 64


def test_a_folder_without_config_json_loads(gemma_text: TinyHub, tmp_path: Path) -> None:
    shutil.copy(gemma_text.sae_folder / "params.safetensors", tmp_path)
    sae = load(gemma_text, sae_path=str(tmp_path))
    assert sae.provenance.sha256 == load(gemma_text).provenance.sha256


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 500])
@pytest.mark.parametrize("latent_chunk", [1, 100, 4096])
def test_chunked_encoding_equals_the_definition(rows: int, latent_chunk: int) -> None:
    draw = torch.Generator().manual_seed(rows)
    x, w = torch.randn(500, 600, generator=draw), torch.randn(600, 200, generator=draw)
    b, threshold = torch.randn(200, generator=draw), 20 + torch.rand(200, generator=draw)
    hidden = x @ w + b
    expected = (torch.relu(hidden) * (hidden > threshold))[:rows].numpy()
    blocks = list(encode_block(x[:rows], w, b, threshold, latent_chunk=latent_chunk))
    assert (dense(blocks, (rows, 200)) == expected).all()
    order = np.concatenate([block.latent.astype(np.int64) * rows + block.row for block in blocks])
    assert (np.diff(order) > 0).all()
    assert len(order) == (expected > 0).sum()


@pytest.mark.parametrize("n_latents", [1, 63, 64, 65, 127, 128, 129, 1000])
@pytest.mark.parametrize("size", [1, 64, 100, 4096])
def test_chunks_cover_all_latents_and_none_is_small(n_latents: int, size: int) -> None:
    chunks = list(latent_chunks(n_latents, size))
    assert [start for start, _ in chunks] == [0, *(stop for _, stop in chunks[:-1])]
    assert chunks[-1][1] == n_latents
    assert all(min(64, n_latents) <= stop - start < max(size, 64) + 64 for start, stop in chunks)


@pytest.mark.parametrize("n_rows", [57, 64])
def test_the_loop_of_the_gpu_and_that_of_the_cpu_agree(n_rows: int) -> None:
    draw = torch.Generator().manual_seed(0)
    product, bias = torch.randn(90, 64, generator=draw), torch.randn(90, generator=draw)
    one, other = (
        above_threshold(
            product.clone(), bias, bias.abs(), first=7, n_rows=n_rows, is_compiled=is_compiled
        )
        for is_compiled in (True, False)
    )
    assert len(one.latent) > 500
    for name in ("latent", "row", "value"):
        left, right = getattr(one, name), getattr(other, name)
        assert left.dtype == right.dtype
        assert (left == right).all()


@pytest.mark.parametrize("is_compiled", [True, False])
def test_an_activation_that_is_nan_is_not_lost(is_compiled: bool) -> None:
    product = torch.zeros(3, 64)
    product[1, 5] = float("nan")
    block = above_threshold(
        product, torch.zeros(3), torch.ones(3), first=0, n_rows=60, is_compiled=is_compiled
    )
    assert (block.latent.tolist(), block.row.tolist()) == ([1], [5])
    assert np.isnan(block.value).all()


def test_a_block_without_firings_is_empty() -> None:
    x, w = torch.zeros(3, 8), torch.zeros(8, 5)
    blocks = list(encode_block(x, w, torch.zeros(5), torch.zeros(5), latent_chunk=2))
    assert all(isinstance(block, FiringBlock) and len(block.latent) == 0 for block in blocks)


def test_a_negative_threshold_still_means_relu(gemma_text: TinyHub, tmp_path: Path) -> None:
    tensors = load_file(gemma_text.sae_folder / "params.safetensors")
    tensors["threshold"][:] = -1.0
    save_file(tensors, tmp_path / "params.safetensors")
    sae = load(gemma_text, sae_path=str(tmp_path))
    x = torch.randn(100, 32, generator=torch.Generator().manual_seed(0))
    for block in sae.firings(x, latent_chunk=64):
        assert (block.value > 0).all()


@pytest.mark.parametrize(
    ("layer", "width", "l0", "expected"),
    [
        (15, "65k", "medium", "Nearest: layer_16_width_65k_l0_medium"),
        (31, "64k", "medium", "Nearest: layer_31_width_65k_l0_medium"),
        (31, "65k", "huge", "Nearest: layer_31_width_65k_l0_"),
    ],
)
def test_an_unknown_sae_lists_the_valid_ones_nearest_first(
    layer: int, width: str, l0: str, expected: str
) -> None:
    config = make_config({"layer": layer, "sae_width": width, "sae_l0": l0})
    with pytest.raises(SaeError) as raised:
        load_sae(config, CPU)
    assert expected in str(raised.value)
    assert "layers 16, 31, 40, 53" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_two_residual_releases_hold_different_files() -> None:
    one = find_scope_sae("gemma-scope-2-27b-pt-res", "layer_31_width_16k_l0_big")
    other = find_scope_sae("gemma-scope-2-27b-pt-res-all", "layer_31_width_16k_l0_big")
    assert one.folder == "resid_post/layer_31_width_16k_l0_big"
    assert other.folder == "resid_post_all/layer_31_width_16k_l0_big"
    with pytest.raises(SaeError):
        find_scope_sae("gemma-scope-2-27b-pt-res-all", "layer_31_width_65k_l0_medium")


def test_releases_have_the_published_number_of_saes() -> None:
    for size in CHOSEN_LAYERS:
        assert len(sae_ids(f"gemma-scope-2-{size}-pt-res")) == 52
    assert len(sae_ids("gemma-scope-2-27b-it-res-all")) == 248
    assert release_of_model("google/gemma-3-270m") == "gemma-scope-2-270m-pt-res"
    assert release_of_model("/models/gemma-3-12b-it") == "gemma-scope-2-12b-it-res"
    assert release_of_model("openai-community/gpt2") is None


def test_an_sae_that_is_not_cached_says_how_to_fetch_it(tmp_path: Path) -> None:
    with use_hub(LocalHub(tmp_path)), pytest.raises(SaeError, match="hf download") as raised:
        load_sae(make_config({}), CPU)
    assert "google/gemma-scope-2-27b-pt" in str(raised.value)


def test_a_model_without_known_saes_says_what_to_set() -> None:
    with pytest.raises(SaeError, match="Set sae-release and sae-id"):
        load_sae(make_config({"model": "openai-community/gpt2"}), CPU)


def test_an_sae_id_that_contradicts_the_experiment_is_refused(gemma_text: TinyHub) -> None:
    with pytest.raises(ConfigError, match="Set sae-width: 65k"):
        load(gemma_text, sae_id="layer_5_width_65k_l0_medium")
    with pytest.raises(ConfigError, match="Set layer: 9"):
        load(gemma_text, sae_id="layer_9_width_16k_l0_medium")


def broken_scope_folder(tiny: TinyHub, folder: Path, case: str) -> None:
    folder.mkdir()
    write_gemma_scope_sae(folder, tiny.sae, layer=tiny.layer, model_id=tiny.model_id)
    params, config_path = folder / "params.safetensors", folder / "config.json"
    tensors, config = load_file(params), json.loads(config_path.read_text())
    if case == "truncated":
        params.write_bytes(params.read_bytes()[:-100])
        return
    if case == "not JSON":
        config_path.write_text("{")
        return
    if case == "transcoder":
        config["affine_connection"] = True
    elif case == "skip tensor":
        tensors["affine_skip_connection"] = torch.zeros(32, 32)
    elif case == "architecture":
        config["architecture"] = "topk"
    elif case == "layer":
        config["hf_hook_point_in"] = "model.layers.9.output"
    elif case == "site":
        config["hf_hook_point_in"] = "model.layers.5.self_attn.o_proj.input"
    elif case == "missing tensor":
        del tensors["threshold"]
    elif case == "shape":
        tensors["b_enc"] = torch.zeros(7)
    elif case == "not finite":
        tensors["w_enc"][3, 3] = float("nan")
    save_file(tensors, params)
    config_path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("truncated", "not a sound safetensors file"),
        ("not JSON", "is not JSON"),
        ("transcoder", "is a transcoder"),
        ("skip tensor", "is a transcoder"),
        ("architecture", "architecture 'topk'"),
        ("layer", "Set layer: 9"),
        ("site", "not the residual stream after a block"),
        ("missing tensor", "no tensor 'threshold'"),
        ("shape", r"'b_enc' has shape \(7,\)"),
        ("not finite", "'w_enc' has NaN or infinite values"),
    ],
)
def test_a_bad_sae_folder_is_refused_in_one_line(
    gemma_text: TinyHub, tmp_path: Path, case: str, expected: str
) -> None:
    broken_scope_folder(gemma_text, tmp_path / "sae", case)
    with pytest.raises(SaeError, match=expected) as raised:
        load(gemma_text, sae_path=str(tmp_path / "sae"))
    assert "\n" not in str(raised.value)


def test_folders_that_hold_no_sae_are_named(gemma_text: TinyHub, tmp_path: Path) -> None:
    with pytest.raises(SaeError, match="holds no SAE"):
        load(gemma_text, sae_path=str(tmp_path))
    with pytest.raises(SaeError, match="No SAE folder"):
        load(gemma_text, sae_path=str(tmp_path / "nowhere"))


def test_an_sae_of_another_width_than_the_model_is_refused(
    gpt2: TinyExperiment, tmp_path: Path
) -> None:
    sae = gpt2.sae
    narrow = type(sae)(sae.w_enc[:16], sae.w_dec[:, :16], sae.b_enc, sae.b_dec[:16], sae.threshold)
    tensors = {name: value.contiguous() for name, value in vars(narrow).items()}
    write_saelens_sae(tmp_path, type(sae)(**tensors), layer=1, model_id="x")
    with pytest.raises(SaeError, match="width 16"):
        sae_loading_report(make_config(gpt2.config(sae_path=str(tmp_path))))


def test_the_input_of_a_block_is_the_residual_before_it(
    gpt2: TinyExperiment, tmp_path: Path
) -> None:
    hook = {"hook_name": "blocks.2.hook_resid_pre"}
    write_saelens_sae(tmp_path, gpt2.sae, layer=1, model_id="x", metadata=hook)
    assert load(gpt2, sae_path=str(tmp_path)).n_latents == 256
    with pytest.raises(SaeError, match="Set layer: 1"):
        load(gpt2, sae_path=str(tmp_path), layer=2)


def test_the_loading_report_names_what_was_loaded(gemma_text: TinyHub) -> None:
    with in_hub(gemma_text):
        report = sae_loading_report(make_config(gemma_text.config()))
    assert report.decoder_norms == pytest.approx((1, 1), abs=1e-5)
    assert report.model.n_layers == 7
    assert len(report.model.revision) == 40
    assert any(gemma_text.release in line for line in report.lines())


def test_sanity_figures_equal_a_dense_computation(gpt2: TinyExperiment, tmp_path: Path) -> None:
    make_table(gpt2, tmp_path, num_tokens=1500)
    table = open_token_table(tmp_path)
    special = load_metadata(tmp_path)["special_ids"]
    config = make_config(gpt2.config())
    result = sae_sanity(config, table, special_ids=special, progress=SilentProgress())

    from transformers import AutoModelForCausalLM

    from tests.harvest.harvesting import whole_model_residual

    model = AutoModelForCausalLM.from_pretrained(gpt2.model_folder).eval()
    x = whole_model_residual(model, table, layer=1)
    x = x[torch.from_numpy(~np.isin(table.token_id, special))].double()
    sae = gpt2.sae
    hidden = x.float() @ sae.w_enc + sae.b_enc
    acts = torch.where(hidden > sae.threshold, hidden, 0)
    error = (x - (acts @ sae.w_dec + sae.b_dec)).square()
    assert result.n_tokens == len(x) == 1500
    assert result.l0 == pytest.approx(float((acts > 0).sum()) / len(x))
    assert result.mean_squared_error == pytest.approx(float(error.mean()), rel=1e-4)
    spread = (x - x.mean(dim=0)).square().sum()
    assert result.variance_explained == pytest.approx(1 - float(error.sum() / spread), rel=1e-4)
    assert result.dead_fraction == float((acts.sum(dim=0) == 0).float().mean()) >= N_SILENT / 256
    assert bool((acts[:, ALWAYS] > 0).all())
