"""The shipped model: a concept gives back the latents of its words."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests import reference
from tests.examples.searched import Searched, table_of

from feature_manifold.core.concept_sets import concept_named
from feature_manifold.core.progress import SilentProgress
from feature_manifold.demo.activations import residuals
from feature_manifold.demo.assets import shipped
from feature_manifold.demo.corpus import load_texts
from feature_manifold.demo.evaluate import encode
from feature_manifold.demo.train_sae import load_sae
from feature_manifold.examples.latent_search import LatentSearch
from feature_manifold.examples.responsible import MIN_FIRINGS
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.tokenizer_file import open_encoder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

N_DOCUMENTS = 64


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """The first documents of the shipped text, read by the shipped model and its layer-0 SAE."""
    from feature_manifold.corpus.tokenizer import Tokenizer

    assets = shipped()
    tokenizer = Tokenizer(str(assets.model))
    bos = tokenizer.bos_id
    assert bos is not None
    texts = tokenizer.encode(load_texts(assets.corpus)[:N_DOCUMENTS])
    model = transformers.AutoModelForCausalLM.from_pretrained(assets.model).eval()
    documents = [[bos, *ids.tolist()] for ids in texts]
    stream = residuals(model, documents, layers=(0,), progress=SilentProgress())
    sae = load_sae(assets.sae(0))
    table = table_of([ids.tolist() for ids in texts], bos=bos)
    columns = encode(sae, stream.by_layer[0]).tocsc()
    columns.sort_indices()
    # The stream leaves out the first token of each document; firings count rows of the table.
    rows = np.flatnonzero(table.position >= 0)[columns.indices].astype(np.uint32)
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "tokenizer").mkdir()
    shutil.copy(Path(assets.model) / "tokenizer.json", folder / "tokenizer")
    return Searched(
        table,
        tokenizer.vocabulary(),
        FiringsByLatent(
            columns.indptr.astype(np.int64),
            rows,
            columns.data.astype(np.float16),
            table.n_tokens,
        ),
        decoder=sae.w_dec,
        encoder=open_encoder(folder),
    )


def test_weekdays_give_back_the_latents_of_the_weekdays(source: Searched) -> None:
    weekdays = concept_named("weekdays")
    found = LatentSearch(source).concept_cluster(weekdays)
    assert [token.text.strip() for token in found.match.tokens] == list(weekdays.labels)
    assert [step.covered for step in found.steps] == [1.0] * 7
    firings, expected = source.by_latent, set()
    for latent in range(firings.n_latents):
        tokens, activations = firings.latent(latent)
        on = np.isin(source.tokens.token_id[tokens], found.match.token_ids)
        if len(tokens) >= MIN_FIRINGS and activations[on].sum() > 0.5 * activations.sum():
            expected.add(latent)
    assert set(found.latents) == expected
    assert len(expected) >= 7
    best = [
        reference.token_counts(firings.latent(one)[0], source.tokens.token_id)[0][0]
        for one in expected
    ]
    assert np.isin(best, found.match.token_ids).mean() > 0.8


def test_text_of_two_tokens_is_cut_by_the_tokenizer_of_the_model(source: Searched) -> None:
    answer = LatentSearch(source).by_text("five o'clock")
    assert answer.spelling.how == "tokenizer"
    assert answer.tokens == ((" five", " o'clock"),)
    assert answer.responsible.latents[0].share_here > 0.9
