"""The JSON of the static site."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, strategies as st

from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.export.payloads import (
    edges_payload,
    experiment_entry,
    experiments_payload,
    index_payload,
    positions_payload,
    search_index_payload,
)
from feature_manifold.store.examples import ExampleSet
from feature_manifold.store.spec_layout import encode_json
from feature_manifold.store.statistics import STATISTICS_DTYPE

VOCABULARY = ["<bos>", "cat", " dog", "cat"]


def examples() -> ExampleSet:
    """Three latents, the second silent; token ids 1 and 3 read the same."""
    return ExampleSet(
        indptr=np.array([0, 2, 2, 3]),
        start=np.array([0, 4, 6], dtype=np.uint32),
        stop=np.array([2, 6, 8], dtype=np.uint32),
        group=np.array([0, 1, 0], dtype=np.uint8),
        histogram_bins=np.zeros((3, 31), dtype=np.float32),
        histogram_counts=np.zeros((3, 30), dtype=np.int64),
        token_indptr=np.array([0, 3, 3, 4]),
        token_ids=np.array([2, 1, 3, 3], dtype=np.int32),
        token_counts=np.array([9, 3, 2, 7]),
    )


def test_the_index_lists_every_latent_by_id() -> None:
    statistics = np.zeros(3, dtype=STATISTICS_DTYPE)
    statistics["count"] = [14, 0, 7]
    statistics["label_token_id"] = [2, -1, 3]
    payload = index_payload(
        statistics,
        examples(),
        VOCABULARY,
        num_tokens=90,
        top_k=5,
        sample_percentiles=True,
        context_size=10,
    )
    assert payload == {
        "n_latents": 3,
        "num_tokens": 90,
        "top_k": 5,
        "sample_percentiles": True,
        "context_size": 10,
        "latents": {
            "0": {"label": " dog", "total_firings": 14, "n_examples": 2},
            "1": {"label": None, "total_firings": 0, "n_examples": 0},
            "2": {"label": "cat", "total_firings": 7, "n_examples": 1},
        },
    }
    with pytest.raises(CorruptArtifactError, match="not in the vocabulary of 2"):
        index_payload(
            statistics,
            examples(),
            VOCABULARY[:2],
            num_tokens=90,
            top_k=5,
            sample_percentiles=True,
            context_size=10,
        )


def test_the_search_index_joins_tokens_of_equal_text() -> None:
    assert search_index_payload(examples(), VOCABULARY) == {
        "version": 1,
        "n_latents": 3,
        "n_tokens": 2,
        # Latent 2 fires on "cat" seven times, latent 0 five times.
        "tokens": {" dog": [0], "cat": [2, 0]},
    }


def test_the_search_index_of_silent_latents_is_empty() -> None:
    empty = np.zeros(0, dtype=np.int64)
    silent = ExampleSet(
        **{
            **vars(examples()),
            "token_indptr": np.zeros(4, np.int64),
            "token_ids": empty,
            "token_counts": empty,
        }
    )
    payload = search_index_payload(silent, VOCABULARY)
    assert (payload["n_tokens"], payload["tokens"]) == (0, {})


def test_positions_are_written_as_short_numbers() -> None:
    payload = positions_payload(np.array([[0.1, 0.5], [1, 0]], dtype=np.float32))
    text = encode_json(payload, name="positions.json")
    assert text == b'{"n_latents":2,"positions":[[0.1,0.5],[1.0,0.0]]}'


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(CorruptArtifactError, match="Positions are not all finite"):
        positions_payload(np.array([[0, value]], dtype=np.float32))
    edges = sp.csr_matrix(np.array([[0, value], [value, 0]], dtype=np.float32))
    with pytest.raises(CorruptArtifactError, match="Edge weights are not all finite"):
        edges_payload(edges, max_edges_per_node=1, threshold=0, source_file="x.npz")


@given(
    n=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
    per_node=st.integers(0, 5),
    threshold=st.sampled_from([0.0, 0.25, 0.5]),
)
def test_edges_are_the_strongest_of_either_latent_and_listed_once(
    n: int, seed: int, per_node: int, threshold: float
) -> None:
    random = np.random.default_rng(seed)
    dense = np.triu(random.choice([0, 0.25, 0.5, 0.75], size=(n, n)), 1).astype(np.float32)
    dense += dense.T
    expected = set()
    for one in range(n):
        others = sorted(np.flatnonzero(dense[one]), key=lambda j, i=one: (-dense[i, j], j))
        kept = [other for other in others[:per_node] if dense[one, other] >= threshold]
        expected |= {(min(one, j), max(one, j), float(dense[one, j])) for j in kept}
    payload = edges_payload(
        sp.csr_matrix(dense),
        max_edges_per_node=per_node,
        threshold=threshold,
        source_file="jaccard_similarity.npz",
    )
    found = [(edge["source"], edge["target"], edge["weight"]) for edge in payload["edges"]]
    assert found == sorted(expected)
    assert payload["n_edges"] == len(found)
    assert payload["source_file"] == "jaccard_similarity.npz"
    assert (payload["max_edges_per_node"], payload["threshold"]) == (per_node, threshold)


def test_experiments_are_sorted_and_have_the_specified_keys() -> None:
    metadata = {
        "model_name": "tiny",
        "layer": 2,
        "sae_width": "2k",
        "sae_l0": "small",
        "num_tokens": 10,
        "n_latents": 3,
        "d_model": 4,
        "other": "left out",
    }
    entries = [experiment_entry(name, metadata, has_visualizer=True) for name in ("b", "a")]
    payload = experiments_payload(entries, updated_at="2026-01-01T00:00:00Z")
    assert [entry["id"] for entry in payload["experiments"]] == ["a", "b"]
    assert set(payload["experiments"][0]) == {
        "id",
        "model",
        "layer",
        "sae_width",
        "sae_l0",
        "has_visualizer",
        "num_tokens",
        "n_latents",
        "d_model",
    }
    del metadata["layer"]
    with pytest.raises(CorruptArtifactError, match="'a' lacks layer"):
        experiment_entry("a", metadata, has_visualizer=False)
