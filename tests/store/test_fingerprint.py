from pathlib import Path

from feature_manifold.store.fingerprint import local_fingerprints


def digest(source: str) -> str | None:
    return local_fingerprints({"corpus-files": source}).get("corpus-files")


def test_what_is_not_on_this_machine_has_no_digest(tmp_path: Path) -> None:
    assert digest("google/gemma-3-27b-pt") is None
    assert digest(str(tmp_path / "*.txt")) is None


def test_an_edit_of_any_file_that_a_glob_matches_is_noticed(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.json"):
        (tmp_path / name).write_text("one")
    pattern = str(tmp_path / "*.txt")
    before = digest(pattern)
    (tmp_path / "c.json").write_text("two")
    assert digest(pattern) == before
    (tmp_path / "b.txt").write_text("two")
    assert digest(pattern) not in (None, before)


def test_hidden_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    before = digest(str(tmp_path))
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "b.txt").write_text("two")
    assert digest(str(tmp_path)) == before
