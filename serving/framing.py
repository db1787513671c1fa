"""Find where a request ends. gunicorn's parser then checks and decodes it."""

import re

HEAD_END = b"\r\n\r\n"
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]+[ \t]*")
_LONGEST_SIZE_LINE = 16_384


class IncompleteError(Exception):
    """The parser needs more than has been received."""


def has_bare_newline(received: bytearray, begin: int) -> bool:
    """Return whether a line ends in LF alone, in what was received from `begin` on."""
    if begin and received[begin - 1] == 0x0D:
        begin -= 1
    return received.count(b"\n", begin) != received.count(b"\r\n", begin)


class ChunkScanner:
    """Finds the end of a chunked body while it is being received.

    A body that is not well-formed counts as complete: gunicorn's reader then raises its error.
    """

    __slots__ = ("_is_in_trailers", "_position")

    def __init__(self) -> None:
        self._position = 0
        self._is_in_trailers = False

    def is_complete(self, received: bytearray) -> bool:
        """Return whether `received`, which begins with the body, contains all of it."""
        while not self._is_in_trailers:
            end = received.find(b"\r\n", self._position)
            if end < 0:
                return len(received) - self._position > _LONGEST_SIZE_LINE
            size = received[self._position : end].partition(b";")[0]
            if not _CHUNK_SIZE.fullmatch(size):
                return True
            length = int(size, 16)
            self._is_in_trailers = not length
            self._position = end + 2 + (length + 2 if length else 0)
        if received[self._position : self._position + 2] == b"\r\n":
            return True
        return received.find(HEAD_END, self._position) >= 0
