"""Parse HL7 v2 messages, and read their fields."""

import re
from collections.abc import Iterator, Sequence

import hl7

from trially.recruiting.imports.formats.hl7v2.escapes import unescape
from trially.recruiting.imports.formats.hl7v2.framing import RawMessage

_HEADER = re.compile(rb"MSH([!-/:-@\[-`{-~])([!-/:-@\[-`{-~]{4,5})\1")
# HL7 table 0211 with Python's names. Undeclared text is UTF-8, or else Windows-1252.
_CODECS = {
    "8859/1": "iso8859-1",
    "8859/2": "iso8859-2",
    "8859/3": "iso8859-3",
    "8859/4": "iso8859-4",
    "8859/5": "iso8859-5",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "8859/8": "iso8859-8",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "UNICODE": "utf-8",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "CNS 11643-1992": "euc_tw",
    "BIG-5": "big5",
    "ISO IR87": "iso2022_jp",
    "ISO IR14": "iso2022_jp",
}
_UNDECLARED = ("", "ASCII", "ISO IR6")
_CHARACTER_SET_FIELD = 17
"""Position of MSH-18 when the header is split at its field separators."""

Component = list[str]
Repetition = list[Component]


class MessageError(Exception):
    """A message cannot be read. The message is a sentence that never quotes the content."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


class Segment:
    """One segment, whose fields are read by the numbers of the standard."""

    def __init__(self, fields: hl7.Segment, line: int, separators: str, codec: str) -> None:
        self.name = str(fields[0])
        self.line = line
        """The line of the file, from 1."""
        self._fields = fields
        self._separators = separators
        self._codec = codec

    def repetitions(self, field: int) -> list[Repetition]:
        """Return the repetitions of a field, without escape sequences. An empty field has none.

        The null value `""`, which deletes a value, counts as absent, because a message holds the
        whole record.
        """
        if field >= len(self._fields):
            return []
        repetitions = map(self._read, self._fields[field])
        return [each for each in repetitions if any(any(component) for component in each)]

    def text(self, field: int, component: int = 1, subcomponent: int = 1) -> str | None:
        """Return a part of the first repetition of a field."""
        for repetition in self.repetitions(field):
            return part(repetition, component, subcomponent)
        return None

    def _read(self, item: object) -> Repetition:
        components = [item] if isinstance(item, str) else list(item)  # type: ignore[call-overload]
        return [
            [
                self._unescape(str(piece))
                for piece in ([component] if isinstance(component, str) else component)
            ]
            for component in components
        ]

    def _unescape(self, text: str) -> str:
        text = text.strip(" ")
        return "" if text == '""' else unescape(text, self._separators, self._codec)


class Message:
    """One parsed message."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.header = segments[0]
        self.segments = segments

    @property
    def kind(self) -> str:
        """The type of message, such as `ADT`."""
        return self.header.text(9) or ""

    @property
    def event(self) -> str:
        """The trigger event, such as `A01`."""
        event = self.header.text(9, 2)
        return event or next((each.text(1) or "" for each in self.all("EVN")), "")

    def all(self, name: str) -> Iterator[Segment]:
        """Yield the segments of a name."""
        return (segment for segment in self.segments if segment.name == name)


def part(repetition: Repetition, component: int, subcomponent: int = 1) -> str | None:
    """Return a part of a repetition by the numbers of the standard; None if it is empty."""
    if component > len(repetition) or subcomponent > len(repetition[component - 1]):
        return None
    return repetition[component - 1][subcomponent - 1].strip() or None


def written(repetition: Repetition) -> str:
    """Return a repetition as text. Separators in plain text are signs that were not escaped."""
    return "^".join("&".join(component) for component in repetition).strip()


def parse_message(raw: RawMessage, undeclared: str | None) -> Message:
    """Return a message. Raises `MessageError`.

    `undeclared` is the codec of messages without a character set in MSH-18; None means UTF-8, or
    Windows-1252 if it is not UTF-8.
    """
    first = raw.lines[0]
    header = _HEADER.match(raw.segments[0])
    if header is None or len(set(header[1] + header[2])) != len(header[1] + header[2]):
        raise MessageError("MSH-1 and MSH-2 are not five different separators.", first)
    text, codec = _decode(raw, header[1], undeclared)
    try:
        parsed = hl7.parse(text)
    except (hl7.HL7Exception, ValueError, LookupError, AssertionError):
        raise MessageError("The message cannot be parsed.", first) from None
    if len(parsed) != len(raw.lines):
        raise MessageError("The message cannot be split into its segments.", first)
    separators = (header[1] + header[2]).decode("ascii")
    return Message(
        [
            Segment(segment, line, separators, codec)
            for segment, line in zip(parsed, raw.lines, strict=True)
        ]
    )


def _decode(raw: RawMessage, separator: bytes, undeclared: str | None) -> tuple[str, str]:
    """Return the text of a message, with CR between its segments, and its codec."""
    fields = raw.segments[0].split(separator)
    declared = fields[_CHARACTER_SET_FIELD] if len(fields) > _CHARACTER_SET_FIELD else b""
    first = re.split(rb"[^\w /.-]", declared, maxsplit=1)[0]
    name = first.decode("ascii", "replace").strip().upper()
    codecs = [_CODECS[name]] if name in _CODECS else [undeclared] if undeclared else []
    if name not in _CODECS and name not in _UNDECLARED:
        raise MessageError("The character set in MSH-18 is not supported.", raw.lines[0])
    content = b"\r".join(raw.segments)
    for codec in codecs or ["utf-8", "cp1252"]:
        try:
            return content.decode(codec), codec
        except UnicodeDecodeError:
            continue
    raise MessageError("The message has bytes that are not in its character set.", raw.lines[0])
