"""Compute the next item of an iterator in a thread, while the caller works with the present one.

An import translates the next batch while PostgreSQL writes the present one. Both take about as
long, and the driver lets other threads run while it waits.
"""

from collections.abc import Generator, Iterator
from contextvars import copy_context
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")

_SECONDS_BETWEEN_LOOKS = 0.1


class _Failure(NamedTuple):
    error: BaseException


class _End(NamedTuple):
    pass


def read_ahead(items: Generator[Item, None, None]) -> Iterator[Item]:
    """Yield the items of a generator, which runs in a thread of its own, one item ahead.

    What the generator raises is raised here, after the items before it. If the caller stops early,
    the generator is closed at its next item. The thread sees the caller's context variables. It
    must not use the database session, which belongs to the caller's thread.
    """
    computed: Queue[Item | _Failure | _End] = Queue(maxsize=1)
    is_stopped = Event()

    def offer(item: Item | _Failure | _End) -> bool:
        while not is_stopped.is_set():
            try:
                computed.put(item, timeout=_SECONDS_BETWEEN_LOOKS)
            except Full:
                continue
            return True
        return False

    def run() -> None:
        try:
            for item in items:
                if not offer(item):
                    items.close()
                    return
        except BaseException as error:  # noqa: BLE001  the caller raises it
            offer(_Failure(error))
        else:
            offer(_End())

    thread = Thread(target=copy_context().run, args=(run,), name="read ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = computed.get(timeout=_SECONDS_BETWEEN_LOOKS)
            except Empty:
                continue
            if isinstance(item, _End):
                return
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        is_stopped.set()
        thread.join()
