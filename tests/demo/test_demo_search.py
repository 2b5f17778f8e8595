"""The shipped model: a concept gives back the latents of its words."""

from pathlib import Path

import numpy as np
import pytest
from tests.examples.searched import Searched

from feature_manifold.core.concept_sets import concept_named
from feature_manifold.core.config import load_config
from feature_manifold.core.progress import SilentProgress
from feature_manifold.examples.latent_search import LatentSearch
from feature_manifold.examples.responsible import MIN_FIRINGS
from feature_manifold.pipeline.pipeline import experiment_paths, run_experiment
from feature_manifold.pipeline.plan import Selection
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.npy import open_npy
from feature_manifold.store.shards import open_shards
from feature_manifold.store.token_table import load_vocabulary, open_token_table
from feature_manifold.store.tokenizer_file import open_encoder

CONFIG = Path(__file__).parents[2] / "experiments" / "almanac_layer0.yaml"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Run the first 8,000 tokens of its corpus: one shard, which is sorted by latent."""
    config = load_config(CONFIG, data_root=tmp_path_factory.mktemp("demo"), num_tokens=8000)
    run_experiment(config, Selection(only=("corpus", "harvest")), progress=SilentProgress())
    paths = experiment_paths(config)
    (shard,) = open_shards(paths.raw_activations)
    table = open_token_table(paths.corpus)
    return Searched(
        table,
        load_vocabulary(paths.corpus),
        FiringsByLatent(shard.indptr, shard.tokens, shard.activations, table.n_tokens),
        decoder=open_npy(paths.decoder, dtypes=("<f4",), shape=(None, None)),
        encoder=open_encoder(paths.corpus),
    )


def test_weekdays_give_back_the_latents_of_the_weekdays(source: Searched) -> None:
    weekdays = concept_named("weekdays")
    found = LatentSearch(source).concept_cluster(weekdays)
    assert [token.text.strip() for token in found.match.tokens] == list(weekdays.labels)
    assert [step.covered for step in found.steps] == [1.0] * 7
    on = np.isin(source.tokens.token_id[source.by_latent.tokens], found.match.token_ids)
    n = source.by_latent.n_latents
    owner = np.repeat(np.arange(n), np.diff(source.by_latent.indptr))
    inside = np.bincount(owner, weights=source.by_latent.activations * on, minlength=n)
    whole = np.bincount(owner, weights=source.by_latent.activations, minlength=n)
    often = source.statistics["count"] >= MIN_FIRINGS
    assert set(found.latents) == set(np.flatnonzero((inside > 0.5 * whole) & often).tolist())
    assert len(found.latents) >= 7
    labelled = np.isin(source.statistics["label_token_id"], found.match.token_ids)
    assert labelled[list(found.latents)].mean() > 0.8


def test_text_of_two_tokens_is_cut_by_the_tokenizer_of_the_model(source: Searched) -> None:
    answer = LatentSearch(source).by_text("five o'clock")
    assert answer.spelling.how == "tokenizer"
    assert answer.tokens == ((" five", " o'clock"),)
    assert answer.responsible.latents[0].share_here > 0.9
