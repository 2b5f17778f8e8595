"""Corpora become token tables: exact counts, positions, and clear errors."""

import gzip
import importlib
import json
import logging
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from feature_manifold.core.config import make_config
from feature_manifold.core.errors import CorpusError, MissingExtraError, ModelError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.corpus import build_token_table, documents
from feature_manifold.corpus.documents import read_documents
from feature_manifold.corpus.sources import _hub_documents, find_sources
from feature_manifold.corpus.tokenizer import Tokenizer
from feature_manifold.corpus.windows import cut_windows
from feature_manifold.store.token_table import load_metadata, load_vocabulary, open_token_table
from feature_manifold.testing.hub import LocalHub, use_hub
from feature_manifold.testing.texts import write_jsonl
from feature_manifold.testing.tiny import TinyExperiment, TinyHub, tiny_gemma_cache, tiny_gpt2

TEXTS = ["one two", "", "three\nfour", "café 東京 🙂"]


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> TinyHub:
    return tiny_gemma_cache(tmp_path_factory.mktemp("gemma"))


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    return tiny_gpt2(tmp_path_factory.mktemp("gpt2"))


def texts_of(path: Path, **options: str) -> list[str]:
    return [document.text for document in read_documents(path, text_key="text", **options)]


def build(tiny: TinyHub, folder: Path, **changes: object) -> None:
    with use_hub(tiny.hub):
        build_token_table(make_config(tiny.config(**changes)), folder, progress=SilentProgress())


def test_the_table_holds_exactly_num_tokens_corpus_tokens(gemma: TinyHub, tmp_path: Path) -> None:
    build(gemma, tmp_path, num_tokens=1234)
    table = open_token_table(tmp_path)
    assert int((table.position >= 0).sum()) == 1234
    assert table.n_windows == int((table.position < 0).sum())


def test_every_window_starts_with_bos_and_stays_in_one_document(
    gemma: TinyHub, tmp_path: Path
) -> None:
    build(gemma, tmp_path)
    table = open_token_table(tmp_path)
    starts = table.windows[:-1]
    lengths = np.diff(table.windows)
    assert (table.token_id[starts] == 2).all()
    assert lengths.max() <= 48
    assert lengths.min() >= 2
    assert (np.flatnonzero(table.position < 0) == starts).all()
    owner = np.repeat(np.arange(table.n_windows), lengths)
    assert (table.doc_id == table.doc_id[starts][owner]).all()


def test_rows_of_a_document_spell_its_text(gemma: TinyHub, tmp_path: Path) -> None:
    build(gemma, tmp_path)
    table = open_token_table(tmp_path)
    with use_hub(gemma.hub):
        tokenizer = Tokenizer(gemma.model_id)
    for doc_id in range(len(table.documents) - 1):  # the last one may be cut short
        rows = (table.doc_id == doc_id) & (table.position >= 0)
        expected = tokenizer.encode([gemma.documents[int(table.documents[doc_id, 1])]])[0]
        assert (table.token_id[rows] == expected).all()
        assert (table.position[rows] == np.arange(len(expected))).all()


def test_special_tokens_written_in_text_stay_text(gemma: TinyHub, tmp_path: Path) -> None:
    assert any("<bos>" in text for text in gemma.documents)
    build(gemma, tmp_path, num_tokens=100_000)
    table = open_token_table(tmp_path)
    special = load_metadata(tmp_path)["special_ids"]
    assert not np.isin(table.token_id[table.position >= 0], special).any()


def test_empty_documents_are_counted_and_have_no_rows(gemma: TinyHub, tmp_path: Path) -> None:
    build(gemma, tmp_path, num_tokens=100_000)
    metadata = load_metadata(tmp_path)
    assert metadata["n_empty_documents"] == 1
    assert metadata["n_documents"] + 1 == len(gemma.documents)


