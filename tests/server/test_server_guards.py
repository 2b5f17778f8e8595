from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.server.clients import make_client

from feature_manifold.core.errors import ConfigError
from feature_manifold.server.guards import SECURITY_HEADERS
from feature_manifold.server.settings import ServerSettings

ROUTES = [
    *("/api/health", "/api/server", "/api/experiments", "/api/graph", "/api/latent/0"),
    *("/api/workspace", "/api/openapi.json", "/api/cluster/pca"),
    *("/", "/umap.html", "/favicon.svg", "/assets/index-BQ2x9fKe.js", "/nothing"),
]
TOKEN = "correct-horse"


def on_lan(web_app: Path, **options: object) -> TestClient:
    settings = ServerSettings(
        web_app.parent / "data", host="0.0.0.0", token=TOKEN, static_folder=web_app, **options
    )
    return make_client(settings, base_url="http://192.0.2.7:8000")


BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example:8000",
        "127.0.0.1.evil.example",
        "192.0.2.7:8000",
        "localhost@evil.example",
        "localhost:8000:8000",
        "[::1].evil",
        "[::1",
        "",
    ],
)
def test_a_foreign_host_is_refused_on_every_route(client: TestClient, host: str) -> None:
    for route in ROUTES:
        answer = client.get(route, headers={"Host": host})
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "ForeignHost"


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:9999", "LOCALHOST:8000", "127.0.0.1:1", "127.0.0.2", "[::1]:8000"],
)
def test_loopback_names_are_answered_on_any_port(client: TestClient, host: str) -> None:
    assert client.get("/api/experiments", headers={"Host": host}).status_code == 200


def test_two_host_headers_are_refused(client: TestClient) -> None:
    headers = [("Host", "localhost"), ("Host", "evil.example")]
    assert client.get("/api/experiments", headers=headers).status_code == 400


