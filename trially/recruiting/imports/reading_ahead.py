"""Compute the next item of an iterator in a thread, while the caller works with the present one.

An import translates the next batch while PostgreSQL writes the present one, which takes longer. The
driver lets other threads run while it waits.
"""

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Event, Lock, Semaphore, Thread
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")

_SECONDS_BETWEEN_LOOKS = 0.1


_SWITCH_SECONDS = 0.0005
"""How long a thread computes while another one waits for its turn. Python's own value is 5 ms."""


class _Turns:
    """Lets the threads of this process take turns more often while any import reads ahead.

    The thread that translates computes without a pause. The thread that writes waits for its turn
    after each answer of PostgreSQL, some ten times a batch. So do the requests of other members.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._former = 0.0

    @contextmanager
    def taken_often(self) -> Iterator[None]:
        """Switch threads often until the last user leaves."""
        with self._lock:
            if not self._users:
                self._former = sys.getswitchinterval()
                sys.setswitchinterval(min(self._former, _SWITCH_SECONDS))
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    sys.setswitchinterval(self._former)


_turns = _Turns()


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
    computed: SimpleQueue[Item | _Failure | _End] = SimpleQueue()
    taken, is_stopped = Semaphore(0), Event()

    def offer(item: Item | _Failure | _End) -> bool:
        """Hand an item over. Returns whether the caller has taken it, and wants a further one.

        Two items are in memory at most: the next one is computed when the caller has this one.
        """
        computed.put(item)
        taken.acquire()
        return not is_stopped.is_set()

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
    with _turns.taken_often():
        thread.start()
        try:
            while True:
                try:
                    item = computed.get(timeout=_SECONDS_BETWEEN_LOOKS)
                except Empty:
                    continue
                taken.release()
                if isinstance(item, _End):
                    return
                if isinstance(item, _Failure):
                    raise item.error
                yield item
        finally:
            is_stopped.set()
            taken.release()
            thread.join()
