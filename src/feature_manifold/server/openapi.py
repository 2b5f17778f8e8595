"""The OpenAPI document, from which the web app's types are generated."""

from pathlib import Path
from typing import Any

from feature_manifold.server.app import build_app
from feature_manifold.server.settings import ServerSettings


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document: the same for the same code, on every machine."""
    return build_app(ServerSettings(data_root=Path("data"))).openapi()
