"""Heavy work: off the event loop, so many pieces at a time, given up when nobody waits for it.

Numpy and numba cannot be interrupted. A piece of work is therefore cut into steps and asks
between them, by ``Job.check``, whether it should go on. Its thread stays taken until it does.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from feature_manifold.server.cache import Abandoned
from feature_manifold.server.faults import RETRY_SECONDS, BusyError, TimeLimitError

MAX_RUNNING = min(4, max(2, os.cpu_count() or 2))
MAX_WAITING = 64
MAX_SECONDS = 60.0
MAX_SLOW_RUNNING = 1
MAX_SLOW_WAITING = 8
MAX_SLOW_SECONDS = 300.0

ResultT = TypeVar("ResultT")


class Job:
    """One piece of work, as it sees itself.

    Parameters
    ----------
    seconds
        Time after which it should stop, counted from now.
    """

    def __init__(self, seconds: float) -> None:
        self._stopped = threading.Event()
        self._end = time.monotonic() + seconds

    def stop(self) -> None:
        """Ask the work to end."""
        self._stopped.set()

    def check(self) -> None:
        """Go on only if somebody waits for the result.

        Raises
        ------
        Abandoned
            If the client left or the time is over.
        """
        if self._stopped.is_set() or time.monotonic() > self._end:
            raise Abandoned


class WorkPool:
    """Threads for heavy work, with a bounded queue.

    Parameters
    ----------
    running, waiting
        Pieces of work at a time, and further ones that may wait.
    seconds
        Time that one may take, waiting included.
    """

    def __init__(
        self,
        *,
        running: int = MAX_RUNNING,
        waiting: int = MAX_WAITING,
        seconds: float = MAX_SECONDS,
    ) -> None:
        self.capacity = running + waiting
        self.seconds = seconds
        self._threads = ThreadPoolExecutor(running, thread_name_prefix="fmi-work")
        self._lock = threading.Lock()
        self._jobs: dict[Job, None] = {}
        self._results: set[asyncio.Future[Any]] = set()
        self._is_closed = False

    @property
    def n_jobs(self) -> int:
        """Pieces of work that run or wait."""
        return len(self._jobs)

    def close(self) -> None:
        """Ask all work to end, as the process is about to, and take no more.

        Called from the event loop; whoever waits is told at once.
        """
        with self._lock:
            self._is_closed = True
            jobs = list(self._jobs)
        for job in jobs:
            job.stop()
        for result in list(self._results):
            result.cancel()
        self._threads.shutdown(wait=False)

    async def run(self, request: Request, work: Callable[[Job], ResultT]) -> ResultT:
        """Run ``work`` in a thread and wait for it.

        Raises
        ------
        BusyError
            At once, if the queue is full or the server is about to end.
        TimeLimitError
            If the time is over, or the client left.
        """
        job = Job(self.seconds)
        future = self._begun(job, work)
        result = asyncio.wrap_future(future)
        self._results.add(result)
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait(
                (result, gone), timeout=self.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if result.cancelled() or not result.done():
                raise TimeLimitError(self._late())
            return result.result()
        except Abandoned:
            raise TimeLimitError(self._late()) from None
        finally:
            self._results.discard(result)
            gone.cancel()
            if not result.done():
                job.stop()
                result.cancel()

    def _begun(self, job: Job, work: Callable[[Job], ResultT]) -> Future[ResultT]:
        def in_thread() -> ResultT:
            job.check()
            return work(job)

        with self._lock:
            if self._is_closed:
                raise BusyError("The server is about to end.")
            if len(self._jobs) >= self.capacity:
                raise BusyError(
                    f"The server has {len(self._jobs)} requests of heavy work. "
                    f"Try again in {RETRY_SECONDS} second."
                )
            future = self._threads.submit(in_thread)
            self._jobs[job] = None
        future.add_done_callback(lambda _: self._ended(job))
        return future

    def _ended(self, job: Job) -> None:
        with self._lock:
            del self._jobs[job]

    def _late(self) -> str:
        return (
            f"The request was given up: it took more than {self.seconds:g} seconds, or its client "
            "left. Ask for fewer latents, points or repetitions."
        )


async def _gone(request: Request) -> None:
    """Return when the client has left; the body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _work(request: Request) -> WorkPool:
    work: WorkPool = request.app.state.work
    return work


WorkOfApp = Annotated[WorkPool, Depends(_work)]


def slow_pool() -> WorkPool:
    """Make the pool for work of many seconds, such as measuring: one at a time."""
    return WorkPool(running=MAX_SLOW_RUNNING, waiting=MAX_SLOW_WAITING, seconds=MAX_SLOW_SECONDS)


def _slow_work(request: Request) -> WorkPool:
    work: WorkPool = request.app.state.slow_work
    return work


SlowWorkOfApp = Annotated[WorkPool, Depends(_slow_work)]
