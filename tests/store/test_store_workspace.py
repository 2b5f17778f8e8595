import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import (
    CorruptArtifactError,
    InputError,
    LockedError,
    MissingArtifactError,
)
from feature_manifold.store import workspace as store, workspace_file
from feature_manifold.store.identity import Identity, identity_of
from feature_manifold.store.layout import DataRoot, ExperimentPaths
from feature_manifold.store.manifest import make_manifest, write_manifest
from feature_manifold.store.npy import save_npy
from feature_manifold.store.workspace import (
    Content,
    ForeignWorkError,
    Imported,
    SavedItem,
    VersionConflictError,
    Workspace,
)

HERE = Identity("toy", "d" * 64, "i" * 64)
WEEK = Content("cluster", "weekdays \x00 <b>🦄", "seven of them", (5, 3, 9))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(DataRoot(tmp_path / "data").workspace)


def test_reading_makes_no_file(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.items("toy") == []
    with pytest.raises(MissingArtifactError, match="no saved item"):
        workspace.item("toy", "0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_is_read_back_by_another_connection(
    workspace: Workspace, tmp_path: Path
) -> None:
    item = workspace.create(HERE, WEEK)
    note = workspace.create(HERE, replace(WEEK, kind="note"))
    other = Workspace(tmp_path / "data" / "workspace.sqlite")
    assert other.items("toy") == sorted([item, note], key=lambda one: (one.created_at, one.id))
    assert other.item("toy", item.id) == item
    assert (item.content, item.made_in, item.version) == (WEEK, HERE, 1)
    assert other.items("another") == []


def test_a_change_needs_the_version_that_it_was_made_to(workspace: Workspace) -> None:
    item = workspace.create(HERE, WEEK)
    changed = workspace.update("toy", item.id, replace(WEEK, name="days"), version=1)
    assert (changed.version, changed.content.name) == (2, "days")
    assert (changed.created_at, changed.made_in) == (item.created_at, HERE)
    with pytest.raises(VersionConflictError, match="at version 2"):
        workspace.update("toy", item.id, WEEK, version=1)
    with pytest.raises(VersionConflictError):
        workspace.delete("toy", item.id, version=1)
    assert workspace.items("toy") == [changed]
    workspace.delete("toy", item.id, version=2)
    for act in (workspace.update, workspace.delete):
        arguments = (WEEK,) if act == workspace.update else ()
        with pytest.raises(MissingArtifactError):
            act("toy", item.id, *arguments, version=2)


def test_of_changes_at_the_same_time_one_is_made_and_the_rest_are_told(
    workspace: Workspace,
) -> None:
    item = workspace.create(HERE, WEEK)
    ready = threading.Barrier(8)

    def change(number: int) -> str:
        ready.wait()
        try:
            content = replace(WEEK, name=str(number))
            return workspace.update("toy", item.id, content, version=1).content.name
        except VersionConflictError:
            return ""

    with ThreadPoolExecutor(8) as pool:
        names = sorted(pool.map(change, range(8)))
    assert names[:7] == [""] * 7
    assert workspace.item("toy", item.id).content.name == names[7]


def test_the_first_writers_at_the_same_time_make_one_file(workspace: Workspace) -> None:
    ready = threading.Barrier(8)

    def save(number: int) -> SavedItem:
        ready.wait()
        return workspace.create(HERE, replace(WEEK, name=str(number)))

    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(save, range(8)))
    assert sorted(item.id for item in workspace.items("toy")) == sorted(item.id for item in saved)


def test_an_export_comes_back_once_and_a_changed_item_as_a_copy(workspace: Workspace) -> None:
    items = [workspace.create(HERE, WEEK), workspace.create(HERE, replace(WEEK, kind="note"))]
    assert workspace.take_in(HERE, items) == Imported(added=0, unchanged=2)
    workspace.delete("toy", items[0].id, version=1)
    workspace.update("toy", items[1].id, replace(WEEK, text="new"), version=1)
    assert workspace.take_in(HERE, items) == Imported(added=2, unchanged=0)
    assert len({item.id for item in workspace.items("toy")}) == 3
    assert workspace.item("toy", items[0].id) == items[0]
    assert workspace.item("toy", items[1].id).content.text == "new"


@pytest.mark.parametrize(
    ("elsewhere", "named"),
    [
        (replace(HERE, experiment_id="other"), "experiment 'other', not 'toy'"),
        (replace(HERE, decoder="e" * 64), "another SAE"),
        (replace(HERE, index="j" * 64), "another index"),
    ],
)
def test_work_from_elsewhere_is_refused_unless_forced_and_then_known(
    workspace: Workspace, elsewhere: Identity, named: str
) -> None:
    own = workspace.create(HERE, WEEK)
    foreign = replace(own, id="f" * 32, made_in=elsewhere)
    with pytest.raises(ForeignWorkError, match=named):
        workspace.take_in(HERE, [replace(own, id="a" * 32), foreign])
    assert workspace.items("toy") == [own]
    assert workspace.take_in(HERE, [foreign], force=True) == Imported(added=1, unchanged=0)
    assert workspace.item("toy", foreign.id).made_in == elsewhere
    changed = workspace.update("toy", foreign.id, WEEK, version=foreign.version)
    assert changed.made_in == elsewhere


