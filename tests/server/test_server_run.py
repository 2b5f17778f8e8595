import asyncio
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI, Request

from feature_manifold.core.errors import ServerError
from feature_manifold.server.faults import add_fault_handlers
from feature_manifold.server.run import EndingServer, address, run_server
from feature_manifold.server.settings import ServerSettings
from feature_manifold.server.work import Job, WorkPool

SERVE = """
import sys
from pathlib import Path
from feature_manifold.server.run import run_server
from feature_manifold.server.settings import ServerSettings
settings = ServerSettings(Path(sys.argv[1]), port=0, static_folder=Path(sys.argv[2]))
run_server(settings, announce=lambda line: sys.stdout.write(line + "\\n") and sys.stdout.flush())
"""


@contextmanager
def serving(data_root: Path, web_app: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    command = [sys.executable, "-c", SERVE, str(data_root), str(web_app)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_the_announced_address_answers_and_ctrl_c_ends_cleanly(
    data_root: Path, web_app: Path
) -> None:
    with serving(data_root, web_app) as (process, announced):
        with urllib.request.urlopen(f"{announced}api/experiments", timeout=10) as answer:
            assert len(json.load(answer)["experiments"]) == 1
            assert "server" not in answer.headers
        foreign = urllib.request.Request(announced, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(foreign, timeout=10)
        refused.value.close()
        assert refused.value.code == 400
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")


def test_a_server_that_is_told_to_end_does_not_wait_for_heavy_work() -> None:
    app, pool, begun = FastAPI(), WorkPool(running=1, waiting=0), threading.Event()
    add_fault_handlers(app, data_root=Path("data"), last_headers={})

    def endless(job: Job) -> None:
        begun.set()
        while True:
            job.check()
            time.sleep(0.01)

    @app.get("/")
    async def endless_answer(request: Request) -> None:
        await pool.run(request, endless)

    statuses: list[int] = []

    def ask(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/")
        statuses.append(connection.getresponse().status)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, lifespan="off")
        server = EndingServer(config, (pool,))
        ends = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        asks = threading.Thread(target=ask, args=(listener.getsockname()[1],), daemon=True)
        ends.start()
        asks.start()
        assert begun.wait(10)
        server.should_exit = True
        for thread in (ends, asks):
            thread.join(10)
            assert not thread.is_alive()
    assert statuses == [503]


def test_short_answers_do_not_wait_for_the_client(data_root: Path, web_app: Path) -> None:
    with serving(data_root, web_app) as (_, announced):
        port = int(announced.rstrip("/").rpartition(":")[2])
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        taken = []
        for _ in range(20):
            begin = time.perf_counter()
            client.request("GET", "/api/health")
            assert client.getresponse().read() == b'{"status":"ok"}'
            taken.append(time.perf_counter() - begin)
        client.close()
    # Where the kernel holds the end of an answer back, each of them takes 40 ms.
    assert min(taken[1:]) < 0.03


def ask_raw(announced: str, request_line: str) -> str:
    """Send a request line that no client library would, and return the status line."""
    port = int(announced.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = f"{request_line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode("latin-1"))
        return connection.makefile("rb").readline().decode()


def test_raw_requests_reach_no_other_file(data_root: Path, web_app: Path) -> None:
    lines = [
        "GET /../secret.txt",
        "GET /assets/../../secret.txt",
        "GET /%2e%2e/secret.txt",
        "GET /..%2f..%2f..%2f..%2fetc/passwd",
        "GET //etc/passwd",
        "GET /%00",
        "GET /.secret",
        "GET http://evil.example/../secret.txt",
    ]
    with serving(data_root, web_app) as (_, announced):
        for line in lines:
            assert ask_raw(announced, line).split()[1] == "404", line
        assert ask_raw(announced, "GET /umap.html").split()[1] == "200"


def test_a_taken_port_is_one_clear_error(tmp_path: Path) -> None:
    announced: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=rf"Port {port} .* taken.*--port"):
            run_server(ServerSettings(tmp_path, port=port), announce=announced.append)
    assert announced == []


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 64, "a..b"])
def test_a_host_that_is_not_ours_is_one_clear_error(tmp_path: Path, host: str) -> None:
    settings = ServerSettings(tmp_path, host=host, token="x")
    with pytest.raises(ServerError, match=rf"{re.escape(host)}.*--host"):
        run_server(settings, announce=lambda line: None)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("::1", "http://[::1]:8000/"),
        ("box.lan", "http://box.lan:8000/?token=a%2Bb"),
        ("0.0.0.0", f"http://{socket.gethostname()}:8000/?token=a%2Bb"),
    ],
)
def test_the_address_is_one_to_open(tmp_path: Path, host: str, expected: str) -> None:
    token = "a+b" if "token" in expected else None
    assert address(ServerSettings(tmp_path, host=host, token=token)) == expected
