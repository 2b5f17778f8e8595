"""A server in a process of its own, and clients that ask it over sockets."""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HEALTH_SECONDS = 0.02

SERVE = """
import sys
from pathlib import Path
from feature_manifold.server import app as module
from feature_manifold.server.clouds import Clouds
from feature_manifold.server.run import run_server
from feature_manifold.server.settings import ServerSettings
module.Clouds = lambda: Clouds(int(sys.argv[2]))
settings = ServerSettings(Path(sys.argv[1]), port=0)
run_server(settings, announce=lambda line: sys.stdout.write(line + "\\n") and sys.stdout.flush())
"""


@contextmanager
def serving(root: Path, *, cache_bytes: int) -> Iterator[int]:
    """Run a server and yield its port."""
    command = [sys.executable, "-c", SERVE, str(root), str(cache_bytes)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().split("/?")[0].rstrip("/\n").rpartition(":")[2])
    finally:
        process.terminate()
        process.communicate(timeout=30)


class Connection:
    """One client, and how long its requests took.

    Attributes
    ----------
    taken
        Milliseconds of each request.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.taken: list[float] = []

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, method: str, route: str, question: Any = None, **headers: str) -> bytes:
        """Send a request and return the body of the answer, which must be 200."""
        body = None if question is None else json.dumps(question)
        begin = time.perf_counter()
        headers = {"Content-Type": "application/json", **headers}
        self._connection.request(method, route, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        self.taken.append(1e3 * (time.perf_counter() - begin))
        if answer.status != 200:
            raise RuntimeError(f"{route}: {answer.status} {content[:300]!r}")
        return content


@contextmanager
def watching(port: int) -> Iterator[list[float]]:
    """Ask for health all the time; yield the milliseconds of each request."""
    done = threading.Event()
    with Connection(port) as client:

        def watch() -> None:
            while not done.wait(HEALTH_SECONDS):
                client.ask("GET", "/api/health")

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield client.taken
        finally:
            done.set()
            thread.join()


def together(n: int, work: Callable[[int], Any]) -> list[Any]:
    """Do the work of ``n`` clients at the same time."""
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(work, range(n)))
