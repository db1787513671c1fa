"""A document that is made when it is first asked for."""

from collections.abc import Callable
from threading import Lock


class Document:
    """The bytes of a document, which `make` returns.

    Making one takes some tenths of a second of CPU. Most processes are never asked for it, such as
    those that run commands and jobs.
    """

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._made: bytes | None = None
        self._lock = Lock()

    def render(self) -> bytes:
        """Return the document."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        return self._made
