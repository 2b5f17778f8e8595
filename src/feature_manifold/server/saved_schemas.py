"""What the routes of saved work take and send."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from feature_manifold.server.schemas import EXPERIMENT, Asked, Body, Count, LatentId

MAX_NAME = 200
MAX_TEXT = 20_000
MAX_LATENTS = 4096
MAX_IMPORTED = 10_000
MAX_VERSION = (1 << 53) - 1

_CONTENT: dict[str, Any] = {
    "kind": "cluster",
    "name": "weekdays",
    "text": "Saturday is the gap.",
    "latents": [0, 1],
}
_IDENTITY: dict[str, Any] = {
    "experiment_id": EXPERIMENT,
    "decoder": "5e1f…",
    "index": "90ab…",
}
_ITEM: dict[str, Any] = {
    **_CONTENT,
    "id": "0123456789abcdef0123456789abcdef",
    "version": 1,
    "made_in": _IDENTITY,
    "created_at": "2026-01-02T03:04:05.678+00:00",
    "updated_at": "2026-01-02T03:04:05.678+00:00",
}

ItemId = Annotated[
    str, Field(pattern="^[0-9a-f]{32}$", description="Id of the item.", examples=[_ITEM["id"]])
]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION, description="1, and one more per change.")]
Time = Annotated[
    str,
    Field(max_length=40, description="UTC, ISO 8601.", examples=["2026-01-02T03:04:05.678+00:00"]),
]


class ContentBody(Body):
    """What a person writes."""

    kind: Literal["cluster", "note", "label"] = Field(
        description="A named cluster, a note on latents, or the label of latents."
    )
    name: str = Field(
        min_length=1, max_length=MAX_NAME, description="Title, or the label.", examples=["weekdays"]
    )
    text: str = Field("", max_length=MAX_TEXT, description="Anything longer.")
    latents: list[LatentId] = Field(
        max_length=MAX_LATENTS, description="Latent ids, in any order.", examples=[[17, 4, 230]]
    )


class NewItem(ContentBody, Asked):
    """An item to save."""

    model_config = ConfigDict(json_schema_extra={"example": _CONTENT})


class ChangedItem(NewItem):
    """New content of an item, all of it."""

    model_config = ConfigDict(json_schema_extra={"example": {**_CONTENT, "version": 1}})

    # The item's version becomes one more, and must stay one that can be sent.
    version: Version = Field(lt=MAX_VERSION, description="Version that the change was made to.")


class IdentityBody(Body):
    """The experiment, and state of it, that an item was first written in."""

    model_config = ConfigDict(strict=True)

    experiment_id: str = Field(max_length=300, description="Name of the experiment.")
    decoder: str = Field(max_length=64, description="Fingerprint of the decoder: which SAE it is.")
    index: str = Field(max_length=64, description="Digest of the index: which firings.")


class PortableItem(ContentBody):
    """An item as it is exported."""

    model_config = ConfigDict(strict=True, json_schema_extra={"example": _ITEM})

    id: ItemId
    version: Version
    made_in: IdentityBody = Field(description="Where it was first written.")
    created_at: Time
    updated_at: Time


class ItemBody(PortableItem):
    """A saved item."""

    model_config = ConfigDict(json_schema_extra={"example": {**_ITEM, "is_from_elsewhere": False}})

    is_from_elsewhere: bool = Field(
        description="Whether it was made in another experiment, or with another SAE or index: its "
        "latents may mean something else here."
    )


class ItemList(Body):
    """Saved items of an experiment, the oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "experiment_id": EXPERIMENT,
                "n_items": 1,
                "items": [{**_ITEM, "is_from_elsewhere": False}],
            }
        }
    )

    experiment_id: str = Field(description="The experiment.")
    n_items: Count = Field(description="Items there are; more than are listed if cut.")
    items: list[ItemBody] = Field(description="Items.")


class Export(Body):
    """Saved work of an experiment, to keep in a file and load elsewhere."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "example": {
                "format": "fmi-workspace",
                "format_version": 1,
                "identity": _IDENTITY,
                "items": [],
            }
        },
    )

    format: Literal["fmi-workspace"] = Field(description="Names the format.")
    format_version: Literal[1] = Field(description="Version of the format.")
    identity: IdentityBody = Field(description="The experiment as it was when exported.")
    items: list[PortableItem] = Field(max_length=MAX_IMPORTED, description="Items.")


class Import(Asked):
    """Exported work to load into an experiment."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "work": {
                    "format": "fmi-workspace",
                    "format_version": 1,
                    "identity": _IDENTITY,
                    "items": [],
                },
                "force": True,
            }
        }
    )

    work: Export = Field(description="What was exported, unchanged.")
    force: bool = Field(
        False,
        description="Load work of another experiment, or of another SAE or index under the same "
        "name. It stays marked as from elsewhere.",
    )


class ImportAnswer(Body):
    """What came in."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"experiment_id": EXPERIMENT, "n_added": 3, "n_unchanged": 1}}
    )

    experiment_id: str = Field(description="The experiment.")
    n_added: Count = Field(description="Items added.")
    n_unchanged: Count = Field(description="Items that were here already, the same.")
