"""A bounded cache that makes each value once, however many requests ask at the same time."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class Abandoned(Exception):
    """Raised by a ``make`` whose own request is no longer waited for; others make it again."""


def _one(value: object) -> int:
    return 1


class BoundedCache(Generic[KeyT, ValueT]):
    """Keep the values used last; safe between threads.

    Parameters
    ----------
    capacity
        Greatest sum of the sizes of the values kept.
    size
        Size of a value, at least 1; by default each is 1, and ``capacity`` is their number. A
        value greater than the capacity is made and returned, but not kept.
    """

    def __init__(self, capacity: int, *, size: Callable[[ValueT], int] = _one) -> None:
        self._capacity = capacity
        self._size = size
        self._lock = threading.Lock()
        self._values: OrderedDict[KeyT, tuple[ValueT, int]] = OrderedDict()
        self._pending: dict[KeyT, Future[ValueT]] = {}
        self._total = 0

    @property
    def total(self) -> int:
        """Sum of the sizes of the values kept."""
        return self._total

    def get(self, key: KeyT, make: Callable[[], ValueT]) -> ValueT:
        """Return the value of ``key``, calling ``make`` if it is not kept.

        An error of ``make`` reaches everyone who waits for this value, and is not kept; but if
        it is ``Abandoned``, the next who waits makes the value.
        """
        while True:
            with self._lock:
                if key in self._values:
                    self._values.move_to_end(key)
                    return self._values[key][0]
                future = self._pending.get(key)
                if future is None:
                    mine = self._pending[key] = Future()
            if future is None:
                return self._made(key, mine, make)
            try:
                return future.result()
            except Abandoned:
                continue

    def kept(self) -> list[tuple[KeyT, ValueT]]:
        """Return the keys and values kept, the one used last first."""
        with self._lock:
            return [(key, value) for key, (value, _) in reversed(self._values.items())]

    def _made(self, key: KeyT, future: Future[ValueT], make: Callable[[], ValueT]) -> ValueT:
        try:
            value = make()
            size = max(1, self._size(value))
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            future.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
            if size <= self._capacity:
                self._values[key] = value, size
                self._total += size
            while self._total > self._capacity:
                _, (_, freed) = self._values.popitem(last=False)
                self._total -= freed
        future.set_result(value)
        return value
