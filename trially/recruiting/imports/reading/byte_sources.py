"""Read bytes once, forward, with a look ahead, and survive where they break off."""

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator

CHUNK_BYTES = 2**20
CUT_SHORT = "This is cut short."
DAMAGED = "This is damaged, or cannot be read to its end."
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
"""What the standard library raises for damaged input; its tar headers raise most of these."""

Read = Callable[[int], bytes]


class TooManyBytesError(OSError):
    """More comes out of an archive than the ceiling allows."""


class Ceiling:
    """How many bytes may come out of all the layers of compression of one part."""

    def __init__(self, most_bytes: int | None) -> None:
        self.is_broken = False
        self._most_bytes = most_bytes
        self._unpacked = 0

    def count(self, unpacked: bytes) -> bytes:
        """Return the unpacked bytes, or refuse them where they are too many."""
        self._unpacked += len(unpacked)
        if self._most_bytes is not None and self._unpacked > self._most_bytes:
            self.is_broken = True
            raise TooManyBytesError(
                f"Unpacked, this is more than {self._most_bytes:,} bytes; the rest was not read."
            )
        return unpacked


class ByteSource:
    """Bytes from anything that can be read forward.

    A failure to read counts as the end, so that what came before it is not lost; `failure`
    then says in a sentence what it was.
    """

    def __init__(self, read: Read) -> None:
        self.failure: str | None = None
        self._read = read
        self._held = bytearray()
        self._is_at_end = False

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        if self._held:
            found = bytes(memoryview(self._held)[:size])
            del self._held[:size]
            return found
        if self._is_at_end or size == 0:
            return b""
        try:
            found = self._read(size)
        except READ_ERRORS as error:
            self.failure = _describe(error)
            found = b""
        self._is_at_end = not found
        return found

    def chunks(self) -> Iterator[bytes]:
        """Yield the rest."""
        while chunk := self.read(CHUNK_BYTES):
            yield chunk

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them; fewer only where they end."""
        while len(self._held) < size and self._hold_more():
            pass
        return bytes(memoryview(self._held)[:size])

    def peek_line(self, longest: int) -> bytes:
        """Return the next line without taking it, or a good part of one that is longer."""
        searched = 0
        while (end := self._held.find(b"\n", searched)) < 0:
            searched = len(self._held)
            if searched >= longest or not self._hold_more():
                return bytes(self._held)
        return bytes(memoryview(self._held)[: end + 1])

    def skip_space(self) -> int:
        """Take white space; return how many lines ended in it."""
        lines = 0
        while True:
            content = self._held.lstrip()
            space = len(self._held) - len(content)
            lines += self._held.count(b"\n", 0, space)
            self._held = content
            if content or not self._hold_more():
                return lines

    def _hold_more(self) -> bool:
        held, self._held = self._held, bytearray()
        chunk = self.read(CHUNK_BYTES)
        held += chunk
        self._held = held
        return bool(chunk)


def _describe(error: Exception) -> str:
    if isinstance(error, TooManyBytesError):
        return str(error)
    return CUT_SHORT if isinstance(error, EOFError) else DAMAGED
