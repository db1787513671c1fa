"""Split a file of HL7 v2 into messages: plain, in batches, or framed for MLLP."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from trially.recruiting.imports.faults import FaultCode
from trially.recruiting.imports.reading.byte_sources import ByteSource

_END_OF_LINE = re.compile(rb"\r\n|\r|\n")
_FRAMES = b"\x0b\x1c\x00"
_SEGMENT = re.compile(rb"[A-Z][A-Z0-9]{2}(?:[^A-Za-z0-9\s]|$)")
_TEXT_SEGMENTS = (b"OBX", b"NTE")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
MOST_SEGMENTS = 20_000


@dataclass
class RawMessage:
    """The segments of one message, each with the number of its line from 1."""

    segments: list[bytes] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class FramingFault:
    """A line that belongs to no message, and a sentence about it."""

    line: int
    reason: str
    code: FaultCode = FaultCode.INVALID_MESSAGE


def split_messages(content: ByteSource, most_bytes: int) -> Iterator[RawMessage | FramingFault]:
    """Yield the messages of a file. Segments end in CR, LF or CRLF.

    A line that is no segment continues the text of the segment before it. If the trailer of a batch
    counts other messages than the batch has, that is a fault: the file is incomplete.
    """
    if content.peek(2) in _UTF_16:
        yield FramingFault(
            1,
            "The file is in UTF-16, which HL7 v2 messages must not be.",
            FaultCode.INVALID_ENCODING,
        )
        return
    splitter = _Splitter(most_bytes)
    number = 0
    for number, line in enumerate(_split_lines(content, most_bytes), 1):
        yield from splitter.add(number, line)
    yield from splitter.end()
    if content.failure is not None:
        yield FramingFault(number + 1, content.failure, FaultCode.DAMAGED_FILE)


class _Splitter:
    """Collects the lines of messages."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._message: RawMessage | None = None
        self._size = 0
        self._messages_of_batch = 0
        self._is_skipping = False
        """Whether the rest of a message that is too large is skipped."""

    def add(self, number: int, line: bytes | None) -> Iterator[RawMessage | FramingFault]:
        """Add a line, and yield the message that it ends, and the fault that it is."""
        if line is None:
            yield from self._refuse(number)
            return
        text = line.strip(_FRAMES).removeprefix(_BYTE_ORDER_MARK).strip(_FRAMES).lstrip()
        head = text[:3] if _SEGMENT.match(text) else b""
        if head in (b"MSH", b"FHS", b"BHS", b"BTS", b"FTS"):
            yield from self.end()
        if head == b"MSH":
            self._message, self._size, self._is_skipping = RawMessage(), 0, False
            self._messages_of_batch += 1
        elif head == b"BHS":
            self._messages_of_batch = 0
        elif head == b"BTS":
            yield from self._check_count(number, text)
        if text and head not in (b"FHS", b"BHS", b"BTS", b"FTS") and not self._is_skipping:
            yield from self._add_to_message(number, text)

    def end(self) -> Iterator[RawMessage]:
        """Yield the message that ends here."""
        if self._message is not None:
            yield self._message
        self._message = None

    def _add_to_message(self, number: int, text: bytes) -> Iterator[FramingFault]:
        message = self._message
        if message is None:
            yield FramingFault(
                number, "The line belongs to no message: none begins with MSH before."
            )
            return
        self._size += len(text)
        if self._size > self._most_bytes or len(message.segments) >= MOST_SEGMENTS:
            yield from self._refuse(number)
        elif _SEGMENT.match(text):
            message.segments.append(text)
            message.lines.append(number)
        elif message.segments[-1].startswith(_TEXT_SEGMENTS):
            message.segments[-1] += b"\n" + text
        else:
            yield FramingFault(number, "The line is not a segment.")

    def _refuse(self, number: int) -> Iterator[FramingFault]:
        self._message, self._is_skipping = None, True
        yield FramingFault(
            number, f"The message is larger than {self._most_bytes:,} bytes.", FaultCode.TOO_LARGE
        )

    def _check_count(self, number: int, text: bytes) -> Iterator[FramingFault]:
        count = re.split(rb"[^0-9A-Za-z]", text[4:], maxsplit=1)[0]
        if count.isdigit() and int(count) != self._messages_of_batch:
            yield FramingFault(
                number,
                f"The trailer counts {int(count)} messages in this batch, and"
                f" {self._messages_of_batch} were read: the file is incomplete.",
                FaultCode.DAMAGED_FILE,
            )


def _split_lines(content: ByteSource, most_bytes: int) -> Iterator[bytes | None]:
    """Yield each line, or None for a line of more than `most_bytes`."""
    rest, is_too_long = b"", False
    for chunk in content.chunks():
        *lines, last = _END_OF_LINE.split(rest + chunk)
        if (rest + chunk).endswith(b"\r"):
            # A line feed may follow in the next chunk, so the last line end is kept.
            last = lines.pop() + b"\r"
        for line in lines:
            yield None if is_too_long or len(line) > most_bytes else line
            is_too_long = False
        rest = last
        if len(rest) > most_bytes:
            rest, is_too_long = b"", True
    if rest and content.failure is None:
        yield None if is_too_long else rest.removesuffix(b"\r")
