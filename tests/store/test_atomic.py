from pathlib import Path

import pytest

from feature_manifold.store.atomic import (
    begin_folder,
    commit_folder,
    drop_leftovers,
    replaced_folder,
    write_file,
)


def test_a_file_appears_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"one")
    write_file(tmp_path / "a", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"two"


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with replaced_folder(tmp_path / "f") as staging:
            (staging / content).write_text(content)
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_failed_block_leaves_the_old_folder(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "f") as staging:
        (staging / "old").write_text("old")
    with pytest.raises(ZeroDivisionError), replaced_folder(tmp_path / "f") as staging:
        (staging / "new").write_text(str(1 / 0))
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_what_a_killed_run_left_aside_is_dropped(tmp_path: Path) -> None:
    staging = begin_folder(tmp_path / "f")
    (staging / "half").write_text("half")
    staging = begin_folder(tmp_path / "f")
    (staging / "whole").write_text("whole")
    commit_folder(tmp_path / "f")
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["whole"]


def test_leftovers_are_deleted_and_the_folder_stays(tmp_path: Path) -> None:
    for name in ("f", "f.partial", "f.replaced", "g.partial"):
        (tmp_path / name).mkdir()
    drop_leftovers(tmp_path / "f")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "g.partial"]


def test_a_signal_that_comes_while_the_staging_folder_is_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def interrupted(path: Path, *arguments: bool, **options: bool) -> None:
        mkdir(path, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), replaced_folder(tmp_path / "folder"):
        pass
    assert list(tmp_path.iterdir()) == []
