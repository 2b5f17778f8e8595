"""What people save: named clusters, notes and labels, in one SQLite file of the data root.

Everything else in the data root can be made again; this file cannot. Each use opens a connection
of its own, in WAL mode, so that several servers may share the file, and a killed one leaves it
whole. An item remembers the state of the experiment that it was made in.
"""

import json
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from feature_manifold.core.errors import (
    FmiError,
    InputError,
    MissingArtifactError,
)
from feature_manifold.store.identity import Identity
from feature_manifold.store.workspace_file import connected, writing

MAX_ITEMS = 10_000
"""Items of one experiment, at most."""
COLUMNS = "id, kind, name, text, latents, made_in, version, created_at, updated_at"

Kind = Literal["cluster", "note", "label"]


class VersionConflictError(FmiError):
    """Somebody else changed a saved item after it was read."""

    http_status = 409


class ForeignWorkError(FmiError):
    """Saved work was made in another experiment, or in another state of it."""

    http_status = 409


@dataclass(frozen=True)
class Content:
    """What a person writes.

    Attributes
    ----------
    kind
        A named ``cluster``, a ``note`` on latents, or the ``label`` of latents.
    name
        Title, or the label itself.
    text
        Anything longer.
    latents
        Latent ids, in the order in which they were given.
    """

    kind: Kind
    name: str
    text: str
    latents: tuple[int, ...]


@dataclass(frozen=True)
class SavedItem:
    """A saved item.

    Attributes
    ----------
    id
        32 hexadecimal digits.
    content
        What was written.
    made_in
        Where it was first written.
    version
        1, and one more with each change.
    created_at, updated_at
        UTC, ISO 8601.
    """

    id: str
    content: Content
    made_in: Identity
    version: int
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class Imported:
    """How many items came in, and how many were there already."""

    added: int
    unchanged: int


