from pathlib import Path

import pytest

from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.manifest import (
    Manifest,
    changed_inputs,
    file_problems,
    make_manifest,
    read_manifest,
    write_manifest,
)


def stamped(folder: Path, **config: object) -> Manifest:
    manifest = make_manifest(
        folder,
        format="toy",
        format_version=1,
        config=dict(config),
        inputs={"a": "b"},
        seed=0,
        facts={"n": 1},
    )
    write_manifest(folder, manifest)
    return manifest


def test_a_manifest_comes_back_as_written(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    assert read_manifest(tmp_path) is None
    manifest = stamped(tmp_path, k=3)
    assert read_manifest(tmp_path) == manifest
    assert list(manifest.files) == ["x"]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    stamped(tmp_path, k=3)
    first = (tmp_path / "manifest.json").read_bytes()
    stamped(tmp_path, k=3)
    assert (tmp_path / "manifest.json").read_bytes() == first


def test_what_a_killed_run_left_aside_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "manifest.json.partial").write_text("{")
    (tmp_path / "shard_00000.replaced").mkdir()
    (tmp_path / "shard_00000.replaced" / "y").write_text("y")
    assert list(stamped(tmp_path).files) == ["x"]


def test_an_input_that_changed_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("x")
    digest = stamped(tmp_path / "a").digest
    made = make_manifest(
        tmp_path,
        format="toy",
        format_version=1,
        config={},
        inputs={"a": digest, "elsewhere": "c"},
        seed=None,
        facts={},
    )
    folders = {"a": tmp_path / "a"}
    assert changed_inputs(made, folders) == []
    (tmp_path / "a" / "x").write_text("y")
    stamped(tmp_path / "a")
    assert changed_inputs(made, folders) == ["a"]
    (tmp_path / "a" / "manifest.json").unlink()
    assert changed_inputs(made, folders) == []


def test_every_kind_of_damage_is_found(tmp_path: Path) -> None:
    for name in ("gone", "short", "flipped", "fine"):
        (tmp_path / name).write_text("content")
    manifest = stamped(tmp_path)
    assert file_problems(tmp_path, manifest, read_all=True) == []
    (tmp_path / "gone").unlink()
    (tmp_path / "short").write_text("conten")
    (tmp_path / "flipped").write_text("Content")
    assert len(file_problems(tmp_path, manifest, read_all=False)) == 2
    problems = " ".join(file_problems(tmp_path, manifest, read_all=True))
    assert all(name in problems for name in ("gone", "short", "flipped"))
    assert "fine" not in problems


def test_the_digest_follows_contents_and_not_facts(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    digest = stamped(tmp_path, k=1).digest
    assert stamped(tmp_path, k=2).digest == digest
    (tmp_path / "x").write_text("y")
    assert stamped(tmp_path, k=1).digest != digest


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {}}', '{"files": {"a": 1}}'])
def test_a_damaged_manifest_is_an_error_and_not_a_missing_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(CorruptArtifactError, match="not a manifest"):
        read_manifest(tmp_path)
