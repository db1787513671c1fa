"""Recognise the encoding of a file, and files that are not FHIR JSON."""

import codecs
import re
from collections.abc import Callable

from trially.recruiting.imports.reading.byte_sources import TRUNCATED, ByteSource

SEEN_BYTES = 4096
_UTF8_MARK = codecs.BOM_UTF8
# The marks of UTF-32 come first, because that of UTF-16 begins one of them.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED = (
    (re.compile(rb"[{\[\"<\s]\0\0\0", re.DOTALL), "utf-32-le"),
    (re.compile(rb"\0\0\0[{\[\"<\s]", re.DOTALL), "utf-32-be"),
    (re.compile(rb"[{\[\"<\s]\0[^\0]\0", re.DOTALL), "utf-16-le"),
    (re.compile(rb"\0[{\[\"<\s]\0[^\0]", re.DOTALL), "utf-16-be"),
)

_EXPORT_JSON = "Export the records as FHIR JSON or NDJSON, and import those."
_UNPACK = "Unpack it, and import the files, or pack them with ZIP, tar or gzip."
_BINARY = (
    (b"%PDF", f"The file is a PDF document. {_EXPORT_JSON}"),
    (b"\x89PNG", f"The file is a PNG image. {_EXPORT_JSON}"),
    (b"\xff\xd8\xff", f"The file is a JPEG image. {_EXPORT_JSON}"),
    (b"PAR1", f"The file is a Parquet table. {_EXPORT_JSON}"),
    (b"SQLite format 3\0", f"The file is an SQLite database. {_EXPORT_JSON}"),
    (b"\xd0\xcf\x11\xe0", f"The file is an old Office document. {_EXPORT_JSON}"),
    (b"7z\xbc\xaf\x27\x1c", f"The file is a 7-Zip archive, which is not supported. {_UNPACK}"),
    (b"Rar!", f"The file is a RAR archive, which is not supported. {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"The file is compressed with Zstandard. {_UNPACK}"),
)
_HL7_V2 = re.compile(rb"\x0b?(?:MSH|FHS|BHS)\|")
_DELIMITERS = (b",", b";", b"\t", b"|")


def to_utf8(source: ByteSource) -> ByteSource:
    """Return a source without its byte order mark, and in UTF-8 if it is in UTF-16 or UTF-32."""
    head = source.peek(4)
    if head.startswith(_UTF8_MARK):
        source.read(len(_UTF8_MARK))
        return source
    for mark, name in _MARKS:
        if head.startswith(mark):
            source.read(len(mark))
            return _transcoded(source, name)
    for pattern, name in _UNMARKED:
        if pattern.match(head):
            return _transcoded(source, name)
    return source


def recognise_other(head: bytes) -> str | None:
    """Return what a file is and what to do, if its beginning shows that it is not JSON."""
    for magic, sentence in _BINARY:
        if head.startswith(magic):
            return sentence
    if _HL7_V2.match(head):
        return (
            "The file is HL7 v2, not FHIR. Import it with `flask imports hl7v2`, or upload it with"
            " the media type application/hl7-v2."
        )
    if head.startswith(b"<"):
        return _describe_markup(head)
    if head.startswith(b"@prefix"):
        return f"The file is FHIR in Turtle (RDF), which is not supported. {_EXPORT_JSON}"
    if _is_table(head):
        return (
            "The file is a table (CSV), not FHIR. Import it with `flask imports csv`, or upload it"
            " with the media type text/csv and the parameter `kind`."
        )
    return None


def _describe_markup(head: bytes) -> str:
    lower = head.lower()
    if b"<html" in lower or b"<!doctype html" in lower:
        return (
            "The file is an HTML page, such as a login or error page of the server that it was"
            f" loaded from. {_EXPORT_JSON}"
        )
    if b"clinicaldocument" in lower:
        return f"The file is a CDA document, not FHIR. {_EXPORT_JSON}"
    if b"http://hl7.org/fhir" in lower:
        return f"The file is FHIR in XML, which is not supported. {_EXPORT_JSON}"
    return f"The file is XML, not FHIR JSON. {_EXPORT_JSON}"


def _is_table(head: bytes) -> bool:
    """Return whether the first two lines have the same number of separated fields."""
    if head[:1] in b'{["' and not re.match(rb'"[^"\\{]*"\s*[,;\t|]', head):
        return False
    lines = head.splitlines()
    if len(lines) < 2 or b"{" in lines[0] or not lines[1]:
        return False
    # The second line may be cut off, or hold quoted delimiters.
    return any(0 < lines[0].count(mark) <= lines[1].count(mark) for mark in _DELIMITERS)


def _transcoded(source: ByteSource, encoding: str) -> ByteSource:
    decoder = codecs.getincrementaldecoder(encoding)()
    return ByteSource(_utf8_reader(source, decoder))


def _utf8_reader(source: ByteSource, decoder: codecs.IncrementalDecoder) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        while chunk := source.read(size):
            if text := decoder.decode(chunk):
                return text.encode()
        if source.failure is not None:
            raise EOFError if source.failure == TRUNCATED else OSError
        return decoder.decode(b"", final=True).encode()

    return read