def test_a_short_corpus_is_kept_with_a_warning(
    gemma: TinyHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        build(gemma, tmp_path, num_tokens=10_000_000)
    assert "fewer than num-tokens" in caplog.text
    assert load_metadata(tmp_path)["is_complete"] is False


def test_padding_side_of_the_tokenizer_changes_nothing(tmp_path: Path) -> None:
    for side in ("left", "right"):
        tiny = tiny_gemma_cache(tmp_path / side, padding_side=side)
        (tmp_path / f"table-{side}").mkdir()
        build(tiny, tmp_path / f"table-{side}")
    for name in ("token_id.npy", "position.npy", "windows.npy", "doc_id.npy"):
        left, right = (tmp_path / f"table-{side}" / name for side in ("left", "right"))
        assert left.read_bytes() == right.read_bytes()


def test_the_same_corpus_gives_the_same_bytes(gemma: TinyHub, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        build(gemma, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*"))
    assert len(files) > 7
    for file in files:
        if (tmp_path / "a" / file).is_file():
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_vocabulary_of_sentencepiece_is_readable(gemma: TinyHub, tmp_path: Path) -> None:
    build(gemma, tmp_path)
    vocabulary = load_vocabulary(tmp_path)
    assert " Monday" in vocabulary
    assert vocabulary[2] == "<bos>"
    assert "\n" in vocabulary
    assert "<0xE6>" in vocabulary
    table = open_token_table(tmp_path)
    first = table.token_id[(table.doc_id == 0) & (table.position >= 0)]
    assert "".join(vocabulary[token_id] for token_id in first) == gemma.documents[0]


def test_vocabulary_of_byte_level_bpe_is_readable(gpt2: TinyExperiment, tmp_path: Path) -> None:
    build_token_table(make_config(gpt2.config()), tmp_path, progress=SilentProgress())
    vocabulary = load_vocabulary(tmp_path)
    assert " Monday" in vocabulary
    assert "<0xE6>" in vocabulary
    assert vocabulary[0] == "<|endoftext|>"
    assert len(set(vocabulary)) == len(vocabulary)


def test_windows_of_a_model_without_bos_hold_only_the_document() -> None:
    ids = np.arange(10, dtype=np.int32)
    windows = list(cut_windows(ids, seq_len=4, bos_id=None))
    assert [window.tolist() for window, _ in windows] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [position.tolist() for _, position in windows][-1] == [8, 9]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"])
def test_every_kind_of_file_gives_the_same_documents(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"corpus{suffix}"
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table({"text": TEXTS, "n": [1, 2, 3, 4]}), path)
    elif suffix == ".jsonl.zst":
        half = lines.index(b"\n") + 1
        pack = zstandard.ZstdCompressor().compress
        path.write_bytes(pack(lines[:half]) + pack(lines[half:]))
    else:
        path.write_bytes(gzip.compress(lines) if suffix == ".jsonl.gz" else lines)
    assert texts_of(path) == TEXTS
    assert [document.record for document in read_documents(path, text_key="text")] == [0, 1, 2, 3]


def test_plain_text_is_split_at_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes("\ufeffone\ntwo\n\n \nthree".encode())
    assert texts_of(path) == ["one\ntwo", "three"]
    assert [document.record for document in read_documents(path, text_key="")] == [0, 4]


def test_text_without_blank_lines_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_RECORD_BYTES", 100)
    (tmp_path / "corpus.txt").write_text("one\n" * 20 + "\n" + "two\n" * 20)
    assert len(texts_of(tmp_path / "corpus.txt")) == 2
    (tmp_path / "corpus.txt").write_text("one\n\n" + "two\n" * 26)
    with pytest.raises(CorpusError, match="document at line 3 is longer .*blank lines"):
        texts_of(tmp_path / "corpus.txt")


def test_hidden_files_of_a_folder_are_no_corpus(tmp_path: Path) -> None:
    for name in ("a.txt", ".b.txt", ".cache/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    sources = find_sources(make_config({"corpus": str(tmp_path)}))
    assert [source.name for source in sources] == ["a.txt"]


def test_a_folder_and_a_glob_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.json"):
        (tmp_path / name).write_text(name)
    for corpus in (str(tmp_path), str(tmp_path / "*.txt")):
        sources = find_sources(make_config({"corpus": corpus}))
        assert [source.name for source in sources] == ["a.txt", "b.txt"]
        assert [document.text for source in sources for document in source.documents()] == [
            "a.txt",
            "b.txt",
        ]


BAD_FILES = {
    "latin.txt": ("café".encode("latin-1"), "line 1 is not UTF-8"),
    "latin.jsonl": (b'{"text": "a"}\n{"text": "caf\xe9"}\n', "line 2 is not JSON in UTF-8"),
    "list.jsonl": (b"[1]\n", "is not a JSON object"),
    "key.jsonl": (b'{"body": "a"}\n', "no key 'text', only body"),
    "number.jsonl": (b'{"text": 5}\n', "'text' is int"),
    "cut.jsonl.gz": (gzip.compress(b'{"text": "a"}\n')[:-9], "damaged"),
    "bad.jsonl.zst": (b"nonsense", "damaged"),
    "cut.txt.zst": (zstandard.compress(b"one\n\ntwo\n\n" * 9)[:-3], "ends inside a zstd frame"),
    "bad.parquet": (b"nonsense", "not a sound parquet file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    content, expected = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=expected) as raised:
        texts_of(tmp_path / name)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("corpus", "expected"),
    [
        ("nowhere/corpus.jsonl", "No corpus 'nowhere/corpus.jsonl'"),
        ("nowhere/*.txt", "No corpus file matches"),
        ("not a corpus", "Check 'corpus' in the config"),
    ],
)
def test_a_missing_corpus_says_where_to_look(corpus: str, expected: str) -> None:
    with pytest.raises(CorpusError) as raised:
        find_sources(make_config({"corpus": corpus}))
    assert expected in str(raised.value)


def test_a_corpus_without_text_is_an_error(gpt2: TinyExperiment, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text('{"text": ""}\n')
    config = make_config(gpt2.config(corpus=str(tmp_path / "empty.jsonl")))
    (tmp_path / "out").mkdir()
    with pytest.raises(CorpusError, match="holds no text"):
        build_token_table(config, tmp_path / "out", progress=SilentProgress())


def test_the_pile_offline_and_not_cached_says_how_to_fetch_it(
    gemma: TinyHub, tmp_path: Path
) -> None:
    source = find_sources(make_config(gemma.config(corpus_split="test")))[0]
    with use_hub(gemma.hub), pytest.raises(CorpusError, match="hf download") as raised:
        source.documents()
    assert "\n" not in str(raised.value)


def test_an_unknown_split_of_the_pile_lists_the_valid_ones(gemma: TinyHub) -> None:
    with pytest.raises(CorpusError, match="only val, test, train"):
        find_sources(make_config(gemma.config(corpus_split="validation")))


def test_another_hub_data_set_is_read_through_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # datasets takes a folder below the working directory for a repository of that name.
    write_jsonl(tmp_path / "someone" / "something" / "train.jsonl", TEXTS, text_key="body")
    monkeypatch.chdir(tmp_path)
    values = {"corpus": "someone/something", "corpus_split": "train"}
    documents = _hub_documents(make_config({**values, "text_key": "body"}))
    assert [(document.record, document.text) for document in documents] == list(enumerate(TEXTS))
    with pytest.raises(CorpusError, match="no text under 'text', only body"):
        next(_hub_documents(make_config(values)))
    with pytest.raises(CorpusError, match="train"):
        next(_hub_documents(make_config({**values, "corpus_split": "val"})))


def test_a_hub_data_set_out_of_reach_is_named(tmp_path: Path) -> None:
    with use_hub(LocalHub(tmp_path)):
        source = find_sources(make_config({"corpus": "someone/something"}))[0]
        with pytest.raises(CorpusError) as raised:
            next(source.documents())
    assert "someone/something" in str(raised.value)


def test_a_model_out_of_reach_says_how_to_fetch_it(tmp_path: Path) -> None:
    with use_hub(LocalHub(tmp_path)), pytest.raises(ModelError, match="hf download") as raised:
        Tokenizer("google/gemma-3-27b-pt")
    assert "\n" not in str(raised.value)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no usable tokenizer"):
        Tokenizer(str(tmp_path))


@pytest.mark.parametrize(
    ("room", "module"),
    [("corpus", "zstandard"), ("corpus", "transformers"), ("harvest", "torch")],
)
def test_a_base_install_says_which_extra_is_missing(
    room: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith(f"feature_manifold.{room}"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"\[harvest\]") as raised:
        importlib.import_module(f"feature_manifold.{room}")
    assert module in str(raised.value)
