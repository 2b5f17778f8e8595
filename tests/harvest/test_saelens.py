"""Our encoders agree with SAELens bit for bit, and SAELens runs what we do not read ourselves.

The one module that imports sae_lens, which takes seconds.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from feature_manifold.core.config import make_config
from feature_manifold.core.errors import MissingExtraError, ModelError, SaeError
from feature_manifold.harvest import saelens
from feature_manifold.harvest.encode import encode_block
from feature_manifold.harvest.gemma_scope import (
    find_scope_sae,
    is_scope_release,
    release_of_model,
    sae_ids,
)
from feature_manifold.harvest.sae import Sae, ThresholdSae
from feature_manifold.harvest.sae_source import load_sae
from feature_manifold.store.token_table import load_metadata
from feature_manifold.testing.hub import LocalHub, use_hub
from feature_manifold.testing.saes import write_saelens_sae
from feature_manifold.testing.tiny import TinyExperiment, TinyHub
from tests.harvest.harvesting import dense_firings, harvest, in_hub, make_table

with warnings.catch_warnings():
    # Its dependencies warn on import; not ours to mend.
    warnings.simplefilter("ignore")
    import sae_lens
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

CPU = torch.device("cpu")
RESIDUAL = 3 * torch.randn(1000, 32, generator=torch.Generator().manual_seed(0))

pytestmark = pytest.mark.filterwarnings("ignore:::sae_lens", "ignore::DeprecationWarning")


def dense(sae: Sae, residual: torch.Tensor = RESIDUAL) -> np.ndarray:
    out = np.zeros((len(residual), sae.n_latents), dtype=np.float32)
    for block in sae.firings(residual, latent_chunk=100):
        out[block.row, block.latent] = block.value
    return out


def load(tiny: TinyHub | TinyExperiment, **changes: Any) -> Sae:
    with in_hub(tiny):
        return load_sae(make_config(tiny.config(**changes)), CPU)


def test_gemma_scope_read_natively_and_by_saelens_agree_bit_for_bit(gemma_text: TinyHub) -> None:
    with in_hub(gemma_text):
        theirs = saelens.load_release(gemma_text.release, gemma_text.sae_id, layer=5, device=CPU)
    ours = load(gemma_text)
    assert isinstance(ours, ThresholdSae)
    assert (dense(ours) == dense(theirs)).all()
    assert (dense(ours) > 0).sum() > 5_000
    assert (ours.decoder_rows(0, 256) == theirs.decoder_rows(0, 256)).all()
    assert torch.equal(
        ours.reconstruct(RESIDUAL, latent_chunk=256), theirs.reconstruct(RESIDUAL, latent_chunk=256)
    )


@pytest.mark.parametrize("architecture", ["jumprelu", "standard"])
@pytest.mark.parametrize("apply_b_dec", [True, False])
def test_saelens_folders_read_natively_equal_saelens_encode(
    gpt2: TinyExperiment, tmp_path: Path, architecture: Any, apply_b_dec: bool
) -> None:
    write_saelens_sae(
        tmp_path,
        gpt2.sae,
        layer=1,
        model_id="tiny",
        architecture=architecture,
        apply_b_dec_to_input=apply_b_dec,
    )
    ours = load(gpt2, sae_path=str(tmp_path))
    assert isinstance(ours, ThresholdSae)
    theirs = sae_lens.SAE.load_from_disk(tmp_path)
    with torch.inference_mode():
        expected = theirs.encode(RESIDUAL).numpy()
    assert (dense(ours) == expected).all()
    assert (expected > 0).sum() > 10_000


def test_our_firings_equal_saelens_at_the_width_of_a_real_model() -> None:
    """Products this long are summed in blocks: a fused bias would change the last bits."""
    draw = torch.Generator().manual_seed(0)
    config = sae_lens.JumpReLUSAEConfig(
        d_in=1152, d_sae=2000, apply_b_dec_to_input=False, dtype="float32", device="cpu"
    )
    theirs = sae_lens.JumpReLUSAE(config)
    with torch.no_grad():
        theirs.W_enc.copy_(torch.randn(1152, 2000, generator=draw) / 34)
        theirs.b_enc.copy_(torch.randn(2000, generator=draw))
        theirs.threshold.copy_(2 + torch.rand(2000, generator=draw))
        x = torch.randn(300, 1152, generator=draw)
        expected = theirs.encode(x).numpy()
    ours = np.zeros_like(expected)
    tensors = (theirs.W_enc.detach(), theirs.b_enc.detach(), theirs.threshold.detach())
    for block in encode_block(x, *tensors, latent_chunk=512):
        ours[block.row, block.latent] = block.value
    assert (ours == expected).all()


def test_saelens_own_gemma_scope_loader_agrees_too(
    gemma_text: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It asks the hub for tensor shapes, past the cache; here it gets them from the file.
    shapes = {
        name: list(tensor.shape)
        for name, tensor in load_file(gemma_text.sae_folder / "params.safetensors").items()
    }
    loaders = "sae_lens.loading.pretrained_sae_loaders"
    monkeypatch.setattr(f"{loaders}.get_safetensors_tensor_shapes", lambda *args: shapes)
    with in_hub(gemma_text), torch.inference_mode():
        theirs = sae_lens.SAE.from_pretrained(gemma_text.release, gemma_text.sae_id)
        expected = theirs.encode(RESIDUAL).numpy()
    assert (dense(load(gemma_text)) == expected).all()


def test_the_shipped_grammar_is_saelens_table() -> None:
    table = get_pretrained_saes_directory()
    releases = [release for release in table if is_scope_release(release)]
    assert len(releases) == 20
    for release in releases:
        entry = table[release]
        assert set(sae_ids(release)) == {
            sae_id for sae_id in entry.saes_map if sae_id.startswith("layer_")
        }
        assert release_of_model(entry.model) == release.removesuffix("-all")
        for sae_id, folder in entry.saes_map.items():
            scope = find_scope_sae(release, sae_id)
            assert (scope.repo_id, scope.folder) == (entry.repo_id, folder)


def topk_folder(tiny: TinyExperiment, folder: Path, *, bias: float = 0.0) -> Path:
    folder.mkdir(exist_ok=True)
    write_saelens_sae(folder, tiny.sae, layer=1, model_id="tiny", k=8)
    config = json.loads((folder / "cfg.json").read_text())
    (folder / "cfg.json").write_text(json.dumps({**config, "architecture": "topk"}))
    sae = tiny.sae
    tensors = {"W_enc": sae.w_enc, "W_dec": sae.w_dec, "b_dec": sae.b_dec}
    save_file({**tensors, "b_enc": sae.b_enc + bias}, folder / "sae_weights.safetensors")
    return folder


def test_a_topk_sae_is_harvested_through_saelens(gpt2: TinyExperiment, tmp_path: Path) -> None:
    folder = topk_folder(gpt2, tmp_path / "topk")
    table = make_table(gpt2, tmp_path / "corpus", num_tokens=1000)
    facts = harvest(gpt2, tmp_path / "corpus", tmp_path / "raw", sae_path=str(folder))
    assert facts.sae_architecture == "topk"
    firings = dense_firings(tmp_path / "raw", n_tokens=table.n_tokens, n_latents=256)
    per_token = (firings > 0).sum(axis=1)
    special = np.isin(table.token_id, load_metadata(tmp_path / "corpus")["special_ids"])
    assert (per_token[special] == 0).all()
    assert (per_token[~special] <= 8).all()
    assert (per_token == 8).mean() > 0.9


def test_an_sae_of_saelens_that_gives_nan_is_refused(gpt2: TinyExperiment, tmp_path: Path) -> None:
    folder = topk_folder(gpt2, tmp_path / "topk", bias=float("nan"))
    make_table(gpt2, tmp_path / "corpus", num_tokens=200)
    with pytest.raises(ModelError, match="activation is NaN or infinite at token row"):
        harvest(gpt2, tmp_path / "corpus", tmp_path / "raw", sae_path=str(folder))


def test_normalised_inputs_are_left_to_saelens(gpt2: TinyExperiment, tmp_path: Path) -> None:
    write_saelens_sae(
        tmp_path, gpt2.sae, layer=1, model_id="tiny", normalize_activations="layer_norm"
    )
    sae = load(gpt2, sae_path=str(tmp_path))
    assert isinstance(sae, saelens.SaelensSae)
    with torch.inference_mode():
        expected = sae_lens.SAE.load_from_disk(tmp_path).encode(RESIDUAL).numpy()
    assert (dense(sae) == expected).all()


def test_an_unknown_release_or_id_lists_the_nearest(gpt2: TinyExperiment) -> None:
    with pytest.raises(SaeError, match="Nearest: gpt2-small-res-jb"):
        load(gpt2, sae_path=None, sae_release="gpt2-small-res-jp", sae_id="x")
    with pytest.raises(SaeError, match=r"Nearest of 13: blocks\.7\.hook_resid_pre"):
        load(
            gpt2, sae_path=None, sae_release="gpt2-small-res-jb", sae_id="blocks.7.hook_resid_prex"
        )
    with pytest.raises(SaeError, match="needs 'sae-id'"):
        load(gpt2, sae_path=None, sae_release="gpt2-small-res-jb")


def test_a_release_out_of_reach_says_how_to_fetch_it(gemma_text: TinyHub) -> None:
    with pytest.raises(SaeError, match="hf download jbloom/GPT2-Small-SAEs-Reformatted"):
        load(
            gemma_text,
            sae_release="gpt2-small-res-jb",
            sae_id="blocks.6.hook_resid_pre",
        )


def test_damaged_files_of_a_release_are_told_in_one_line(
    gpt2: TinyExperiment, tmp_path: Path
) -> None:
    hub = LocalHub(tmp_path)
    folder = hub.repository("jbloom/GPT2-Small-SAEs-Reformatted") / "blocks.6.hook_resid_pre"
    write_saelens_sae(folder, gpt2.sae, layer=5, model_id="gpt2")
    weights = folder / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    (folder / "sparsity.safetensors").write_bytes(b"")
    config = gpt2.config(
        sae_path=None, sae_release="gpt2-small-res-jb", sae_id=folder.name, layer=5
    )
    with use_hub(hub), pytest.raises(SaeError, match="SAELens cannot load SAE") as raised:
        load_sae(make_config(config), CPU)
    assert "\n" not in str(raised.value)


def test_without_saelens_the_error_says_what_to_install(
    gpt2: TinyExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = topk_folder(gpt2, tmp_path / "topk")
    monkeypatch.setitem(sys.modules, "sae_lens", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[saelens\]"):
        load(gpt2, sae_path=str(folder))
