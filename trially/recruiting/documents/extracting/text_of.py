"""The text of one resource's attachments, in pages."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from trially.plain_text import to_plain
from trially.recruiting.documents.extracting.content import ContentError, decode_base64, recognise
from trially.recruiting.documents.extracting.problems import (
    MOST_CHARACTERS,
    MOST_PAGES,
    MOST_SECONDS,
    TextProblem,
)
from trially.recruiting.documents.extracting.worker_process import WORKERS

LONGEST_PAGE = 5_000
"""Characters of a page of a document without pages of its own, which is cut at a line's end."""


@dataclass(frozen=True, slots=True)
class ExtractedText:
    """The text of one attachment, and why it is missing or not complete."""

    pages: Sequence[str] = ()
    is_paged: bool = False
    """The pages are those of a PDF or of a Word document."""

    problem: TextProblem | None = None


@dataclass(slots=True)
class Extraction:
    """Extracts the attachments of one resource, within one limit of time."""

    tenant_id: UUID | None = None
    deadline: float = field(default_factory=lambda: time.monotonic() + MOST_SECONDS)

    def read_base64(self, data: str, content_type: str | None) -> ExtractedText:
        """Return the text of an attachment."""
        try:
            content = decode_base64(data)
        except ContentError as error:
            return ExtractedText(problem=error.problem)
        return self.read_bytes(content, content_type)

    def read_bytes(self, content: bytes, content_type: str | None) -> ExtractedText:
        """Return the text of a file."""
        try:
            kind, recognised = recognise(content, content_type)
        except ContentError as error:
            return ExtractedText(problem=error.problem)
        return self.read(kind, recognised)

    def read(self, kind: str, content: bytes | str) -> ExtractedText:
        """Return the text of content whose format is known."""
        if kind == "text" and isinstance(content, str):
            return in_pages(content[:MOST_CHARACTERS], _too_long(content))
        if time.monotonic() > self.deadline:
            return ExtractedText(problem=TextProblem.TOO_SLOW)
        binary = content.encode(errors="replace") if isinstance(content, str) else content
        read, problem = WORKERS.read(kind, binary, self.deadline, self.tenant_id)
        if kind == "pdf" or len(read) > 1:
            pages = [clean(page) for page in read[:MOST_PAGES]]
            if problem is None and not any(pages):
                problem = TextProblem.NO_TEXT
            return ExtractedText(pages, is_paged=True, problem=problem)
        return in_pages("\n".join(read), problem)


def in_pages(text: str, problem: TextProblem | None = None) -> ExtractedText:
    """Return a text in pages that end at lines' ends, or at spaces if a line is too long."""
    rest, pages = clean(text), []
    while len(rest) > LONGEST_PAGE:
        line, space = (rest.rfind(each, 1, LONGEST_PAGE + 1) for each in ("\n", " "))
        end = line if line > 0 else space if space > 0 else LONGEST_PAGE
        pages.append(rest[:end])
        # The indentation of a line says what it is part of.
        rest = rest[end:].lstrip("\n") if line > 0 else rest[end:].lstrip(" ")
    if rest:
        pages.append(rest)
    if not pages and problem is None:
        problem = TextProblem.EMPTY
    return ExtractedText(pages, problem=problem)


def clean(text: str) -> str:
    """Return a text without characters that change how it is read, and with plain line ends."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    return to_plain(lines, keep_lines=True).strip()


def _too_long(text: str) -> TextProblem | None:
    return TextProblem.TOO_LONG if len(text) > MOST_CHARACTERS else None