class Workspace:
    """Saved work of all experiments.

    Parameters
    ----------
    path
        The SQLite file; made by the first write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def count(self, experiment_id: str) -> int:
        """Return how many items an experiment has; see ``items``."""
        if not self._path.exists():
            return 0
        with connected(self._path) as connection:
            return _count(connection, experiment_id)

    def items(
        self, experiment_id: str, *, limit: int = MAX_ITEMS, offset: int = 0
    ) -> list[SavedItem]:
        """Return the items of an experiment, by default all, the oldest first.

        Parameters
        ----------
        limit
            At most so many.
        offset
            Items left out before.

        Raises
        ------
        CorruptArtifactError, LockedError
            If the file is damaged or of a newer version, or held by another process.
        """
        if not self._path.exists():
            return []
        with connected(self._path) as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM items WHERE experiment_id = ? ORDER BY created_at, id "
                "LIMIT ? OFFSET ?",
                (experiment_id, limit, offset),
            )
            return [_item(row) for row in rows]

    def item(self, experiment_id: str, item_id: str) -> SavedItem:
        """Return one item.

        Raises
        ------
        MissingArtifactError
            If the experiment has no such item.
        """
        if not self._path.exists():
            raise _missing(experiment_id, item_id)
        with connected(self._path) as connection:
            return _found(connection, experiment_id, item_id)

    def create(self, identity: Identity, content: Content) -> SavedItem:
        """Save a new item of the experiment that ``identity`` names.

        Raises
        ------
        InputError
            If the experiment has as many items as it may have.
        """
        now = _now()
        item = SavedItem(uuid.uuid4().hex, content, identity, 1, now, now)
        with writing(self._path) as connection:
            _insert(connection, identity.experiment_id, item)
            _check_room(connection, identity.experiment_id)
        return item

    def update(
        self, experiment_id: str, item_id: str, content: Content, *, version: int
    ) -> SavedItem:
        """Replace the content of an item.

        Parameters
        ----------
        version
            Version that the change was made to.

        Raises
        ------
        MissingArtifactError
            If there is no such item.
        VersionConflictError
            If it has another version by now; nothing is changed.
        """
        with writing(self._path) as connection:
            old = _found(connection, experiment_id, item_id)
            _check_version(old, version)
            item = SavedItem(item_id, content, old.made_in, version + 1, old.created_at, _now())
            connection.execute("DELETE FROM items WHERE id = ?", (item_id,))
            _insert(connection, experiment_id, item)
        return item

    def delete(self, experiment_id: str, item_id: str, *, version: int) -> SavedItem:
        """Delete an item and return what it was; see ``update``."""
        with writing(self._path) as connection:
            item = _found(connection, experiment_id, item_id)
            _check_version(item, version)
            connection.execute("DELETE FROM items WHERE id = ?", (item_id,))
        return item

    def take_in(
        self,
        identity: Identity,
        items: Sequence[SavedItem],
        *,
        exported_in: Identity | None = None,
        force: bool = False,
    ) -> Imported:
        """Add items that were exported, here or elsewhere; all of them or none.

        An item that is here with the same content is left as it is. One that is here with other
        content, or under another experiment, comes in as a copy with an id of its own. Items keep
        the identity that they were made in, by which those from elsewhere are known.

        Parameters
        ----------
        identity
            The experiment that they come into, as it is now.
        exported_in
            The experiment that they were exported from, as it was then; by default this one.
        force
            Take in work of another experiment, or of another state of it.

        Raises
        ------
        ForeignWorkError
            If it is such work, and ``force`` is not given.
        InputError
            If the experiment would have more items than it may have.
        """
        places = [exported_in or identity, *(item.made_in for item in items)]
        foreign = next((place for place in places if place != identity), None)
        if foreign is not None and not force:
            raise ForeignWorkError(
                f"This work was made in {foreign.differences(identity)}. Its latents may "
                "mean something else here. To load it all the same, marked as from elsewhere, "
                "send force."
            )
        added = 0
        with writing(self._path) as connection:
            for item in items:
                same = connection.execute(
                    f"SELECT {COLUMNS}, experiment_id FROM items WHERE id = ?", (item.id,)
                ).fetchone()
                if same is not None:
                    is_here = same[-1] == identity.experiment_id
                    if is_here and _item(same[:-1]).content == item.content:
                        continue
                    item = SavedItem(uuid.uuid4().hex, *tuple(vars(item).values())[1:])
                _insert(connection, identity.experiment_id, item)
                added += 1
            _check_room(connection, identity.experiment_id)
        return Imported(added, len(items) - added)


def _insert(connection: sqlite3.Connection, experiment_id: str, item: SavedItem) -> None:
    content = item.content
    values = (
        *(item.id, experiment_id, content.kind, content.name, content.text),
        *(json.dumps(content.latents), json.dumps(asdict(item.made_in))),
        *(item.version, item.created_at, item.updated_at),
    )
    connection.execute(f"INSERT INTO items VALUES ({', '.join('?' * len(values))})", values)


def _count(connection: sqlite3.Connection, experiment_id: str) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM items WHERE experiment_id = ?", (experiment_id,)
    ).fetchone()
    return int(count)


def _check_room(connection: sqlite3.Connection, experiment_id: str) -> None:
    count = _count(connection, experiment_id)
    if count > MAX_ITEMS:
        raise InputError(
            f"Experiment '{experiment_id}' would have {count:,} saved items, and {MAX_ITEMS:,} are "
            "the most. Delete some, or export them first."
        )


def _found(connection: sqlite3.Connection, experiment_id: str, item_id: str) -> SavedItem:
    row = connection.execute(
        f"SELECT {COLUMNS} FROM items WHERE experiment_id = ? AND id = ?", (experiment_id, item_id)
    ).fetchone()
    if row is None:
        raise _missing(experiment_id, item_id)
    return _item(row)


def _item(row: tuple[str, Kind, str, str, str, str, int, str, str]) -> SavedItem:
    item_id, kind, name, text, latents, made_in, version, created_at, updated_at = row
    content = Content(kind, name, text, tuple(json.loads(latents)))
    identity = Identity(**json.loads(made_in))
    return SavedItem(item_id, content, identity, version, created_at, updated_at)


def _check_version(item: SavedItem, version: int) -> None:
    if item.version != version:
        raise VersionConflictError(
            f"'{item.content.name[:80]}' has changed: it is at version {item.version}, and the "
            f"change was made to version {version}. Load it again."
        )


def _missing(experiment_id: str, item_id: str) -> MissingArtifactError:
    return MissingArtifactError(
        f"Experiment '{experiment_id}' has no saved item '{item_id[:64]}'. It may have been "
        "deleted."
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
