"""The shipped model, autoencoders, text and ground truth are what their card says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.demo.assets import AssetPaths, shipped
from feature_manifold.demo.corpus import load_texts
from feature_manifold.demo.evaluate import Measurements, bars, measure
from feature_manifold.demo.groups import GROUPS, Kind
from feature_manifold.demo.questions import accuracies
from feature_manifold.demo.text import vocabulary
from feature_manifold.demo.train_sae import load_sae
from feature_manifold.demo.truth import load_truth, save_truth

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

#: Every bar but this one is met by the shipped seed; the model card says why it cannot be.
HOPELESS = "null, decoder rows dealt to other latents: share of ring bars failed"


@pytest.fixture(scope="module")
def assets() -> AssetPaths:
    return shipped()


@pytest.fixture(scope="module")
def told(assets: AssetPaths) -> dict[str, Any]:
    """What the provenance file says."""
    facts: dict[str, Any] = json.loads(assets.provenance.read_text())
    return facts


@pytest.fixture(scope="module")
def documents(assets: AssetPaths) -> list[list[int]]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(assets.model)
    return tokenizer(load_texts(assets.corpus))["input_ids"]


@pytest.fixture(scope="module")
def model(assets: AssetPaths) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(assets.model).eval()


@pytest.fixture(scope="module")
def measured(
    assets: AssetPaths, documents: list[list[int]], model: Any, told: dict[str, Any]
) -> Measurements:
    """The card's measurement again, on the whole shipped text: a minute on one core."""
    saes = {layer: load_sae(assets.sae(layer)) for layer in (0, 1)}
    return measure(model, saes, documents, seed=told["seed"], progress=SilentProgress())


@pytest.mark.slow
def test_the_shipped_assets_meet_every_bar_that_must_be_met(measured: Measurements) -> None:
    failed = [bar for bar in bars(measured) if bar.must and not bar.passed]
    assert [bar.name for bar in failed] == [HOPELESS], failed


@pytest.mark.slow
def test_the_card_does_not_flatter(measured: Measurements, told: dict[str, Any]) -> None:
    # Another processor or torch build may move a latent across its threshold, hence the slack.
    for bar, shown in zip(bars(measured), told["bars"], strict=True):
        assert bar.name == shown["name"]
        slack = 2 if "rank" in bar.name or "top 20" in bar.name else 0.03
        assert bar.value == pytest.approx(shown["value"], abs=slack), bar.name
    for shown, seen in zip(told["measurements"]["saes"], measured.saes, strict=True):
        assert seen.explained == pytest.approx(shown["explained"], abs=0.01)
        assert seen.l0 == pytest.approx(shown["l0"], rel=0.05)


def test_fresh_questions_are_answered_as_well(model: Any, told: dict[str, Any]) -> None:
    for name, seen in accuracies(model, seed=12345).items():
        assert seen == pytest.approx(told["measurements"]["accuracies"][name], abs=0.12), name


@pytest.mark.slow
def test_raw_rings_are_in_order(measured: Measurements) -> None:
    for name in ("weekdays", "months", "notes", "number-words", "clock", "compass"):
        assert measured.raw[name].order == 1, name
        assert measured.raw[name].resultant > 0.98, name


@pytest.mark.slow
def test_layer_1_holds_the_context_ring_too(measured: Measurements) -> None:
    assert measured.oclock[1].order == 1
    assert measured.saes[1].explained > 0.93
    assert 16 <= measured.saes[1].l0 <= 32


def test_the_card_agrees_with_the_provenance(assets: AssetPaths) -> None:
    facts = json.loads(assets.provenance.read_text())
    card = assets.card.read_text()
    for bar in facts["bars"]:
        assert bar["passed"] == (bar["value"] >= bar["at_least"])
        assert f"| {bar['name']} |" in card
        if not bar["passed"]:
            assert card.count(bar["name"]) >= 2, "a failed bar is named again under the table"


def test_model_and_one_autoencoder_take_less_than_6_mb(assets: AssetPaths) -> None:
    def size(folder: Path) -> int:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    assert size(assets.model) + size(assets.sae(0)) < 6e6
    assert size(assets.root) < 9e6
    assert assets.corpus.stat().st_size < 700_000


def test_the_corpus_is_300k_tokens_without_unknown_words(
    assets: AssetPaths, documents: list[list[int]]
) -> None:
    words = set(vocabulary())
    texts = load_texts(assets.corpus)
    assert len(texts) == len(documents)
    assert 250_000 < sum(map(len, documents)) < 350_000
    assert max(token for document in documents for token in document) < len(words) + 3
    assert not any(2 in document for document in documents)


def test_saelens_encodes_and_decodes_exactly_as_we_do(assets: AssetPaths) -> None:
    sae_lens = pytest.importorskip("sae_lens")
    x = np.random.default_rng(0).standard_normal((64, 128)).astype(np.float32) * 5
    for layer in (0, 1):
        ours = load_sae(assets.sae(layer))
        theirs = sae_lens.SAE.load_from_disk(str(assets.sae(layer)))
        with torch.no_grad():
            z = torch.from_numpy(x) @ torch.from_numpy(ours.w_enc) + torch.from_numpy(ours.b_enc)
            active = z * (z > torch.from_numpy(ours.threshold))
            back = active @ torch.from_numpy(ours.w_dec) + torch.from_numpy(ours.b_dec)
            assert torch.equal(theirs.encode(torch.from_numpy(x)), active)
            assert torch.equal(theirs(torch.from_numpy(x)), back)
        assert theirs.cfg.metadata.hook_name == f"blocks.{layer}.hook_resid_post"
        np.testing.assert_allclose(np.linalg.norm(ours.w_dec, axis=1), 1, rtol=1e-5)


def test_ground_truth_is_that_of_the_language(assets: AssetPaths, tmp_path: Path) -> None:
    save_truth(tmp_path / "truth.json")
    assert assets.truth.read_bytes() == (tmp_path / "truth.json").read_bytes()
    truth = load_truth(assets.truth)
    assert list(truth) == [group.name for group in GROUPS]
    assert truth["weekdays"].coordinates[1, 0] == pytest.approx(2 * np.pi / 7, abs=1e-5)
    assert truth["towns"].kind is Kind.PLANE
    assert truth["towns"].coordinates.shape == (64, 2)


def test_broken_ground_truth_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ground_truth.json"
    with pytest.raises(MissingArtifactError, match="fmi train-demo"):
        load_truth(path)
    group = {"name": "a", "kind": "circle", "words": ["x"], "token_ids": [], "coordinates": []}
    for text in ("{", "[]", json.dumps({"format_version": 1, "groups": [group]})):
        path.write_text(text)
        with pytest.raises(CorruptArtifactError, match="fmi train-demo"):
            load_truth(path)
