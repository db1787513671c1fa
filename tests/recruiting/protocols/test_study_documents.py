"""Documents of studies: encrypted, in pages, and of one tenant."""

import io
from typing import Any
from uuid import UUID, uuid4

import pytest
from docx import Document as WordDocument
from docx.oxml import OxmlElement
from flask import Flask
from members import AsMember, MakeTenant, Member
from sqlalchemy import select

from tests.recruiting.documents.made_pdfs import encrypt, make_pdf
from trially.auth.roles import Role
from trially.database.session import db
from trially.keys import UnsealError
from trially.recruiting.protocols.documents.model import StudyDocumentPage, StudyDocumentPart
from trially.recruiting.protocols.documents.places import DocumentText, Place
from trially.recruiting.protocols.documents.receiving import WORD_TYPE
from trially.recruiting.protocols.documents.sealing import DocumentCipher, Piece
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.data_keys import rotate_data_key

SECRET = "Confidential amendment of the protocol"


def word_document(*paragraphs: str, breaks: bool = False) -> bytes:
    """Return a Word document. With `breaks`, Word has begun a page at each paragraph but one."""
    document = WordDocument()
    for number, each in enumerate(paragraphs):
        run = document.add_paragraph().add_run()
        if breaks and number:
            run._r.append(OxmlElement("w:lastRenderedPageBreak"))
        run.add_text(each)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def new_study(member: Member) -> str:
    body = {"protocol_number": str(uuid4()), "title": "X"}
    return f"/studies/{member.post('/studies', json=body).json['id']}"


def upload(member: Member, study: str, content: bytes, media_type: str = "text/plain") -> Any:
    query = {"title": "Protocol"}
    path = f"{study}/documents"
    return member.post(path, data=content, content_type=media_type, query_string=query)


def download(member: Member, study: str, document_id: str) -> Any:
    headers = {"Accept": "application/octet-stream"}
    return member.get(f"{study}/documents/{document_id}", headers=headers)


@pytest.mark.parametrize(
    ("content", "media_type", "pages", "has_numbers"),
    [
        (
            make_pdf("First page", "Second page"),
            "application/pdf",
            ["First page", "Second page"],
            1,
        ),
        (word_document("One", "Two", breaks=True), WORD_TYPE, ["One", "Two"], 1),
        (word_document("One", "Two"), WORD_TYPE, ["One\nTwo"], 0),
        (b"Inclusion\n\n* Adults", "text/plain", ["Inclusion\n\n* Adults"], 0),
        ("Größe".encode("cp1252"), "text/plain; charset=windows-1252", ["Größe"], 0),
    ],
    ids=["pdf", "word with pages", "word", "text", "charset"],
)
def test_a_document_is_read_in_pages_and_returned_as_it_was(
    member: Member, content: bytes, media_type: str, pages: list[str], has_numbers: int
) -> None:
    study = new_study(member)

    created = upload(member, study, content, media_type)
    assert created.status_code == 201, created.text
    shown = member.get(f"{study}/documents/{created.json['id']}").json
    file = download(member, study, created.json["id"])

    assert [page["text"].strip() for page in shown["pages"]] == pages
    assert [page["number"] for page in shown["pages"]] == list(range(1, len(pages) + 1))
    assert shown["has_page_numbers"] is bool(has_numbers)
    assert (shown["text_problem"], shown["next_page"]) == (None, None)
    assert shown["file_size"] == len(content)
    assert (file.data, file.headers["Content-Type"]) == (content, "application/octet-stream")
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert member.get(f"{study}/documents").json["data"] == [created.json]


@pytest.mark.parametrize(
    ("content", "media_type", "problem"),
    [
        (encrypt(make_pdf("Secret"), "password"), "application/pdf", "encrypted"),
        (make_pdf(""), "application/pdf", "no_text"),
        (b"%PDF-1.4 damaged", "application/pdf", "unreadable"),
        (b"PK\x03\x04 word/document.xml damaged", WORD_TYPE, "unreadable"),
        (b" ", "text/plain", "empty"),
    ],
    ids=["password", "no text", "damaged pdf", "damaged word", "blank"],
)
def test_a_document_without_text_says_why_and_is_kept(
    member: Member, content: bytes, media_type: str, problem: str
) -> None:
    study = new_study(member)
    created = upload(member, study, content, media_type)

    assert (created.status_code, created.json["text_problem"]) == (201, problem)
    assert download(member, study, created.json["id"]).data == content


