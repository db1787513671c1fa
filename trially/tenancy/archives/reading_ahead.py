"""Let a thread read the next parts of an archive while the last one is loaded."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from queue import Full, Queue
from threading import Event, Thread
from typing import NamedTuple

from trially.tenancy.archives.reading import Part

PARTS = 1
"""How many parts wait in memory, besides the one that is loaded and the one that is read."""

_LOOK_SECONDS = 0.2


class _End(NamedTuple):
    """The end of the parts, or the error that has ended them."""

    error: BaseException | None


@contextmanager
def reading_ahead(parts: Generator[Part]) -> Iterator[Iterator[Part]]:
    """Yield the parts, which a thread reads. The thread ends with the block, and so do its files.

    An error of the reader is raised where its part is expected.
    """
    queue: Queue[Part | _End] = Queue(PARTS)
    is_over = Event()

    def put(item: Part | _End) -> None:
        while not is_over.is_set():
            try:
                queue.put(item, timeout=_LOOK_SECONDS)
            except Full:
                continue
            return

    def read() -> None:
        try:
            with closing(parts):
                for part in parts:
                    if is_over.is_set():
                        return
                    put(part)
            put(_End(None))
        except BaseException as error:  # noqa: BLE001  the caller raises it
            put(_End(error))

    thread = Thread(target=read, name="archive-ahead", daemon=True)
    thread.start()
    try:
        yield _taken(queue)
    finally:
        is_over.set()
        thread.join()


def _taken(queue: "Queue[Part | _End]") -> Iterator[Part]:
    while isinstance(item := queue.get(), Part):
        yield item
    if item.error is not None:
        raise item.error
