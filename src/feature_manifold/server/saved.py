"""Routes of saved work: named clusters, notes and labels of an experiment."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from feature_manifold.core.errors import InputError
from feature_manifold.server.faults import ReadOnlyError, fault_examples
from feature_manifold.server.library import ChosenExperiment, LibraryOfApp, OpenExperiment
from feature_manifold.server.saved_schemas import (
    ChangedItem,
    ContentBody,
    Export,
    IdentityBody,
    Import,
    ImportAnswer,
    ItemBody,
    ItemList,
    NewItem,
    PortableItem,
)
from feature_manifold.store.identity import Identity, identity_of
from feature_manifold.store.workspace import Content, SavedItem, Workspace

MAX_PAGE = 1000

router = APIRouter(tags=["saved work"])


def _workspace(request: Request) -> Workspace:
    workspace: Workspace = request.app.state.workspace
    return workspace


def _writable(request: Request) -> Workspace:
    if request.app.state.settings.is_read_only:
        raise ReadOnlyError(
            "This server is read-only: nothing can be saved. Export what you have, or start your "
            "own with: fmi serve"
        )
    return _workspace(request)


WorkspaceOfApp = Annotated[Workspace, Depends(_workspace)]
WritableWorkspace = Annotated[Workspace, Depends(_writable)]
ItemInPath = Annotated[
    str, Path(pattern="^[0-9a-f]{32}$", description="Id of the item.", examples=["0" * 32])
]
VersionInQuery = Annotated[
    int, Query(ge=1, le=(1 << 53) - 1, description="Version that is meant.", examples=[1])
]


@router.get(
    "/api/workspace",
    summary="Saved work of an experiment",
    responses=fault_examples(401, 404, 409, 422),
)
def saved_items(
    opened: ChosenExperiment,
    workspace: WorkspaceOfApp,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items, at most.")] = MAX_PAGE,
    offset: Annotated[int, Query(ge=0, le=1 << 31, description="Items left out before.")] = 0,
) -> ItemList:
    """List named clusters, notes and labels, the oldest first."""
    identity = identity_of(opened.experiment.paths)
    items = workspace.items(opened.experiment.id, limit=limit, offset=offset)
    return ItemList(
        experiment_id=opened.experiment.id,
        n_items=workspace.count(opened.experiment.id),
        items=[_body(item, identity) for item in items],
    )


@router.post(
    "/api/workspace",
    summary="Save a cluster, a note or a label",
    responses=fault_examples(401, 403, 404, 409, 413, 422),
)
def save_item(asked: NewItem, library: LibraryOfApp, workspace: WritableWorkspace) -> ItemBody:
    """Save a new item, and return it with its id and version."""
    opened = library.open(asked.experiment_id)
    content, identity = _content(asked, opened), identity_of(opened.experiment.paths)
    return _body(workspace.create(identity, content), identity)


@router.get(
    "/api/workspace/export",
    summary="Saved work of an experiment, to keep in a file",
    responses=fault_examples(401, 404, 409, 422),
)
def export_items(opened: ChosenExperiment, workspace: WorkspaceOfApp) -> Export:
    """Send all items, and the experiment, SAE and index that each was made in."""
    identity = identity_of(opened.experiment.paths)
    items = workspace.items(opened.experiment.id)
    return Export(
        format="fmi-workspace",
        format_version=1,
        identity=_identity_body(identity),
        items=[PortableItem(**_values(item)) for item in items],
    )


@router.post(
    "/api/workspace/import",
    summary="Load exported work into an experiment",
    responses=fault_examples(401, 403, 404, 409, 413, 422),
)
def import_items(
    asked: Import, library: LibraryOfApp, workspace: WritableWorkspace
) -> ImportAnswer:
    """Load all items or none; those that are here already, the same, are left as they are.

    Work that was made in another experiment, or with another SAE or index under the same name, is
    refused with 409 unless ``force`` is given, and then stays marked.
    """
    opened = library.open(asked.experiment_id)
    identity = identity_of(opened.experiment.paths)
    work = asked.work
    exported_in = Identity(**work.identity.model_dump())
    items = [_item(item, opened) for item in work.items]
    done = workspace.take_in(identity, items, exported_in=exported_in, force=asked.force)
    return ImportAnswer(
        experiment_id=opened.experiment.id, n_added=done.added, n_unchanged=done.unchanged
    )


@router.get(
    "/api/workspace/{item_id}",
    summary="One saved item",
    responses=fault_examples(401, 404, 409, 422),
)
def saved_item(
    item_id: ItemInPath, opened: ChosenExperiment, workspace: WorkspaceOfApp
) -> ItemBody:
    """Send the item as it is now."""
    item = workspace.item(opened.experiment.id, item_id)
    return _body(item, identity_of(opened.experiment.paths))


@router.put(
    "/api/workspace/{item_id}",
    summary="Change a saved item",
    responses=fault_examples(401, 403, 404, 409, 413, 422),
)
def change_item(
    item_id: ItemInPath, asked: ChangedItem, library: LibraryOfApp, workspace: WritableWorkspace
) -> ItemBody:
    """Replace the content; if the item has changed since ``version``, change nothing: 409."""
    opened = library.open(asked.experiment_id)
    content = _content(asked, opened)
    item = workspace.update(opened.experiment.id, item_id, content, version=asked.version)
    return _body(item, identity_of(opened.experiment.paths))


@router.delete(
    "/api/workspace/{item_id}",
    summary="Delete a saved item",
    responses=fault_examples(401, 403, 404, 409, 422),
)
def delete_item(
    item_id: ItemInPath,
    opened: ChosenExperiment,
    workspace: WritableWorkspace,
    version: VersionInQuery,
) -> ItemBody:
    """Delete the item and return what it was; if it has changed since ``version``: 409."""
    item = workspace.delete(opened.experiment.id, item_id, version=version)
    return _body(item, identity_of(opened.experiment.paths))


def _content(body: ContentBody, opened: OpenExperiment) -> Content:
    n_latents = opened.experiment.by_latent.n_latents
    if body.latents and max(body.latents) >= n_latents:
        raise InputError(
            f"latents: there is no latent {max(body.latents)}; ids run from 0 to {n_latents - 1}."
        )
    return Content(body.kind, body.name, body.text, tuple(body.latents))


def _item(body: PortableItem, opened: OpenExperiment) -> SavedItem:
    return SavedItem(
        body.id,
        _content(body, opened),
        Identity(**body.made_in.model_dump()),
        body.version,
        body.created_at,
        body.updated_at,
    )


def _values(item: SavedItem) -> dict[str, Any]:
    content = item.content
    return {
        "id": item.id,
        "kind": content.kind,
        "name": content.name,
        "text": content.text,
        "latents": list(content.latents),
        "made_in": _identity_body(item.made_in),
        "version": item.version,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def _identity_body(identity: Identity) -> IdentityBody:
    return IdentityBody(**asdict(identity))


def _body(item: SavedItem, identity: Identity) -> ItemBody:
    return ItemBody(**_values(item), is_from_elsewhere=item.made_in != identity)
