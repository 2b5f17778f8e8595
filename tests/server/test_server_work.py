"""Heavy work: bounded, given up when nobody waits, and never in the way of the rest."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import Request
from starlette.types import Message

from feature_manifold.server.cache import Abandoned, BoundedCache
from feature_manifold.server.faults import BusyError, TimeLimitError
from feature_manifold.server.work import Job, WorkPool


class Client:
    """A client that waits until told to leave."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        self.request = Request(scope, self._receive)

    async def _receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def endless(job: Job, begun: threading.Event, ended: threading.Event) -> None:
    begun.set()
    try:
        while True:
            job.check()
            time.sleep(0.005)
    finally:
        ended.set()


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), timeout=20))


def test_work_runs_off_the_event_loop_and_its_errors_come_back() -> None:
    pool = WorkPool(running=1, waiting=1)

    async def main() -> None:
        client = Client()
        assert await pool.run(client.request, lambda _: threading.current_thread()) is not (
            threading.current_thread()
        )
        with pytest.raises(ZeroDivisionError):
            await pool.run(client.request, lambda _: 1 / 0)

    run(main)
    assert pool.n_jobs == 0


def test_work_whose_client_leaves_is_given_up_and_makes_room() -> None:
    pool = WorkPool(running=1, waiting=1)
    begun, ended = threading.Event(), threading.Event()

    async def main() -> None:
        client = Client()
        task = asyncio.ensure_future(
            pool.run(client.request, lambda job: endless(job, begun, ended))
        )
        await asyncio.to_thread(begun.wait, 10)
        client.left.set()
        with pytest.raises(TimeLimitError):
            await task
        assert await asyncio.to_thread(ended.wait, 10)
        assert await pool.run(Client().request, lambda _: 5) == 5

    run(main)
    wait_for(lambda: pool.n_jobs == 0)


def test_work_that_takes_too_long_is_given_up() -> None:
    pool = WorkPool(running=1, waiting=0, seconds=0.05)
    begun, ended = threading.Event(), threading.Event()

    async def main() -> None:
        with pytest.raises(TimeLimitError, match="0.05 seconds"):
            await pool.run(Client().request, lambda job: endless(job, begun, ended))

    run(main)
    assert ended.wait(10)


def test_waiting_work_whose_client_leaves_never_begins() -> None:
    pool = WorkPool(running=1, waiting=1)
    begun, ended, never = threading.Event(), threading.Event(), threading.Event()

    async def main() -> None:
        first, second = Client(), Client()
        running = asyncio.ensure_future(
            pool.run(first.request, lambda job: endless(job, begun, ended))
        )
        await asyncio.to_thread(begun.wait, 10)
        waiting = asyncio.ensure_future(pool.run(second.request, lambda _: never.set()))
        await asyncio.sleep(0.02)
        second.left.set()
        with pytest.raises(TimeLimitError):
            await waiting
        first.left.set()
        with pytest.raises(TimeLimitError):
            await running

    run(main)
    wait_for(lambda: pool.n_jobs == 0)
    assert not never.is_set()


def test_a_full_queue_refuses_at_once() -> None:
    pool = WorkPool(running=1, waiting=1)
    begun, ended = threading.Event(), threading.Event()

    async def main() -> None:
        clients = [Client(), Client()]
        tasks = [
            asyncio.ensure_future(pool.run(client.request, lambda job: endless(job, begun, ended)))
            for client in clients
        ]
        await asyncio.sleep(0.02)
        with pytest.raises(BusyError, match="2 requests"):
            await pool.run(Client().request, lambda _: None)
        for client in clients:
            client.left.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main)


def test_closing_ends_what_runs_and_what_waits_and_takes_no_more() -> None:
    pool = WorkPool(running=1, waiting=1)
    begun, ended = threading.Event(), threading.Event()

    async def main() -> None:
        tasks = [
            asyncio.ensure_future(
                pool.run(Client().request, lambda job: endless(job, begun, ended))
            )
            for _ in range(2)
        ]
        await asyncio.to_thread(begun.wait, 10)
        pool.close()
        for task in tasks:
            with pytest.raises(TimeLimitError):
                await task
        with pytest.raises(BusyError):
            await pool.run(Client().request, lambda _: None)

    run(main)
    assert ended.wait(10)


def test_closing_tells_those_who_wait_for_work_that_does_not_look_up() -> None:
    pool = WorkPool(running=1, waiting=0)
    begun, free = threading.Event(), threading.Event()

    async def main() -> None:
        task = asyncio.ensure_future(
            pool.run(Client().request, lambda _: begun.set() or free.wait(10))
        )
        await asyncio.to_thread(begun.wait, 10)
        pool.close()
        with pytest.raises(TimeLimitError):
            await task
        assert not free.is_set()

    try:
        run(main)
    finally:
        free.set()
    wait_for(lambda: pool.n_jobs == 0)


def test_a_value_that_one_gives_up_is_made_by_the_next_who_waits() -> None:
    cache: BoundedCache[str, int] = BoundedCache(10)
    asked = threading.Event()
    found: list[int] = []

    def give_up() -> int:
        waiter.start()
        assert asked.wait(10)
        raise Abandoned

    def wait() -> None:
        asked.set()
        found.append(cache.get("key", lambda: 7))

    waiter = threading.Thread(target=wait)
    with pytest.raises(Abandoned):
        cache.get("key", give_up)
    waiter.join(10)
    assert found == [7]


def test_a_cache_bounded_by_size_keeps_what_fits() -> None:
    cache: BoundedCache[str, bytes] = BoundedCache(10, size=len)
    for key, length in (("a", 4), ("b", 4), ("c", 4)):
        cache.get(key, lambda length=length: bytes(length))
    assert [key for key, _ in cache.kept()] == ["c", "b"]
    assert cache.total == 8
    assert len(cache.get("large", lambda: bytes(11))) == 11
    assert cache.total == 8
    cache.get("empty", lambda: b"")
    assert cache.total == 9