def test_a_long_text_is_shown_fifty_pages_at_a_time(member: Member) -> None:
    study = new_study(member)
    text = "\n".join(f"line {number:05}" for number in range(30_000))
    document = upload(member, study, text.encode()).json
    path, pages, page = f"{study}/documents/{document['id']}", [], 1

    while page:
        shown = member.get(f"{path}?page={page}").json
        assert len(shown["pages"]) <= 50
        pages += shown["pages"]
        page = shown["next_page"]

    assert len(pages) == document["page_count"] > 50
    whole = DocumentText.of_pages([each["text"] for each in pages])
    assert [each["start"] for each in pages] == list(whole.starts)
    assert whole.text == text


def test_nothing_of_a_document_is_readable_in_the_database(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, tier: Tier
) -> None:
    member = as_member(make_tenant(tier))
    study = new_study(member)
    document = upload(member, study, SECRET.encode()).json

    with app.app_context(), tenant_context(str(member.tenant.id)):
        stored = [
            bytes(each)
            for model in (StudyDocumentPage, StudyDocumentPart)
            for each in db.session.scalars(select(model.sealed))
        ]
    assert len(stored) == 2
    assert not any(b"Confidential" in each for each in stored)
    assert download(member, study, document["id"]).data == SECRET.encode()


def test_a_document_stays_readable_when_the_data_key_is_rotated(app: Flask, member: Member) -> None:
    study = new_study(member)
    document = upload(member, study, SECRET.encode()).json
    with app.app_context():
        rotate_data_key(member.tenant.id)
    later = upload(member, study, b"Later").json

    assert download(member, study, document["id"]).data == SECRET.encode()
    assert download(member, study, later["id"]).data == b"Later"


def test_a_piece_cannot_take_the_place_of_another(app: Flask, member: Member) -> None:
    document_id, other_id = uuid4(), uuid4()
    with app.app_context(), tenant_context(str(member.tenant.id)):
        cipher, other = DocumentCipher.new(document_id), DocumentCipher.new(other_id)
    sealed = cipher.seal(Piece.PAGE, 1, b"text")

    assert cipher.unseal(Piece.PAGE, 1, sealed) == b"text"
    for wrong, piece, number in (
        (cipher, Piece.PAGE, 2),
        (cipher, Piece.PART_OF_FILE, 1),
        (other, Piece.PAGE, 1),
    ):
        with pytest.raises(UnsealError):
            wrong.unseal(piece, number, sealed)


def test_a_study_has_a_file_once_and_two_studies_may_share_it(member: Member) -> None:
    study, other = new_study(member), new_study(member)

    answers = [upload(member, each, b"Same").status_code for each in (study, study, other)]

    assert answers == [201, 409, 201]


def test_a_document_is_found_in_its_own_study_only(member: Member) -> None:
    study, other = new_study(member), new_study(member)
    document = upload(member, study, b"Text").json["id"]

    assert member.get(f"{other}/documents/{document}").status_code == 404
    assert member.get(f"{other}/documents").json["data"] == []
    assert UUID(document)


def test_an_upload_is_refused_before_it_is_read(member: Member, as_member: AsMember) -> None:
    study = new_study(member)
    viewer = as_member(member.tenant, Role.VIEWER)

    assert upload(viewer, study, b"Text").status_code == 403
    assert upload(member, study, b"Text", "image/png").status_code == 415
    assert upload(member, study, b"").status_code == 400
    assert upload(member, f"/studies/{uuid4()}", b"Text").status_code == 404
    assert (
        member.post(f"{study}/documents", data=b"X", content_type="text/plain").status_code == 400
    )


def test_a_place_is_counted_over_all_pages() -> None:
    text = DocumentText.of_pages(["First", "", "Third"])

    assert text.at(Place(7, 12)) == "Third"
    assert [text.page_at(position) for position in (0, 5, 6, 7)] == [1, 1, 2, 3]
    assert text.at(Place(7, 13)) is None
    assert text.at(Place(3, 3)) is None
    assert text.says("First\nThird".replace("\n", "  "), Place(0, 12))
    assert not text.says("Second", Place(0, 5))
