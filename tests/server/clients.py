"""Clients that call the application in this process."""

from fastapi.testclient import TestClient

from feature_manifold.server import ServerSettings, build_app


def make_client(settings: ServerSettings, *, base_url: str = "http://localhost:8000") -> TestClient:
    return TestClient(build_app(settings), base_url=base_url, raise_server_exceptions=False)
