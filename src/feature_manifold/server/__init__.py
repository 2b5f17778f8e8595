"""The HTTP API and the web app: ``build_app(settings)``, ``run_server(settings, ...)``."""

from feature_manifold.server.app import build_app
from feature_manifold.server.openapi import openapi_document
from feature_manifold.server.run import run_server
from feature_manifold.server.settings import ServerSettings

__all__ = ["ServerSettings", "build_app", "openapi_document", "run_server"]