def test_allowed_hosts_are_answered(data_root: Path, web_app: Path) -> None:
    settings = ServerSettings(
        data_root, static_folder=web_app, allowed_hosts=("Box.lan", "other.lan:81")
    )
    client = make_client(settings)
    for host, status in {"box.lan:7": 200, "other.lan:81": 200, "other.lan:82": 400}.items():
        assert client.get("/api/experiments", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("192.0.2.7:8000", 200),
        ("[2001:db8::7]:8000", 200),
        ("localhost:1234", 200),
        ("192.0.2.7:8001", 400),
        ("192.0.2.7", 400),
        ("evil.example:8000", 400),
    ],
)
def test_beyond_loopback_addresses_are_answered_on_the_own_port(
    web_app: Path, host: str, status: int
) -> None:
    answer = on_lan(web_app).get("/api/experiments", headers={**BEARER, "Host": host})
    assert answer.status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Origin": "file://localhost:8000"},
        {"Origin": "http://[::1"},
        {"Origin": "http://evil.example", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_pages_of_other_origins_are_refused_on_every_route(
    client: TestClient, headers: dict[str, str]
) -> None:
    for route in ROUTES:
        answer = client.get(route, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["type"] == "ForeignOrigin"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost:8000", "Origin": "http://localhost:8000"},
        {"Host": "localhost:7777", "Origin": "http://localhost:7777"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_own_pages_and_followed_links_are_answered(
    client: TestClient, headers: dict[str, str]
) -> None:
    assert client.get("/api/experiments", headers=headers).status_code == 200


@pytest.mark.parametrize("route", [*ROUTES, "/api/edges?limit=0", "/assets/index-BQ2x9fKe.js"])
def test_every_answer_has_the_security_headers(client: TestClient, route: str) -> None:
    for headers in ({}, {"Host": "evil.example"}, {"Origin": "null"}):
        answer = client.get(route, headers=headers)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value


def test_an_unexpected_error_gives_no_trace_and_keeps_the_headers(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("feature_manifold.server.graph._positions", fail)
    answer = client.get("/api/graph")
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "InternalServerError"
    assert "secret" not in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written(client: TestClient, method: str) -> None:
    for route in ("/api/graph", "/", "/index.html"):
        answer = client.request(method, route)
        assert answer.status_code == 405
        assert answer.json()["error"]["type"] == "MethodNotAllowed"


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Origin": "http://evil.example"}, "ForeignOrigin"),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, "ForeignOrigin"),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, "ForeignOrigin"),
        ({"Host": "evil.example"}, "ForeignHost"),
    ],
)
def test_pages_of_other_sites_can_neither_ask_nor_save(
    client: TestClient, headers: dict[str, str], kind: str
) -> None:
    note = {"kind": "note", "name": "x", "latents": []}
    for method, route in (
        ("POST", "/api/workspace"),
        ("POST", "/api/workspace/import"),
        ("POST", "/api/cluster/cloud"),
        ("PUT", f"/api/workspace/{'0' * 32}"),
        ("DELETE", f"/api/workspace/{'0' * 32}?version=1"),
    ):
        answer = client.request(method, route, json=note, headers=headers)
        assert answer.status_code == {"ForeignOrigin": 403, "ForeignHost": 400}[kind]
        assert answer.json()["error"]["type"] == kind
    assert client.get("/api/workspace").json()["n_items"] == 0


def test_no_other_site_is_let_in_by_cors(client: TestClient) -> None:
    headers = {"Origin": "http://localhost:8000", "Access-Control-Request-Method": "GET"}
    answer = client.options("/api/graph", headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("route", ROUTES)
def test_without_the_token_every_route_is_closed(web_app: Path, route: str) -> None:
    client = on_lan(web_app)
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": "fmi-000000000000=correct-horse"},
        {"Cookie": "a\x01=;;;="},
    ):
        answer = client.get(route, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "Unauthorized"
    assert client.get(f"{route}?token=wrong").status_code == 401


def test_the_bearer_token_opens_every_route(web_app: Path) -> None:
    client = on_lan(web_app)
    assert client.get("/", headers=BEARER).status_code == 200
    assert client.get("/api/experiments", headers=BEARER).status_code == 200


def test_the_token_in_the_address_turns_into_a_strict_cookie(web_app: Path) -> None:
    client = on_lan(web_app)
    address = f"/umap.html?latent=7&token={TOKEN}&q=a%20b"
    answer = client.get(address, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/umap.html?latent=7&q=a+b"
    assert answer.headers["cache-control"] == "no-store"
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "strict"
    assert client.get("/api/experiments").status_code == 200


def test_signing_in_never_leads_to_another_site(web_app: Path) -> None:
    for path in ("//evil.example/", "/\\evil.example/"):
        answer = on_lan(web_app).get(
            f"http://192.0.2.7:8000{path}?token={TOKEN}", follow_redirects=False
        )
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/evil.example")


def test_the_token_is_taken_from_the_address_of_pages_only_by_get(web_app: Path) -> None:
    answer = on_lan(web_app).post(f"/api/graph?token={TOKEN}")
    assert answer.status_code == 401


def test_a_browser_without_the_token_sees_a_page_that_explains(web_app: Path) -> None:
    answer = on_lan(web_app).get("/", headers={"Sec-Fetch-Mode": "navigate"})
    assert answer.status_code == 401
    assert "?token=" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_loopback_needs_no_token_and_other_hosts_always_have_one() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert ServerSettings(Path("data"), host=host).token is None
    for host in ("0.0.0.0", "::", "192.0.2.7", "box.lan"):
        made = ServerSettings(Path("data"), host=host).token
        assert made is not None
        assert len(made) >= 32
        assert made != ServerSettings(Path("data"), host=host).token
    assert ServerSettings(Path("data"), token="mine").token == "mine"


@pytest.mark.parametrize(
    "options", [{"port": -1}, {"port": 65_536}, {"host": ""}, {"token": "ä"}, {"token": "a\n"}]
)
def test_bad_settings_are_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match="--"):
        ServerSettings(Path("data"), **options)
