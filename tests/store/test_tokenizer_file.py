"""The copy of the tokenizer beside a corpus."""

import shutil
import sys
from pathlib import Path

import pytest

import feature_manifold
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.tokenizer_file import open_encoder

SHIPPED = Path(feature_manifold.__file__).parent / "demo" / "assets" / "almanac"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer").mkdir()
    shutil.copy(SHIPPED / "tokenizer.json", tmp_path / "tokenizer")
    return tmp_path


def test_text_is_cut_as_by_the_model_without_special_tokens(corpus: Path) -> None:
    encode = open_encoder(corpus)
    assert encode is not None
    two, one = encode("on Monday"), encode("Monday")
    assert one is not None
    assert two is not None
    assert len(two) == 2
    assert two[1:] == one
    assert encode("") == []


@pytest.mark.parametrize("text", ["<bos>", "quark", "Monday <pad>"])
def test_text_that_the_tokenizer_does_not_know_is_no_text(corpus: Path, text: str) -> None:
    encode = open_encoder(corpus)
    assert encode is not None
    assert encode(text) is None


def test_without_a_copy_or_without_the_library_there_is_no_encoder(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_encoder(tmp_path / "other") is None
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert open_encoder(corpus) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": 7}', "\x00" * 100])
def test_a_damaged_copy_is_one_clear_line(corpus: Path, content: str) -> None:
    (corpus / "tokenizer" / "tokenizer.json").write_text(content)
    with pytest.raises(CorruptArtifactError, match=r"is no tokenizer.*--only corpus") as caught:
        open_encoder(corpus)
    assert "\n" not in str(caught.value)
