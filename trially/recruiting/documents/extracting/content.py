"""Decode an attachment's bytes: base64, the real format, and the characters of text."""

import base64
import binascii
import re

from trially.recruiting.documents.extracting.problems import TextProblem

_SPACE = re.compile(r"\s+")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_HTML_BEGINNING = re.compile(
    r"\s*(<\?xml[^>]{0,200}>\s*)?(<!--.{0,500}?-->\s*)?"
    r"<(!doctype html|html|head|body|div|table|p|h1|clinicaldocument)\b",
    re.IGNORECASE | re.DOTALL,
)
_HEAD_BYTES = 1024
_ZIP_BEGINNING = b"PK\x03\x04"
_WORD_PART = b"word/document.xml"
"""Name of a part of a Word document. Names are not compressed in ZIP archives."""

_MOST_CONTROL_SHARE = 0.02

_CHARSETS = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), "utf-8"),
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "windows-1252", "cp1252"), "cp1252"),
    **{
        f"iso-8859-{number}": f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15)
    },
    **{f"windows-125{number}": f"cp125{number}" for number in range(9) if number != 2},
    **{name: name for name in ("utf-16", "utf-16le", "utf-16be", "shift_jis", "euc-jp", "euc-kr")},
    **{name: name for name in ("gb2312", "gbk", "gb18030", "big5", "koi8-r", "macintosh")},
}
"""Python's codecs by the names of charsets. Others are not looked up: some are no charsets."""

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_TEXT_TYPES = ("text/plain", "text/markdown", "text/x-", "application/text")
_MARKUP_TYPES = ("text/html", "application/xhtml", "text/xml", "application/xml", "application/hl7")

_UNCERTAIN_TYPES = ("", "application/octet-stream", "application/pdf", "application/rtf")
"""Types of which the content may still be text, if it does not begin like PDF or RTF."""


class ContentError(Exception):
    """The bytes of an attachment cannot be read."""

    def __init__(self, problem: TextProblem) -> None:
        super().__init__(problem)
        self.problem = problem


def decode_base64(text: str) -> bytes:
    """Return the bytes of base64, in which FHIR allows white space. Raises `ContentError`."""
    packed = _SPACE.sub("", text)
    try:
        if len(packed) % 4:  # Python accepts superfluous padding
            raise ContentError(TextProblem.BROKEN_BASE64)
        content = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise ContentError(TextProblem.BROKEN_BASE64) from None
    if not content:
        raise ContentError(TextProblem.EMPTY)
    return content


def recognise(content: bytes, content_type: str | None) -> tuple[str, bytes | str]:
    """Return the format (`pdf`, `docx`, `rtf`, `html` or `text`), and the bytes or decoded text.

    The bytes decide, because many sources declare a wrong type. Only the difference between text
    and markup follows the declared type. Raises `ContentError` for other formats.
    """
    head = content[:_HEAD_BYTES]
    if b"%PDF-" in head:
        return "pdf", content
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{\\rtf"):
        return "rtf", content
    if content.startswith(_ZIP_BEGINNING) and _WORD_PART in content:
        return "docx", content
    kind = (content_type or "").partition(";")[0].strip().lower()
    is_text = kind.startswith(_TEXT_TYPES)
    is_markup = kind.startswith(_MARKUP_TYPES) or kind.endswith("+xml")
    if not (is_text or is_markup or kind in _UNCERTAIN_TYPES or kind.startswith("text/")):
        raise ContentError(TextProblem.UNSUPPORTED_TYPE)
    text = decode_text(content, content_type)
    if text is None:
        raise ContentError(_problem_of_binary(kind))
    if not text.strip():
        raise ContentError(TextProblem.EMPTY)
    if is_markup or (not is_text and _HTML_BEGINNING.match(text[:_HEAD_BYTES])):
        return "html", text
    return "text", text


def decode_text(content: bytes, content_type: str | None) -> str | None:
    """Return the characters of a text, or None if the bytes are no text.

    A byte order mark counts first, then the declared charset, then UTF-8, and at last
    Windows-1252, in which all but a few bytes are characters.
    """
    encodings = [name for mark, name in _MARKS if content.startswith(mark)]
    declared = _CHARSET.search(content_type or "") or _CHARSET.search(
        content[:_HEAD_BYTES].decode("latin-1")
    )
    if declared and (encoding := _CHARSETS.get(declared.group(1).lower())):
        encodings.append(encoding)
    for encoding in (*encodings, "utf-8", "cp1252"):
        try:
            text = content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if not _is_binary(text):
            return text.removeprefix("\ufeff")
    return None


def _problem_of_binary(kind: str) -> TextProblem:
    """Return the problem of bytes that are no text, by the declared type."""
    if kind in ("", "application/octet-stream"):
        return TextProblem.UNSUPPORTED_TYPE
    is_of_other_format = kind in ("application/pdf", "application/rtf", "text/rtf")
    return TextProblem.UNREADABLE if is_of_other_format else TextProblem.NOT_TEXT


def _is_binary(text: str) -> bool:
    """Return whether decoded bytes have more control characters than a text."""
    head = text[:65_536]
    controls = sum(1 for character in head if character < " " and character not in "\t\n\r\f\v")
    return controls > 1 + _MOST_CONTROL_SHARE * len(head)
