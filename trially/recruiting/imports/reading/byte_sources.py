"""Read bytes once, forward and with look-ahead. A read error counts as the end of the bytes."""

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator

CHUNK_BYTES = 2**20
TRUNCATED = "The file is truncated."
DAMAGED = "The file is damaged, or cannot be read to its end."
READ_ERRORS = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    ValueError,
    ArithmeticError,
    LookupError,
    RecursionError,
)
"""Errors of the standard library for damaged input. Damaged tar headers cause most of them."""

Read = Callable[[int], bytes]


class ByteSource:
    """Bytes from a function that reads forward.

    A read error counts as the end, so that the bytes before it are not lost. `failure` is then a
    sentence about the error.
    """

    def __init__(self, read: Read) -> None:
        self.failure: str | None = None
        self._read = read
        self._buffer = bytearray()
        self._is_at_end = False

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`. An empty result is the end."""
        if self._buffer:
            content = bytes(memoryview(self._buffer)[:size])
            del self._buffer[:size]
            return content
        if self._is_at_end or size == 0:
            return b""
        try:
            content = self._read(size)
        except READ_ERRORS as error:
            self.failure = TRUNCATED if isinstance(error, EOFError) else DAMAGED
            content = b""
        self._is_at_end = not content
        return content

    def chunks(self) -> Iterator[bytes]:
        """Yield the rest."""
        while chunk := self.read(CHUNK_BYTES):
            yield chunk

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes without consuming them; fewer only at the end."""
        while len(self._buffer) < size and self._fill_buffer():
            pass
        return bytes(memoryview(self._buffer)[:size])

    def peek_line(self, longest: int) -> bytes:
        """Return the next line without consuming it; of a line over `longest` bytes, a part."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched >= longest or not self._fill_buffer():
                return bytes(self._buffer)
        return bytes(memoryview(self._buffer)[: end + 1])

    def skip_space(self) -> int:
        """Consume white space, and return the number of line ends in it."""
        lines = 0
        while True:
            content = self._buffer.lstrip()
            space = len(self._buffer) - len(content)
            lines += self._buffer.count(b"\n", 0, space)
            self._buffer = content
            if content or not self._fill_buffer():
                return lines

    def _fill_buffer(self) -> bool:
        # `read` takes bytes from the buffer first, so the buffer is set aside meanwhile.
        buffer, self._buffer = self._buffer, bytearray()
        chunk = self.read(CHUNK_BYTES)
        buffer += chunk
        self._buffer = buffer
        return bool(chunk)
