"""Training in miniature: every file is written, loads elsewhere, and is the same twice."""

import json
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from feature_manifold.core.errors import ConfigError, MissingArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.core.rng import generator
from feature_manifold.demo.assets import AssetPaths
from feature_manifold.demo.corpus import load_texts
from feature_manifold.demo.train import train_demo
from feature_manifold.demo.train_model import rate_at, train_model, training_text
from feature_manifold.demo.train_sae import load_sae, train_sae
from feature_manifold.demo.truth import load_truth

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


STEPS, SAE_STEPS, TOKENS, SEED = 4, 5, 3000, 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> AssetPaths:
    out = tmp_path_factory.mktemp("demo")
    train_demo(
        out,
        seed=SEED,
        model_steps=STEPS,
        sae_steps=SAE_STEPS,
        corpus_tokens=TOKENS,
        progress=SilentProgress(),
    )
    return AssetPaths(out)


def test_a_short_run_writes_every_asset(trained: AssetPaths) -> None:
    files = {str(path.relative_to(trained.root)) for path in trained.root.rglob("*.*")}
    assert files >= {
        "almanac/config.json",
        "almanac/model.safetensors",
        "almanac/tokenizer.json",
        "almanac/tokenizer_config.json",
        "almanac-sae-layer0/cfg.json",
        "almanac-sae-layer0/sae_weights.safetensors",
        "almanac-sae-layer1/cfg.json",
        "almanac-sae-layer1/sae_weights.safetensors",
        "corpus.jsonl.zst",
        "ground_truth.json",
        "MODEL_CARD.md",
        "provenance.json",
    }


def test_the_model_loads_with_no_missing_keys(trained: AssetPaths) -> None:
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        trained.model, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert type(model).__name__ == "Gemma3ForCausalLM"


def test_a_short_run_reports_honestly_that_bars_fail(trained: AssetPaths) -> None:
    facts = json.loads(trained.provenance.read_text())
    assert facts["seed"] == SEED
    assert facts["model"]["steps"] == STEPS
    failed = [bar["name"] for bar in facts["bars"] if not bar["passed"]]
    assert "weekdays: accuracy on facts" in failed
    assert "weekdays: accuracy on facts" in trained.card.read_text()


def test_the_same_seed_gives_the_same_model(trained: AssetPaths) -> None:
    saved = transformers.AutoModelForCausalLM.from_pretrained(trained.model).state_dict()
    model, _ = train_model(seed=SEED, steps=STEPS, progress=SilentProgress())
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())


def test_the_same_seed_gives_the_same_autoencoder() -> None:
    data = generator(0, "test").standard_normal((2000, 16)).astype(np.float32)
    first, again = (
        train_sae(data, k=3, n_latents=64, seed=2, steps=250, progress=SilentProgress())
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.w_enc, again.w_enc)
    np.testing.assert_array_equal(first.threshold, again.threshold)


def test_training_leaves_the_number_of_threads_as_it_was(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        with pytest.raises(RuntimeError, match="stop here"):
            train_demo(tmp_path, model_steps=1, progress=_Stopper())
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


class _Stopper(SilentProgress):
    """Progress that stops the work at its first task, and sees that it runs on one thread."""

    def task(self, description: str, *, total: int | None = None, unit: str = "") -> NoReturn:
        assert torch.get_num_threads() == 1
        raise RuntimeError("stop here")


def test_the_corpus_holds_text_of_the_asked_size(trained: AssetPaths) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(trained.model)
    lengths = [len(ids) for ids in tokenizer(load_texts(trained.corpus))["input_ids"]]
    assert 3000 <= sum(lengths) < 3200


def test_ground_truth_gives_one_token_for_every_word(trained: AssetPaths) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(trained.model)
    for group in load_truth(trained.truth).values():
        assert tokenizer.convert_ids_to_tokens(group.token_ids.tolist()) == [
            "▁" + word for word in group.words
        ]


def test_training_refuses_to_take_no_steps(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="model_steps is 0"):
        train_demo(tmp_path, model_steps=0, progress=SilentProgress())


def test_the_card_shows_the_bars_of_another_seed(trained: AssetPaths, tmp_path: Path) -> None:
    train_demo(
        tmp_path,
        seed=SEED + 1,
        model_steps=1,
        sae_steps=1,
        corpus_tokens=TOKENS,
        compare=(trained.root,),
        progress=SilentProgress(),
    )
    theirs = json.loads(trained.provenance.read_text())["bars"]
    kept = json.loads(AssetPaths(tmp_path).provenance.read_text())["other_seeds"]
    assert kept[str(SEED)]["bars"] == theirs
    card = AssetPaths(tmp_path).card.read_text()
    assert f"| seed {SEED + 1} | seed {SEED} |" in card


def test_a_folder_without_a_run_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError, match="holds no provenance.json"):
        train_demo(tmp_path / "new", compare=(tmp_path,), progress=_Stopper())


def test_the_first_quarter_of_the_text_has_no_facts() -> None:
    ids, is_answer = training_text(0, 8)
    assert ids.shape == (8, 16, 128)
    assert not is_answer[:2].any()
    assert is_answer[2:].any(axis=(1, 2)).all()


def test_the_learning_rate_warms_up_and_falls() -> None:
    rates = [rate_at(step, 1000) for step in range(1000)]
    assert rates[0] == 0.01
    assert max(rates) == rates[99] == 1
    assert 0.05 <= rates[-1] < 0.051
    assert rate_at(0, 1) == 1


def test_an_autoencoder_finds_planted_directions() -> None:
    rng = generator(0, "test")
    directions = rng.standard_normal((40, 32)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    on = rng.random((20_000, 40)) < 0.05
    sizes = np.where(on, rng.uniform(1, 2, on.shape), 0).astype(np.float32)
    data = sizes @ directions + np.float32(3)
    sae = train_sae(data, k=2, n_latents=64, seed=0, steps=400, progress=SilentProgress())
    active = sae.encode(data[:4000])
    error = active @ sae.w_dec + sae.b_dec - data[:4000]
    assert 1 - (error**2).sum() / ((data[:4000] - data.mean(0)) ** 2).sum() > 0.85
    assert 1.5 < (active > 0).sum(1).mean() < 2.5
    np.testing.assert_allclose(np.linalg.norm(sae.w_dec, axis=1), 1, rtol=1e-5)
    alive = (active > 0).any(0)
    assert (np.abs(sae.w_dec[alive] @ directions.T).max(0) > 0.8).mean() > 0.9


def test_a_saved_autoencoder_is_the_same_in_saelens(trained: AssetPaths) -> None:
    sae_lens = pytest.importorskip("sae_lens")
    ours = load_sae(trained.sae(0))
    theirs = sae_lens.SAE.load_from_disk(str(trained.sae(0)))
    for name, value in (("W_enc", ours.w_enc), ("W_dec", ours.w_dec), ("b_enc", ours.b_enc)):
        np.testing.assert_array_equal(getattr(theirs, name).detach().numpy(), value)
    assert theirs.cfg.metadata.hook_name == "blocks.0.hook_resid_post"
    assert theirs.cfg.apply_b_dec_to_input is False
