"""Pages of latents, and the search that leads to them."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import orjson
import pytest
from tests import reference

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError, InputError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.examples.extract import extract_examples
from feature_manifold.examples.pages import UNKNOWN_TOKEN, latent_page
from feature_manifold.examples.search import TokenSearch
from feature_manifold.index.statistics import latent_statistics
from feature_manifold.store.examples import ExampleSet
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.token_table import TokenTable

VOCABULARY = ["<bos>", "The", " cat", " sat", "\N{CAT FACE}", " \u202ebad", "<script>"]


@dataclass(frozen=True)
class Source:
    tokens: TokenTable
    vocabulary: list[str]
    by_latent: FiringsByLatent
    statistics: Array
    examples: ExampleSet


def source_of(dense: Array, token_id: list[int]) -> Source:
    ids = np.array(token_id, dtype=np.int32)
    n = len(ids)
    position = np.arange(n, dtype=np.int32) - 1
    table = TokenTable(
        ids, np.zeros(n, np.int32), position, np.array([0, n]), np.zeros((1, 2), np.int64)
    )
    firings = reference.by_latent_of(dense)
    examples = extract_examples(
        firings,
        table,
        top_k=2,
        context_size=1,
        sample_percentiles=True,
        percentile_examples=2,
        seed=0,
        progress=SilentProgress(),
    )
    statistics = latent_statistics(firings, ids, progress=SilentProgress())
    return Source(table, list(VOCABULARY), firings, statistics, examples)


@pytest.fixture
def source() -> Source:
    """Two latents, the second silent, over: <bos> The cat sat CAT (unknown) bad The."""
    dense = np.zeros((8, 2), dtype=np.float16)
    dense[[2, 3, 6], 0] = [1.5, 4, 2]
    return source_of(dense, [0, 1, 2, 3, 4, -1, 5, 1])


def test_a_page_has_exactly_the_specified_keys(source: Source) -> None:
    page = latent_page(source, 0).to_json()
    assert list(page) == [
        "latent_id",
        "label",
        "total_firings",
        "activation_stats",
        "histogram",
        "examples",
    ]
    assert page["latent_id"] == 0
    assert page["label"] == " cat"
    assert page["total_firings"] == 3
    assert list(page["activation_stats"]) == ["min", "max", "mean", "p10", "p50", "p90"]
    assert (page["activation_stats"]["min"], page["activation_stats"]["max"]) == (1.5, 4)
    assert len(page["histogram"]["bins"]) == 31
    assert len(page["histogram"]["counts"]) == 30
    assert sum(page["histogram"]["counts"]) == 3
    assert list(page["examples"]) == ["top", "high", "medium", "low"]


def test_an_example_shows_every_firing_of_its_context(source: Source) -> None:
    first, second = latent_page(source, 0).to_json()["examples"]["top"]
    assert first == {
        "max_activation": 4.0,
        "context": " cat sat\N{CAT FACE}",
        "tokens": [" cat", " sat", "\N{CAT FACE}"],
        "token_activations": [1.5, 4.0, 0.0],
        "firing_positions": [0, 1],
        "n_firings": 2,
    }
    assert second["tokens"] == [UNKNOWN_TOKEN, " \u202ebad", "The"]
    assert second["firing_positions"] == [1]


def test_the_page_of_a_silent_latent_says_so(source: Source) -> None:
    assert latent_page(source, 1).to_json() == {
        "latent_id": 1,
        "label": None,
        "total_firings": 0,
        "activation_stats": dict.fromkeys(["min", "max", "mean", "p10", "p50", "p90"], 0.0),
        "histogram": {"bins": [], "counts": []},
        "examples": {"top": [], "high": [], "medium": [], "low": []},
    }


def test_pages_are_strict_json(source: Source) -> None:
    for latent in (0, 1):
        page = latent_page(source, latent).to_json()
        assert orjson.loads(orjson.dumps(page)) == page


@pytest.mark.parametrize("latent", [-1, 2])
def test_a_latent_that_is_not_there_is_refused(source: Source, latent: int) -> None:
    with pytest.raises(InputError, match="latents 0 to 1"):
        latent_page(source, latent)


def test_a_vocabulary_of_another_tokenizer_is_refused(source: Source) -> None:
    del source.vocabulary[3:]
    with pytest.raises(CorruptArtifactError, match="not in the vocabulary of 3"):
        latent_page(source, 0)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("statistics", "max", np.nan, "Statistics of latent 0 are not finite.*--only index"),
        ("statistics", "count", 2, "Statistics and firings of latent 0 differ.*--only index"),
        ("by_latent", "tokens", 7, "Firings of latent 0 are out of order.*--only index"),
        ("by_latent", "activations", np.inf, "Activations of latent 0 are not finite.*index"),
        ("examples", "histogram_bins", np.nan, "Histogram edges.*not finite.*--only examples"),
        ("examples", "start", 7, "hold no firing.*--only examples"),
        ("examples", "stop", 1000, "hold no firing"),
        ("examples", "group", 4, "of no group"),
    ],
)
def test_damaged_artifacts_are_an_error_not_null(
    source: Source, part: str, field: str, value: float, message: str
) -> None:
    array = getattr(source, part)
    column = array[field] if part == "statistics" else getattr(array, field)
    column[0] = value
    with pytest.raises(CorruptArtifactError, match=message):
        latent_page(source, 0)


def test_search_ranks_equal_text_before_beginnings_before_the_rest() -> None:
    dense = np.zeros((8, 3), dtype=np.float16)
    dense[[1, 2, 5, 7], 0] = 1
    dense[[2, 3, 4, 5, 6], 1] = 1
    source = source_of(dense, [0, 1, 2, 3, 4, 2, 5, 6])
    vocabulary = ["<bos>", "Catalogue", " CAT", "concat", "dog", " x", "y"]
    search = TokenSearch(source.examples, vocabulary, source.statistics["count"])
    hits = search.find("cat ", limit=10)
    assert [hit.token for hit in hits] == [" CAT", "Catalogue", "concat"]
    assert [(hit.latent, hit.count, hit.share) for hit in hits[0].latents] == [
        (0, 2, 0.5),
        (1, 2, 0.4),
    ]
    assert [hit.token for hit in search.find("cat", limit=1)] == [" CAT"]
    assert len(search.find("cat", limit=1)[0].latents) == 1
    assert search.find("  ", limit=10) == ()
    assert search.find("zebra", limit=10) == ()


def test_search_equals_a_plain_sort_of_all_that_matches() -> None:
    random = np.random.default_rng(0)
    letters = np.array(list("abAB "))
    vocabulary = ["".join(random.choice(letters, size=3)) for _ in range(60)]
    source = source_of(
        (random.random((400, 5)) < 0.3).astype(np.float16), random.integers(60, size=400).tolist()
    )
    examples = source.examples
    search = TokenSearch(examples, vocabulary, source.statistics["count"])
    firings = np.bincount(examples.token_ids, weights=examples.token_counts)
    for query in ("a", "B", "ab", "ba ", "bab"):
        wanted = query.strip().casefold()
        texts = {i: vocabulary[i].strip().casefold() for i in set(examples.token_ids.tolist())}
        expected = sorted(
            (i for i, text in texts.items() if wanted in text),
            key=lambda i: (texts[i] != wanted, not texts[i].startswith(wanted), -firings[i], i),
        )
        for limit in (1, 7, 100):
            found = [hit.token_id for hit in search.find(query, limit=limit)]
            assert found == expected[:limit]


def test_search_refuses_examples_of_another_index(source: Source) -> None:
    with pytest.raises(CorruptArtifactError, match="--only examples"):
        TokenSearch(source.examples, VOCABULARY, np.zeros(2, dtype=np.int64))


def test_search_over_silent_latents_finds_nothing() -> None:
    source = source_of(np.zeros((3, 2), dtype=np.float16), [0, 1, 2])
    search = TokenSearch(source.examples, VOCABULARY, source.statistics["count"])
    assert search.find("cat", limit=5) == ()


def test_pages_load_without_compilers_or_umap() -> None:
    code = (
        "import sys, feature_manifold.examples.pages, feature_manifold.examples.search\n"
        "heavy = {'numba', 'umap', 'sklearn', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
