"""Clients that call the application in this process."""

from fastapi.testclient import TestClient

from feature_manifold.server.app import build_app
from feature_manifold.server.settings import ServerSettings


def make_client(settings: ServerSettings, *, base_url: str = "http://localhost:8000") -> TestClient:
    return TestClient(build_app(settings), base_url=base_url, raise_server_exceptions=False)
