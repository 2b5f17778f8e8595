"""Files of the prototype: what they tell, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.prototype import (
    latent_file_paths,
    latent_files,
    load_foreign_vocabulary,
    read_corpus_arrays,
    read_latent_file,
)


@pytest.mark.parametrize(
    "content",
    [
        ["a", "b", "c"],
        {"0": "a", "2": "c", "1": "b"},
        {"a": 0, "b": 1, "c": 2},
        {
            "0": {"token": "b", "token_id": 1, "count": 3},
            "1": {"token": None, "token_id": None},
            "2": {"token": "a", "token_id": 0},
            "3": {"token": "c", "token_id": 2},
        },
    ],
)
def test_a_vocabulary_is_read_in_every_form(tmp_path: Path, content: object) -> None:
    path = tmp_path / "vocab.json"
    path.write_text(json.dumps(content))
    assert load_foreign_vocabulary(path) == ["a", "b", "c"]


def test_ids_without_a_text_read_as_unknown(tmp_path: Path) -> None:
    path = tmp_path / "vocab.json"
    path.write_text('{"2": "c"}')
    assert load_foreign_vocabulary(path) == ["�", "�", "c"]
    path.write_text("{}")
    assert load_foreign_vocabulary(path) == []


@pytest.mark.parametrize(
    "content",
    [
        '"text"',
        "[1, 2]",
        '{"x": "y"}',
        '{"-1": "a"}',
        '{"16777216": "a"}',
        '{"a": -1}',
        '{"a": 1.5}',
        '{"0": {"token_id": 0}}',
        '{"0": {"token": 5, "token_id": 0}}',
        "{not json",
    ],
)
def test_what_is_no_vocabulary_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vocab.json"
    path.write_text(content)
    with pytest.raises(CorruptArtifactError, match=r"vocab\.json is (no vocabulary|not JSON)"):
        load_foreign_vocabulary(path)


def save(folder: Path, name: str, tokens: object, activations: object) -> Path:
    path = folder / f"{name}.npz"
    np.savez(path, token_indices=tokens, activations=activations)
    return path


def test_latents_are_ordered_by_number_and_stand_once(tmp_path: Path) -> None:
    for name in ("100000", "00007", "99999"):
        save(tmp_path, name, np.arange(2), np.ones(2, np.float16))
    (tmp_path / "notes.npz").write_bytes(b"")
    found = list(latent_files(tmp_path))
    assert [file.latent for file in found] == [7, 99_999, 100_000]
    assert [(file.n_firings, file.dtype) for file in found] == [(2, np.float16)] * 3
    save(tmp_path, "000007", np.arange(2), np.ones(2, np.float16))
    with pytest.raises(CorruptArtifactError, match="both of latent 7"):
        latent_file_paths(tmp_path)


@pytest.mark.parametrize(
    ("tokens", "activations", "message"),
    [
        ([0, 5, 3], [1, 1, 1], "row 2: bad token 3, not above"),
        ([0, 3, 3], [1, 1, 1], "row 2: bad token 3, not above"),
        ([-1, 3, 4], [1, 1, 1], "row 0: bad token -1"),
        ([0, 3, 9], [1, 1, 1], "row 2: bad token 9, expected below 9"),
        ([0, 3, 4], [1, 0, 1], "row 1: bad activation 0.0"),
        ([0, 3, 4], [1, np.nan, 1], "row 1: bad activation nan"),
        ([0, 3, 4], [1, np.inf, 1], "row 1: bad activation inf"),
        ([0, 3, 4], [1, 1e39, 1], "row 1: bad activation 1e"),
    ],
)
def test_firings_that_cannot_be_are_refused(
    tmp_path: Path, tokens: list[int], activations: list[float], message: str
) -> None:
    save(tmp_path, "00000", np.array(tokens), np.array(activations, dtype=np.float64))
    (found,) = latent_files(tmp_path)
    with pytest.raises(CorruptArtifactError, match=r"00000\.npz, " + message):
        read_latent_file(found, n_tokens=9, dtype=np.float32)


@pytest.mark.parametrize(
    ("tokens", "activations"),
    [
        (np.zeros(2, np.float32), np.ones(2, np.float16)),
        (np.arange(2), np.arange(2)),
        (np.arange(2), np.ones(3, np.float16)),
        (np.zeros((2, 1), np.int64), np.ones((2, 1), np.float16)),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, tokens: object, activations: object) -> None:
    save(tmp_path, "00000", tokens, activations)
    with pytest.raises(CorruptArtifactError, match=r"00000\.npz: token_indices of"):
        list(latent_files(tmp_path))


def test_corpus_arrays_may_leave_things_unknown(tmp_path: Path) -> None:
    np.save(tmp_path / "token_ids.npy", np.array([4, -1, 6], dtype=np.int32))
    token_id, doc_id, position = read_corpus_arrays(tmp_path)
    assert (token_id.tolist(), doc_id.tolist()) == ([4, -1, 6], [-1, -1, -1])
    np.save(tmp_path / "token_map.npy", np.array([[0, 0], [-1, -1], [1, 4]], dtype=np.int64))
    token_id, doc_id, position = read_corpus_arrays(tmp_path)
    assert (doc_id.tolist(), position.tolist()) == ([0, -1, 1], [0, -1, 4])
    np.save(tmp_path / "token_map.npy", np.array([[0, 0], [0, -2], [1, 4]], dtype=np.int64))
    with pytest.raises(CorruptArtifactError, match=r"token_map\.npy, row 1: bad value"):
        read_corpus_arrays(tmp_path)
    np.save(tmp_path / "token_map.npy", np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(CorruptArtifactError, match=r"token_map\.npy: shape"):
        read_corpus_arrays(tmp_path)