def test_an_item_of_another_experiment_comes_in_as_a_copy(workspace: Workspace) -> None:
    own = workspace.create(HERE, WEEK)
    there = replace(HERE, experiment_id="other")
    assert workspace.take_in(there, [own], force=True).added == 1
    (copy,) = workspace.items("other")
    assert copy.id != own.id
    assert copy.made_in == HERE
    assert workspace.items("toy") == [own]


def test_an_import_that_fails_leaves_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_ITEMS", 2)
    items = [replace(workspace.create(HERE, WEEK), id=f"{number:032}") for number in range(2)]
    with pytest.raises(InputError, match="would have 4 saved items"):
        workspace.take_in(HERE, items)
    with pytest.raises(InputError):
        workspace.create(HERE, WEEK)
    assert len(workspace.items("toy")) == 2


def test_a_file_of_a_newer_version_or_that_is_no_database_is_one_clear_error(
    tmp_path: Path,
) -> None:
    newer, foreign = tmp_path / "newer.sqlite", tmp_path / "foreign.sqlite"
    Workspace(newer).create(HERE, WEEK)
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    foreign.write_bytes(b"no database at all" * 100)
    for path, match in ((newer, "version 99"), (foreign, "not a database")):
        with pytest.raises(CorruptArtifactError, match=match) as caught:
            Workspace(path).items("toy")
        assert str(tmp_path) not in str(caught.value)
        with pytest.raises(CorruptArtifactError):
            Workspace(path).create(HERE, WEEK)


def test_a_file_that_another_process_writes_is_locked_not_damaged(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = workspace.create(HERE, WEEK)
    monkeypatch.setattr(workspace_file, "BUSY_SECONDS", 0.01)
    holder = sqlite3.connect(tmp_path / "data" / "workspace.sqlite")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LockedError, match="another process"):
        workspace.create(HERE, WEEK)
    # Readers do not wait for the writer.
    assert workspace.items("toy") == [item]
    holder.close()


def finished(root: Path, *, decoder: float = 0, indptr: int = 0) -> ExperimentPaths:
    paths = ExperimentPaths(root / "toy", root / "visualizer")
    paths.latents.mkdir(parents=True, exist_ok=True)
    save_npy(paths.decoder, np.full((3, 2), decoder, dtype=np.float32))
    save_npy(paths.latents / "indptr.npy", np.full(4, indptr))
    manifest = make_manifest(
        paths.latents, format="i", format_version=1, config={}, inputs={}, seed=0, facts={}
    )
    write_manifest(paths.latents, manifest)
    return paths


def test_an_identity_is_of_the_decoder_and_the_index(tmp_path: Path) -> None:
    first = identity_of(finished(tmp_path))
    assert first == identity_of(finished(tmp_path))
    assert first.experiment_id == "toy"
    assert identity_of(finished(tmp_path, decoder=1)).decoder != first.decoder
    assert identity_of(finished(tmp_path, indptr=1)).index != first.index
    paths = finished(tmp_path)
    paths.decoder.unlink()
    with pytest.raises(MissingArtifactError, match="decoder.npy"):
        identity_of(paths)
    (paths.latents / "manifest.json").unlink()
    with pytest.raises(MissingArtifactError, match="latents"):
        identity_of(paths)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CorruptArtifactError, match="cannot be read or written") as caught:
        Workspace(tmp_path / "file" / "workspace.sqlite").create(HERE, WEEK)
    assert str(tmp_path) not in str(caught.value)


def test_work_in_a_folder_that_is_only_readable_can_be_read(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = workspace.create(HERE, WEEK)
    # Root may write wherever it asks; that nothing was is seen by what is refused.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert workspace.items("toy") == [item]
    with pytest.raises(CorruptArtifactError, match="readonly"):
        workspace.create(HERE, WEEK)


def test_a_page_of_items_is_a_part_of_the_list(workspace: Workspace) -> None:
    assert workspace.count("toy") == 0
    for _ in range(5):
        workspace.create(HERE, WEEK)
    everything = workspace.items("toy")
    assert workspace.count("toy") == len(everything) == 5
    assert workspace.count("other") == 0
    assert workspace.items("toy", limit=2, offset=2) == everything[2:4]
    assert workspace.items("toy", limit=2, offset=4) == everything[4:]
    assert workspace.items("toy", offset=5) == []
