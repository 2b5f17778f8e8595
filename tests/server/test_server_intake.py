"""Bodies within bounds, and messages without paths."""

import asyncio
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from tests.server.planted import EXPERIMENT_ID, Planted, write_experiment

from feature_manifold.server.faults import MAX_MESSAGE, without_root
from feature_manifold.server.intake import MAX_BODY_BYTES, BodyBounds
from feature_manifold.store.layout import DataRoot

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("route", ["/api/cluster/pca", "/api/graph", "/", "/index.html"])
def test_a_body_that_is_too_long_is_refused_on_every_route(client: TestClient, route: str) -> None:
    answer = client.post(route, content=b" " * (MAX_BODY_BYTES + 1), headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "BodyTooLong"
    parts = (b" " * (1 << 20) for _ in range(3))
    assert client.post(route, content=parts, headers=JSON).status_code == 413


def test_a_body_of_another_type_is_no_question(client: TestClient) -> None:
    for headers in ({"Content-Type": "text/plain"}, {}):
        answer = client.post("/api/cluster/pca", content=b'{"latents": [0]}', headers=headers)
        assert answer.status_code == 422


def test_a_body_that_comes_too_slowly_is_refused() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(10)
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-length", b"5")]}
    app = BodyBounds(PlainTextResponse("reached"), max_seconds=0.02)
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408


def test_the_whole_body_reaches_the_route_and_then_its_end() -> None:
    parts = [{"body": b"ab", "more_body": True}, {"body": b"c", "more_body": False}]
    messages = [{"type": "http.request", **part} for part in parts]
    messages.append({"type": "http.disconnect"})
    seen: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive()])

    scope = {"type": "http", "headers": [(b"transfer-encoding", b"chunked")]}
    asyncio.run(BodyBounds(app)(scope, receive, None))
    assert seen[0]["body"] == b"abc"
    assert seen[1]["type"] == "http.disconnect"


def test_messages_place_no_folder(
    client: TestClient, data_root: Path, planted: Planted, tmp_path: Path
) -> None:
    write_experiment(data_root, planted, "zoo_layer1_1k_small")
    root = DataRoot(data_root)
    root.experiment("zoo_layer1_1k_small").metadata.write_text("{")
    paths = root.experiment(EXPERIMENT_ID)
    np_file = paths.graph / "positions.npy"
    np_file.write_bytes(np_file.read_bytes()[:-4])
    (paths.corpus / "vocabulary.json").write_text("{")
    (paths.clusters / "measures.json").unlink()
    answers = [
        client.get("/api/experiments"),
        client.get("/api/graph"),
        client.get("/api/latents"),
        client.get("/api/clusters"),
        client.get("/api/latents?experiment_id=nobody"),
    ]
    assert [answer.status_code for answer in answers] == [200, 409, 409, 404, 404]
    for answer in answers:
        assert str(tmp_path) not in answer.text
    assert "DATA_ROOT/experiments" in answers[1].text


def test_a_root_that_is_part_of_a_word_is_left_alone() -> None:
    assert without_root("/data/x and /database", Path("/data")) == "DATA_ROOT/x and /database"
    assert without_root("the data in data/x", Path("data")) == "the data in data/x"
    absolute = f"no {Path('data').absolute()}/x"
    assert without_root(absolute, Path("data")) == "no DATA_ROOT/x"
    assert without_root("../my/data/x", Path("../my/data")) == "DATA_ROOT/x"


def test_messages_are_short(client: TestClient) -> None:
    answer = client.get("/api/latents", params={"experiment_id": "x" * 299})
    assert answer.status_code == 404
    many = {"latents": [-1] * 200, "max_points": -1}
    message = client.post("/api/cluster/pca", json=many).json()["error"]["message"]
    assert len(message) <= MAX_MESSAGE
