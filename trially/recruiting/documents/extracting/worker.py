"""The process that reads untrusted documents: `python -m …extracting.worker`.

It gets no environment, no secret and no database. For each document it reads one line of JSON with
`format` and `size`, and then the bytes. It answers one line of JSON for each page, `{"page": …}`,
and one at the end, `{"end": …}`, with a problem or null. It ends with its standard input, or when
it has had nothing to do for a minute.
"""

import io
import json
import os
import resource
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from trially.recruiting.documents.extracting.html_text import html_to_text
from trially.recruiting.documents.extracting.problems import (
    MOST_CHARACTERS,
    MOST_CHARACTERS_OF_PAGE,
    MOST_IDLE_SECONDS,
    MOST_PAGES,
    TextProblem,
)

MOST_MEMORY_BYTES = 768 * 2**20


class UnreadableError(Exception):
    """A document cannot be read, or not to its end."""

    def __init__(self, problem: TextProblem) -> None:
        super().__init__(problem)
        self.problem = problem


def read_pdf(content: bytes) -> Iterator[str]:
    """Yield the text of each page of a PDF."""
    from pypdf import PdfReader  # imported here, because most documents are no PDFs
    from pypdf.errors import FileNotDecryptedError

    reader = PdfReader(io.BytesIO(content), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableError(TextProblem.ENCRYPTED)
    try:
        for number, page in enumerate(reader.pages):
            if number == MOST_PAGES:
                raise UnreadableError(TextProblem.TOO_MANY_PAGES)
            yield page.extract_text()
    except FileNotDecryptedError:
        raise UnreadableError(TextProblem.ENCRYPTED) from None


def read_rtf(content: bytes) -> Iterator[str]:
    """Yield the text of an RTF document."""
    from striprtf.striprtf import rtf_to_text

    # RTF is ASCII; the bytes of other characters are escaped. Latin-1 keeps stray bytes.
    yield rtf_to_text(content.decode("latin-1"), errors="ignore")  # type: ignore[no-untyped-call]


def read_html(content: bytes) -> Iterator[str]:
    """Yield the text of HTML in UTF-8."""
    yield html_to_text(content.decode())


def read_docx(content: bytes) -> Iterator[str]:
    """Yield the text of each page of a Word document, or all of it if it does not say its pages.

    Word writes where it began a page when it last showed the document. Deleted text that Word still
    tracks is left out.
    """
    from docx import Document
    from docx.oxml.ns import qn

    pieces: list[str] = []
    breaks = {qn("w:p"): "\n", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:tab"): "\t"}
    text, page, fallback = qn("w:t"), qn("w:lastRenderedPageBreak"), "Fallback"
    for element in Document(io.BytesIO(content)).element.body.iter():
        if element.tag == text:
            if not any(each.tag.endswith(fallback) for each in element.iterancestors()):
                pieces.append(element.text or "")
        elif element.tag == page:
            yield "".join(pieces)
            pieces.clear()
        else:
            pieces.append(breaks.get(element.tag, ""))
    yield "".join(pieces)


READERS: dict[str, Callable[[bytes], Iterator[str]]] = {
    "pdf": read_pdf,
    "docx": read_docx,
    "rtf": read_rtf,
    "html": read_html,
}


def read_document(kind: str, content: bytes) -> Iterator[dict[str, str | None]]:
    """Yield the answers for one document. No error leaves this function."""
    is_paged = kind == "pdf"
    length = 0
    problem: TextProblem | None = None
    try:
        for text in READERS[kind](content):
            page = (
                text[: min(MOST_CHARACTERS - length, MOST_CHARACTERS_OF_PAGE)]
                if is_paged
                else (text[:MOST_CHARACTERS])
            )
            length += len(page)
            yield {"page": page}
            if len(page) < len(text):
                problem = TextProblem.TOO_LONG
            if length >= MOST_CHARACTERS:
                break
    except UnreadableError as error:
        problem = error.problem
    except MemoryError:
        problem = TextProblem.TOO_MUCH_MEMORY
    except Exception:  # noqa: BLE001 - libraries raise errors of every kind for damaged documents
        problem = TextProblem.UNREADABLE
    yield {"end": problem}


def _limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))


def main() -> None:
    """Answer documents from standard input until it ends."""
    _limit_resources()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - what a library prints is no answer
    while select.select([requests], [], [], MOST_IDLE_SECONDS)[0]:
        line = requests.readline()
        if not line:
            return
        request = json.loads(line)
        content = requests.read(request["size"])
        for answer in read_document(request["format"], content):
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()


if __name__ == "__main__":
    main()
