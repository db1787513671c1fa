"""Untrusted documents are read in a process of its own, within limits."""

import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.recruiting.documents.document_examples import encode
from tests.recruiting.documents.made_pdfs import encrypt, make_pdf, pdf_of_streams
from trially.recruiting.documents.extracting import text_of, worker
from trially.recruiting.documents.extracting.html_text import html_to_text
from trially.recruiting.documents.extracting.problems import TextProblem
from trially.recruiting.documents.extracting.text_of import ExtractedText, Extraction, in_pages
from trially.recruiting.documents.extracting.worker_process import Workers

SLOW_PDF = pdf_of_streams([zlib.compress(b"BT /F1 9 Tf " + b"(A) Tj " * 3_000_000 + b" ET")], True)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    workers = Workers()
    monkeypatch.setattr(text_of, "WORKERS", workers)
    yield workers
    workers.end_all()


def read(content: bytes, seconds: float = 30, **options: object) -> ExtractedText:
    extraction = Extraction(deadline=time.monotonic() + seconds, **options)  # type: ignore[arg-type]
    return extraction.read_base64(encode(content), None)


def test_an_encrypted_pdf_needs_a_password(workers: Workers) -> None:
    secret = make_pdf("Secret")

    assert read(encrypt(secret, "word")).problem == TextProblem.ENCRYPTED
    assert read(encrypt(secret, "")).pages == ["Secret"]  # only its changes are protected


def test_a_document_that_takes_too_long_is_stopped_and_the_next_one_is_read(
    workers: Workers,
) -> None:
    read(make_pdf("The worker has started"))

    assert read(SLOW_PDF, seconds=0.3) == ExtractedText(
        [], is_paged=True, problem=TextProblem.TOO_SLOW
    )
    assert read(make_pdf("Next")).pages == ["Next"]
    assert read(make_pdf("Out of time"), seconds=-1).problem == TextProblem.TOO_SLOW


def test_a_document_that_needs_too_much_memory_is_stopped(workers: Workers) -> None:
    nested = b"<html>" + b"<a " * 3_000_000

    assert read(nested).problem == TextProblem.TOO_MUCH_MEMORY
    assert read(b"<p>Next</p>").pages == ["Next"]


@pytest.mark.parametrize(
    "content",
    [
        make_pdf("One")[:300],
        b"%PDF-1.7\n" + bytes(range(256)) * 20,
        pdf_of_streams([b"not deflated"], True),
        make_pdf("One").replace(b"/Kids [ 4 0 R ]", b"/Kids [ 2 0 R ]"),
    ],
    ids=["cut off", "noise", "broken stream", "pages that hold themselves"],
)
def test_a_damaged_pdf_has_no_text_and_a_problem(workers: Workers, content: bytes) -> None:
    text = read(content)

    assert not any(text.pages)
    assert text.problem in {TextProblem.UNREADABLE, TextProblem.NO_TEXT}


@pytest.mark.parametrize("content", [b"{\\rtf1 " + b"{" * 100_000, b"<div>" * 100_000])
def test_deep_nesting_is_no_error(workers: Workers, content: bytes) -> None:
    assert read(content).problem == TextProblem.EMPTY


def test_the_rest_of_a_document_with_too_many_pages_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "MOST_PAGES", 2)

    assert list(worker.read_document("pdf", make_pdf("a", "b", "c"))) == [
        {"page": "a"},
        {"page": "b"},
        {"end": TextProblem.TOO_MANY_PAGES},
    ]


def test_the_rest_of_a_long_text_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_CHARACTERS", 5)
    monkeypatch.setattr(text_of, "MOST_CHARACTERS", 5)

    assert list(worker.read_document("html", b"<p>123456789")) == [
        {"page": "12345"},
        {"end": TextProblem.TOO_LONG},
    ]
    assert list(worker.read_document("pdf", make_pdf("123", "456", "7"))) == [
        {"page": "123"},
        {"page": "45"},
        {"end": TextProblem.TOO_LONG},
    ]
    assert Extraction().read("text", "123456789").pages == ["12345"]


def test_a_worker_has_no_secret_and_serves_one_tenant(workers: Workers) -> None:
    one, other = uuid4(), uuid4()
    read(make_pdf("A"), tenant_id=one)
    first = workers._idle[0]
    read(make_pdf("B"), tenant_id=one)
    read(make_pdf("C"), tenant_id=other)

    assert [each.tenant_id for each in workers._idle] == [one, other]
    assert workers._idle[0] is first
    assert first.documents == 2
    environment = Path(f"/proc/{first._process.pid}/environ").read_bytes()
    assert environment.startswith(b"PYTHONPATH=")
    assert environment.count(b"=") == 1


def test_html_becomes_lines() -> None:
    assert html_to_text(
        "<!-- c --><head><title>T</title></head><body><p>a&nbsp;b &lt;c&gt;</p><ul><li>1<li>2</ul>"
        "<script>x<!-- </script><style>y</style><svg><text>z</text></svg><pre>k\n  l</pre>"
        "<script src='s'/>d<section><paragraph>e</paragraph></section><![CDATA[f]]>"
    ) == ("a b <c>\n- 1\n- 2\nk\nl\nd\ne\nf")


def test_long_texts_are_cut_at_the_ends_of_lines_or_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_of, "LONGEST_PAGE", 10)

    assert in_pages("12345\n789\nab cdef gh ijkl\nxxxxxxxxxxxxxxx").pages == [
        "12345\n789",
        "ab cdef gh",
        "ijkl",
        "xxxxxxxxxx",
        "xxxxx",
    ]
    assert in_pages("* any of:\n  * a\n  * b").pages == ["* any of:", "  * a", "  * b"]
