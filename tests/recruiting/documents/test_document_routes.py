"""A patient's documents: listed, searched and read, by those who may."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from tenant_databases import TIERS

from tests.recruiting.documents.document_examples import attach, make_reference
from tests.recruiting.documents.made_pdfs import make_pdf
from tests.recruiting.imports.fhir_examples import LOINC, PATIENT, concept
from tests.recruiting.imports.importing import Importer
from trially.auth.roles import PhiLevel, Role
from trially.recruiting.documents.pages import MOST_CHARACTERS_SHOWN
from trially.tenancy.catalog_choices import Tier

NOTES = (
    make_reference(
        1,
        attach(
            "He has chest pain. L\u2019état général: fébrile, Müller sign. pH 7.35. No fractures."
        ),
        date="2021-05-01T23:30:00-05:00",
        description="Visit",
    ),
    make_reference(
        2,
        attach("Chest is clear, no pain in the leg. Metformin stopped."),
        date="2022",
        type=concept(LOINC, "34117-2", "History and physical"),
        status="superseded",
    ),
    make_reference(3, attach(make_pdf("Page one", "Chest pain again"), "application/pdf")),
    make_reference(4, attach("Wrong patient"), status="entered-in-error", date="2020-01-01"),
)


class Clinic:
    """A tenant with one imported patient who has documents."""

    def __init__(self, member: Member, importer: Importer) -> None:
        self.member = member
        self.importer = importer
        self.patient_id = str(importer.value("SELECT id FROM patient WHERE source_id = 'p1'"))
        self.path = f"/patients/{self.patient_id}/documents"

    def listed(self, member: Member | None = None, **query: Any) -> Any:
        answer = (member or self.member).get(self.path, query_string=query)
        assert answer.status_code == 200, answer.text
        return answer.json["data"]

    def found(self, q: str, **query: Any) -> list[str]:
        return [each["source_id"] for each in self.listed(q=q, **query)]

    def id_of(self, source_id: str) -> str:
        return str(
            self.importer.value("SELECT id FROM document WHERE source_id = :id", id=source_id)
        )


@pytest.fixture(scope="module")
def make_clinic(app: Flask, make_tenant: MakeTenant, as_member: AsMember) -> Callable[..., Clinic]:
    def make(tier: Tier | None = None, *resources: Any) -> Clinic:
        tenant = make_tenant(**({} if tier is None else {"tier": tier}))
        importer = Importer(app, tenant)
        importer(PATIENT, *(resources or NOTES))
        return Clinic(as_member(tenant), importer)

    return make


@pytest.fixture(scope="module")
def clinic(make_clinic: Callable[..., Clinic]) -> Clinic:
    return make_clinic()


def test_documents_are_listed_newest_first_and_undated_ones_last(clinic: Clinic) -> None:
    listed = clinic.listed()

    assert [each["source_id"] for each in listed] == ["d2", "d1", "d3"]
    assert [each["at"] for each in listed] == ["2022-01-01T00:00:00Z", "2021-05-02T04:30:00Z", None]
    assert listed[1]["dated_on"] == "2021-05-01"
    assert listed[1]["at_offset"] == -300
    assert {each["snippets"] for each in listed} == {None}
    assert "pages" not in listed[0]


def test_pages_of_the_list_show_each_document_once(clinic: Clinic) -> None:
    for query in ({}, {"q": "chest"}):
        ids, cursor = [], {}
        while True:
            page = clinic.member.get(clinic.path, query_string={"limit": 1, **query, **cursor}).json
            ids += [each["source_id"] for each in page["data"]]
            if not page["page"]["has_more"]:
                break
            cursor = {"cursor": page["page"]["next"]}
        assert sorted(ids) == ["d1", "d2", "d3"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"type_code": "34117-2"}, ["d2"]),
        ({"category": "clinical-note"}, ["d2", "d1", "d3"]),
        ({"category": "other"}, []),
        ({"status": "superseded"}, ["d2"]),
        ({"source": "fhir", "source_type": "DocumentReference"}, ["d2", "d1", "d3"]),
        ({"source_type": "Composition"}, []),
        ({"dated_from": "2021-05-02"}, ["d2"]),
        ({"dated_from": "2021-05-01", "dated_to": "2021-05-01"}, ["d1"]),
        ({"dated_to": "2021-12-31"}, ["d1"]),
        ({"entered_in_error": "true"}, ["d4"]),
        ({"withdrawn": "true"}, []),
        ({"withdrawn": "all"}, ["d2", "d1", "d3"]),
    ],
)
def test_filters(clinic: Clinic, query: dict[str, Any], found: list[str]) -> None:
    assert [each["source_id"] for each in clinic.listed(**query)] == found


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("chest pain", ["d1", "d2", "d3"]),
        ('"chest pain"', ["d1", "d3"]),
        ('chest -"chest pain"', ["d2"]),
        ("chest -metformin", ["d1", "d3"]),
        ("CHEST   Clear", ["d2"]),
        ("metf", ["d2"]),
        ("met", []),
        ("met*", ["d2"]),
        ("fracture", ["d1"]),
        ("l'etat general", ["d1"]),
        ("l\u02bcE\u0301TAT", ["d1"]),
        ("muller", ["d1"]),
        ("MU\u0308LLER", ["d1"]),
        ("7.35", ["d1"]),
        ("7.3", []),
        ("visit", ["d1"]),
        ('"History and physical"', ["d2"]),
        ("chest fever", []),
        ("'; DROP TABLE document; --", []),
        (r"chest & \ | ( : ! <->", ["d1", "d2", "d3"]),
        ("wrong patient", []),
        ("一 患者", []),
    ],
)
def test_searches(clinic: Clinic, q: str, found: list[str]) -> None:
    assert sorted(clinic.found(q)) == found


def test_a_search_ranks_and_shows_where_it_found_its_words(clinic: Clinic) -> None:
    first, second = clinic.listed(q='"chest pain"')

    assert {first["source_id"], second["source_id"]} == {"d1", "d3"}
    by_id = {each["source_id"]: each["snippets"] for each in (first, second)}
    assert by_id["d3"] == [
        {
            "page": 2,
            "parts": [{"text": "Chest pain", "match": True}, {"text": " again", "match": False}],
        }
    ]
    (snippet,) = clinic.listed(q="etat")[0]["snippets"]
    assert [part["text"] for part in snippet["parts"] if part["match"]] == ["état"]
    assert clinic.listed(q="history")[0]["snippets"] == []


def test_a_search_can_be_narrowed(clinic: Clinic) -> None:
    assert clinic.found("chest", dated_from="2021-01-01", dated_to="2021-12-31") == ["d1"]
    assert clinic.found("wrong", entered_in_error="true") == ["d4"]
    page = clinic.member.get(clinic.path, query_string={"q": "chest", "total": "true"}).json
    assert page["page"]["total"] == 3


@pytest.mark.parametrize("q", ["", " ", "-", '"', "-fever", "'!&|", "x" * 201, "a\x00b"])
def test_a_search_without_words_is_an_error(clinic: Clinic, q: str) -> None:
    answer = clinic.member.get(clinic.path, query_string={"q": q})

    assert answer.status_code in (400, 422)
    assert answer.json["errors"][0]["pointer"] == "/q"


def test_a_document_is_shown_with_its_text(clinic: Clinic) -> None:
    answer = clinic.member.get(f"{clinic.path}/{clinic.id_of('d3')}", query_string={"q": "chest"})

    assert answer.status_code == 200
    assert answer.json["has_page_numbers"] is True
    assert answer.json["pages"] == [
        {"number": 1, "text": "Page one", "parts": [{"text": "Page one", "match": False}]},
        {
            "number": 2,
            "text": "Chest pain again",
            "parts": [{"text": "Chest", "match": True}, {"text": " pain again", "match": False}],
        },
    ]
    assert answer.json["next_page"] is None
    last = clinic.member.get(f"{clinic.path}/{clinic.id_of('d3')}?page=2").json
    assert [(page["number"], page["parts"]) for page in last["pages"]] == [(2, None)]
    assert clinic.member.get(f"{clinic.path}/{clinic.id_of('d3')}?page=3").json["pages"] == []


def test_a_long_text_comes_in_bounded_pieces(make_clinic: Callable[..., Clinic]) -> None:
    lines = [f"Line {number} of the text" for number in range(20_000)]
    clinic = make_clinic(None, make_reference(1, attach("\n".join(lines))))
    path = f"{clinic.path}/{clinic.id_of('d1')}"
    read: list[str] = []
    page = 1
    while page is not None:
        answer = clinic.member.get(f"{path}?page={page}")
        assert len(answer.data) < 2 * MOST_CHARACTERS_SHOWN
        read += [line for each in answer.json["pages"] for line in each["text"].split("\n")]
        page = answer.json["next_page"]

    assert read == lines
    (found,) = clinic.listed(q='"line 19999"')
    assert found["snippets"][0]["page"] == found["page_count"] > 40


def give_same_id(importer: Importer, document_id: str) -> None:
    """Change the id of the only document to one that another tenant has, too."""
    pages = "SELECT tenant_id::text, id::text, number, content, search::text FROM document_page"
    ((tenant_id, page_id, number, content, search),) = importer.query(pages)
    importer.query("DELETE FROM document_page")
    importer.query("UPDATE document SET id = :id", id=document_id)
    importer.query(
        "INSERT INTO document_page (tenant_id, id, document_id, number, content, search) VALUES"
        " (:tenant_id, :page_id, :id, :number, :content, CAST(:search AS tsvector))",
        id=document_id,
        tenant_id=tenant_id,
        page_id=page_id,
        number=number,
        content=content,
        search=search,
    )


@pytest.mark.parametrize("tier", TIERS)
def test_tenants_members_and_levels(
    make_clinic: Callable[..., Clinic], as_member: AsMember, tier: Tier
) -> None:
    one = make_clinic(tier)
    other = make_clinic(tier, make_reference(1, attach("Chest of the other tenant")))
    document_id = one.id_of("d1")
    give_same_id(other.importer, document_id)

    assert sorted(one.found('"chest pain"')) == ["d1", "d3"]
    assert other.found("chest") == ["d1"]
    assert other.member.get(f"{one.path}/{document_id}").status_code == 404
    shown = other.member.get(f"{other.path}/{document_id}").json
    assert [page["text"] for page in shown["pages"]] == ["Chest of the other tenant"]
    assert "chest pain" in one.member.get(f"{one.path}/{document_id}").text
    everywhere = [each.member.get("/documents?q=chest").json["data"] for each in (one, other)]
    assert [len(found) for found in everywhere] == [3, 1]
    assert {each["patient_id"] for each in everywhere[1]} == {other.patient_id}
    one.importer.query("UPDATE patient SET withdrawn_at = now(), withdrawn_reason = 'deleted'")
    assert one.member.get("/documents?q=chest").json["data"] == []
    one.importer.query("UPDATE patient SET withdrawn_at = NULL, withdrawn_reason = NULL")

    site = one.member.post("/sites", json={"name": "Away"}).json["id"]
    away = as_member(one.importer.tenant, Role.COORDINATOR, site_ids=[site])
    for path in (one.path, f"{one.path}?q=chest", f"{one.path}/{document_id}"):
        assert away.get(path).status_code == 404
    for path in ("/documents", "/documents?q=chest", f"/documents?site_id={site}"):
        assert away.get(path).json["data"] == []
    assert one.member.get(f"/documents?site_id={site}").json["data"] == []

    limited = as_member(one.importer.tenant, Role.COORDINATOR, phi_level=PhiLevel.LIMITED)
    shown = limited.get(f"{one.path}/{document_id}").json
    assert {shown["title"], shown["author"], shown["type_display"]} == {None}
    assert (shown["type_code"], shown["dated_on"]) == ("18842-5", "2021-05-01")
    assert [(page["number"], page["text"]) for page in shown["pages"]] == [(1, None)]
    assert b"chest" not in limited.get(one.path).data.lower()
    assert b"chest" not in limited.get("/documents").data.lower()
    for path in (one.path, f"{one.path}/{document_id}", "/documents"):
        refused = limited.get(path, query_string={"q": "chest"})
        assert (refused.status_code, refused.json["code"]) == (403, "phi_level_required")
