"""Read the lines of text files, in UTF-8, UTF-16 or Windows-1252."""

import codecs
import io
from collections.abc import Iterator
from enum import StrEnum

from trially.recruiting.imports.reading.byte_sources import ByteSource
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.source_files import ImportSourceError, SourceFile
from trially.recruiting.imports.reading.unpacking import unpack


class Encoding(StrEnum):
    """The encoding of a text file."""

    AUTO = "auto"
    UTF_8 = "utf-8"
    WINDOWS_1252 = "windows-1252"


_UNPACK = "Unpack it, and import its files; of a workbook, export each sheet as CSV."
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


# `surrogateescape` does not work with UTF-16.
_UNDECODED = "trially.undecoded"


def _mark_undecoded(error: UnicodeError) -> tuple[str, int]:
    """Return a lone surrogate for undecoded bytes, and where decoding continues."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_UNDECODED, _mark_undecoded)


class TextFileError(ImportSourceError):
    """A text file cannot be read. The message is a sentence."""


def open_content(source_file: SourceFile, meter: InputMeter) -> Iterator[ByteSource]:
    """Yield the content of a file, which may be compressed. Raises `TextFileError`."""
    with source_file.reading() as read:
        meter.begin_file(source_file.position)
        for name, content in unpack(source_file.name, ByteSource(read), meter):
            if not isinstance(content, ByteSource):
                raise TextFileError(f"{source_file.name}: {content}")
            if name != source_file.name:
                break
            yield content
            return
        raise TextFileError(f"{source_file.name} is an archive. {_UNPACK}")


def codec_named(encoding: Encoding) -> str | None:
    """Return the Python codec of an encoding; None if the content decides."""
    return {Encoding.UTF_8: "utf-8", Encoding.WINDOWS_1252: "cp1252"}.get(encoding)


def codec_of(content: ByteSource, encoding: Encoding) -> str:
    """Return the Python codec of a content, which is read to its end.

    Raises `TextFileError` if parts of it are UTF-8 and others are not, because names would be
    damaged in either encoding.
    """
    if content.peek(2) in _UTF_16_MARKS:
        return "utf-16"
    if codec := codec_named(encoding):
        return "utf-8-sig" if codec == "utf-8" else codec
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    has_utf8 = has_other = False
    for chunk in content.chunks():
        text = decoder.decode(chunk)
        if not text.isascii():
            other = any("\udc80" <= character <= "\udcff" for character in text)
            has_other = has_other or other
            has_utf8 = has_utf8 or any(
                character > "\x7f" and not "\udc80" <= character <= "\udcff" for character in text
            )
    has_other = has_other or bool(decoder.getstate()[0])
    if has_utf8 and has_other:
        raise TextFileError(
            "The file is partly UTF-8 and partly not. Name its encoding, utf-8 or windows-1252."
        )
    return "cp1252" if has_other else "utf-8-sig"


def read_lines(content: ByteSource, codec: str, longest: int) -> Iterator[str | None]:
    """Yield the lines with their ends, or None for a line of more than `longest` characters.

    Bytes that the encoding does not have become lone surrogates. Lines end in CR, LF or CRLF. The
    rest of a truncated file is left out.
    """
    stream = io.TextIOWrapper(
        io.BufferedReader(_RawContent(content)),  # type: ignore[type-var]
        encoding=codec,
        errors=_UNDECODED if codec == "utf-16" else "surrogateescape",
        newline="",
    )
    while line := stream.readline(longest + 1):
        has_end = line.endswith(("\n", "\r"))
        if not has_end and len(line) > longest:
            while (rest := stream.readline(longest)) and not rest.endswith(("\n", "\r")):
                pass
            yield None
        elif has_end or content.failure is None:
            yield line


class _RawContent(io.RawIOBase):
    """A content as Python's streams read it."""

    def __init__(self, content: ByteSource) -> None:
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        chunk = self._content.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)
