"""Documents are imported as text, from every form in which sources send them."""

from typing import Any

import orjson
import pytest

from tests.recruiting.documents.document_examples import (
    attach,
    encode,
    make_binary,
    make_reference,
)
from tests.recruiting.documents.made_pdfs import make_pdf
from tests.recruiting.imports.fhir_examples import LOINC, PATIENT, SUBJECT, concept
from tests.recruiting.imports.importing import Importer, write_ndjson
from trially.recruiting.documents.extracting.problems import SENTENCES, TextProblem

RTF = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 Rechts \b Pl\'f6tzlich\b0\par zweitens}"
HTML = (
    "<html><head><title>T</title><style>p{}</style></head><body><h1>Plan</h1><p>Rest<br>home</p>"
    "<script>alert(1)</script><table><tr><th>Na</th><td>140</td></tr></table></body></html>"
)


@pytest.fixture
def texts(importer: Importer) -> Any:
    """Import resources after the patient, and return the pages of each document by its id."""

    def read(*resources: Any) -> dict[str, list[str]]:
        importer(PATIENT, *resources)
        pages: dict[str, list[str]] = {}
        for source_id, content in importer.query(
            "SELECT source_id, content FROM document LEFT JOIN document_page page"
            " ON page.document_id = document.id ORDER BY source_id, number"
        ):
            pages.setdefault(source_id, []).extend([] if content is None else [content])
        return pages

    return read


def test_a_document_keeps_what_its_source_says_of_it(importer: Importer) -> None:
    importer(
        PATIENT,
        make_reference(
            1,
            attach("Well.", title="Discharge of Ida"),
            type={
                "coding": [
                    {"system": "urn:local", "code": "DS", "display": "Entlassung"},
                    {"system": LOINC, "code": "18842-5", "display": "Discharge summary"},
                ]
            },
            docStatus="final",
            date="2021-03-01T23:30:00-05:00",
            author=[
                {"display": "Dr. Lee"},
                {"reference": "#x"},
                {"reference": "Practitioner/7"},
            ],
            contained=[
                {
                    "resourceType": "Practitioner",
                    "id": "x",
                    "name": [{"family": "Berg", "given": ["Ada"]}],
                }
            ],
            context={"encounter": [{"reference": "Encounter/e1"}]},
            meta={"versionId": "3", "lastUpdated": "2022-01-01T00:00:00Z"},
        ),
    )

    assert importer.query(
        "SELECT type_system, type_code, type_display, other_codings, category, title, author,"
        " at::text, at_precision, at_offset, dated_on::text, status, document_status,"
        " encounter_source_id, entered_in_error, version_number, version_at::text, base_url,"
        " source, source_type, page_count, character_count, text_problem, withdrawn_at"
        " FROM document"
    ) == [
        (
            LOINC,
            "18842-5",
            "Discharge summary",
            [{"system": "urn:local", "code": "DS", "display": "Entlassung"}],
            "clinical-note",
            "Discharge of Ida",
            "Dr. Lee; Ada Berg; Practitioner/7",
            "2021-03-02 04:30:00+00",
            "instant",
            -300,
            "2021-03-01",
            "current",
            "final",
            "e1",
            False,
            3,
            "2022-01-01 00:00:00+00",
            "",
            "fhir",
            "DocumentReference",
            1,
            5,
            None,
            None,
        )
    ]
    assert importer.faults() == []


def test_text_html_rtf_and_pdf_are_read(texts: Any, importer: Importer) -> None:
    assert texts(
        make_reference(1, attach("One\r\ntwo\x00 \u202ethree")),
        make_reference(2, attach(HTML, "text/html")),
        make_reference(3, attach(RTF, "application/rtf")),
        make_reference(4, attach(make_pdf("First page", "Second"), "application/pdf")),
        make_reference(5, attach("Grüße".encode("cp1252"), "text/plain; charset=iso-8859-1")),
        make_reference(6, attach("Grüße".encode("utf-16"), "text/plain")),
        make_reference(7, attach(HTML, "application/xhtml+xml")),
    ) == {
        "d1": ["One\ntwo three"],
        "d2": ["Plan\nRest\nhome\nNa | 140"],
        "d3": ["Rechts Plötzlich\nzweitens"],
        "d4": ["First page", "Second"],
        "d5": ["Grüße"],
        "d6": ["Grüße"],
        "d7": ["Plan\nRest\nhome\nNa | 140"],
    }
    assert importer.query("SELECT source_id FROM document WHERE has_page_numbers") == [("d4",)]
    assert importer.faults() == []


def test_the_bytes_decide_where_the_declared_type_is_wrong(texts: Any, importer: Importer) -> None:
    assert texts(
        make_reference(1, attach(make_pdf("A PDF"), "text/plain")),
        make_reference(2, attach(RTF, "application/msword")),
        make_reference(3, attach("Only text", "application/pdf")),
        make_reference(4, attach(HTML, None)),
    ) == {
        "d1": ["A PDF"],
        "d2": ["Rechts Plötzlich\nzweitens"],
        "d3": ["Only text"],
        "d4": ["Plan\nRest\nhome\nNa | 140"],
    }
    assert importer.faults() == []


UNREADABLE: list[tuple[dict[str, Any], TextProblem]] = [
    ({"contentType": "text/plain", "data": "not base64!"}, TextProblem.BROKEN_BASE64),
    ({"contentType": "text/plain", "data": "QUJD="}, TextProblem.BROKEN_BASE64),
    ({"contentType": "text/plain", "data": 5}, TextProblem.BROKEN_BASE64),
    ({"contentType": "text/plain", "data": ""}, TextProblem.EMPTY),
    (attach(" \n "), TextProblem.EMPTY),
    (attach(b"\xff\xd8\xff\x00", "image/jpeg"), TextProblem.UNSUPPORTED_TYPE),
    (attach(b"PK\x03\x04\x00\x00", None), TextProblem.UNSUPPORTED_TYPE),
    (attach(b"\x00\x01\x02", "text/plain"), TextProblem.NOT_TEXT),
    (attach(b"\x00\x01\x02", "application/pdf"), TextProblem.UNREADABLE),
    (attach(b"%PDF-1.7 and nothing else", "application/pdf"), TextProblem.UNREADABLE),
    (attach(make_pdf(" "), "application/pdf"), TextProblem.NO_TEXT),
    ({"contentType": "text/plain"}, TextProblem.EMPTY),
    ({"url": "https://example.org/secret.txt"}, TextProblem.URL_NOT_FETCHED),
    ({"url": "file:///etc/passwd"}, TextProblem.URL_NOT_FETCHED),
    ({"url": "#absent"}, TextProblem.NOT_IN_IMPORT),
    ({"url": "Binary/absent"}, TextProblem.NOT_IN_IMPORT),
]


def test_a_document_that_cannot_be_read_is_kept_and_is_a_fault(importer: Importer) -> None:
    job = importer(
        PATIENT,
        *(make_reference(number, attachment) for number, (attachment, _) in enumerate(UNREADABLE)),
    )

    stored = importer.query("SELECT source_id, page_count, text_problem FROM document")
    assert {source_id: rest for source_id, *rest in stored} == {
        f"d{number}": [0, problem] for number, (_, problem) in enumerate(UNREADABLE)
    }
    faults = {line: (reason, pointer) for _, line, reason, pointer in importer.faults()}
    assert len(faults) == len(importer.faults()) == job["error_count"] == len(UNREADABLE)
    for number, (_, problem) in enumerate(UNREADABLE):
        reason, pointer = faults[number + 2]
        assert reason.startswith("DocumentReference.content")
        assert reason.endswith(f"{SENTENCES[problem]}.")
        assert pointer.startswith("/content")


def test_a_document_of_several_formats_has_its_text_once(texts: Any, importer: Importer) -> None:
    same, other = attach("Chest pain."), attach("<p>Chest</p><p>pain.</p>", "text/html")

    assert texts(
        make_reference(1, same, other),
        make_reference(2, same, attach("No fever.")),
        make_reference(3, attach(b"\x00", "image/png"), attach(make_pdf("P"), "application/pdf")),
    ) == {"d1": ["Chest pain."], "d2": ["Chest pain.\n\nNo fever."], "d3": ["P"]}
    assert importer.query("SELECT source_id, text_problem FROM document ORDER BY 1") == [
        ("d1", None),
        ("d2", None),
        ("d3", "unsupported_type"),
    ]


def test_a_binary_is_found_wherever_it_is_in_the_import(texts: Any, importer: Importer) -> None:
    pdf = make_pdf("In a Binary")
    contained = {"resourceType": "Binary", "id": "inner", "contentType": "text/plain"}

    assert texts(
        make_binary("b1", pdf, "application/pdf"),
        make_reference(1, {"contentType": "application/pdf", "url": "Binary/b1"}),
        make_reference(2, {"url": "https://fhir.example.org/r4/Binary/b2/_history/1"}),
        make_reference(3, {"url": "#inner"}, contained=[{**contained, "data": encode("Inner")}]),
        make_reference(4, {"url": f"data:text/plain;base64,{encode('In the URL')}"}),
        make_reference(5, {"url": "Binary/b3"}, attach("And this")),
        make_binary("b2", "Later"),
        make_binary("b3", "<b>Bold</b>", "text/html"),
        make_binary("b4", "Nobody asks for this"),
    ) == {
        "d1": ["In a Binary"],
        "d2": ["Later"],
        "d3": ["Inner"],
        "d4": ["In the URL"],
        "d5": ["Bold\n\nAnd this"],
    }
    assert importer.faults() == []
    assert importer.value("SELECT count(*) FROM import_binary") == 0
    job = importer.query("SELECT counts, passed_over FROM import_job")[0]
    assert job[0]["DocumentReference"]["new"] == 5
    assert job[1] == {"Binary": 1}


def test_a_bundle_names_its_binaries_by_urn(importer: Importer) -> None:
    urn = "urn:uuid:11111111-2222-3333-4444-555555555555"
    patient = "urn:uuid:99999999-2222-3333-4444-555555555555"
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:aaaaaaaa-2222-3333-4444-555555555555",
                "resource": make_reference(1, {"url": urn}, subject={"reference": patient}),
            },
            {"fullUrl": urn, "resource": make_binary("b9", "From the Bundle")},
            {"fullUrl": patient, "resource": PATIENT},
        ],
    }

    importer.read(orjson.dumps(bundle))

    assert importer.query("SELECT content FROM document_page") == [("From the Bundle",)]


def test_a_report_is_a_document_if_it_has_text(texts: Any, importer: Importer) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": concept(LOINC, "24627-2", "CT of the chest"),
        "subject": SUBJECT,
        "effectiveDateTime": "2020-02-03",
        "issued": "2020-02-05T10:00:00Z",
        "performer": [{"display": "Radiology"}],
    }
    narrative = {"status": "generated", "div": "<div>Narrated</div>"}

    assert texts(
        {**report, "id": "r1", "conclusion": "No embolism.", "presentedForm": [attach("Lungs.")]},
        {**report, "id": "r2", "text": narrative},
        {**report, "id": "r3", "conclusion": "Short.", "text": narrative},
        {**report, "id": "r4"},
    ) == {"r1": ["No embolism.\n\nLungs."], "r2": ["Narrated"], "r3": ["Short."]}
    assert importer.query(
        "SELECT DISTINCT type_code, title, author, at::text, at_precision, at_offset FROM document"
    ) == [("24627-2", "CT of the chest", "Radiology", "2020-02-03 00:00:00+00", "day", None)]
    assert importer.value("SELECT passed_over FROM import_job") == {"DiagnosticReport": 1}
    assert importer.faults() == []


def test_a_composition_is_read_section_by_section(texts: Any, importer: Importer) -> None:
    composition = {
        "resourceType": "Composition",
        "id": "k1",
        "status": "final",
        "type": concept(LOINC, "11488-4", "Consult note"),
        "title": "Consultation",
        "date": "2019",
        "author": [{"display": "Dr. Lee"}],
        "subject": SUBJECT,
        "text": {"div": "<div>Left out, as the sections say all</div>"},
        "section": [
            {
                "title": "History",
                "text": {"div": "<div><p>Smoker</p></div>"},
                "section": [{"code": {"text": "Family"}, "text": {"div": "<div>None</div>"}}],
            },
            {"title": "Empty", "text": {"div": "<div> </div>"}},
        ],
    }

    assert texts(composition, {**composition, "id": "k2", "section": []}) == {
        "k1": ["History\nSmoker\n\nFamily\nNone\n\nEmpty"],
        "k2": ["Left out, as the sections say all"],
    }
    assert importer.query("SELECT title, at_precision, dated_on::text FROM document LIMIT 1") == [
        ("Consultation", "year", "2019-01-01")
    ]


def test_an_unknown_date_stays_unknown(importer: Importer) -> None:
    importer(PATIENT, make_reference(1, attach("Undated")))

    assert importer.query("SELECT at, at_precision, at_offset, dated_on FROM document") == [
        (None, None, None, None)
    ]


def test_importing_again_changes_only_what_differs(importer: Importer) -> None:
    pdf = make_pdf("One", "Two")
    first = make_reference(1, attach(pdf, "application/pdf"))
    second = make_reference(2, {"url": "Binary/b1"})
    importer(PATIENT, first, second, make_binary("b1", "Old"))
    marks = "SELECT document.xmin, page.xmin, content FROM document JOIN document_page page ON"
    marks += " document.id = document_id ORDER BY source_id, number"
    before, version = importer.query(marks), importer.versions()["p1"]

    again = importer(first, second, make_binary("b1", "Old"), PATIENT)
    assert again["counts"]["DocumentReference"]["changed"] == 0
    assert importer.query(marks) == before
    assert importer.versions()["p1"] == version

    changed = importer(second, make_binary("b1", "New"))
    counts = changed["counts"]["DocumentReference"]
    assert {kind: number for kind, number in counts.items() if number} == {
        "read": 1,
        "changed": 1,
    }
    assert [content for *_, content in importer.query(marks)] == ["One", "Two", "New"]
    assert importer.versions()["p1"] == version + 1


def test_a_document_before_its_patient_waits_for_both(importer: Importer) -> None:
    bad = make_reference(2, {"contentType": "text/plain", "data": "%"})

    importer(make_reference(1, {"url": "Binary/b1"}), bad, make_binary("b1", "Text"), PATIENT)

    assert importer.query("SELECT source_id, page_count FROM document ORDER BY 1") == [
        ("d1", 1),
        ("d2", 0),
    ]
    assert len(importer.faults()) == 1


def test_a_version_that_waits_does_not_replace_a_later_one(importer: Importer) -> None:
    importer.read(
        write_ndjson(PATIENT, make_reference(1, {"url": "Binary/absent"})),
        write_ndjson(make_reference(1, attach("The later version"))),
    )

    assert importer.query("SELECT content FROM document_page") == [("The later version",)]


def test_a_document_is_deleted_with_its_patient(importer: Importer) -> None:
    importer(PATIENT, make_reference(1, attach("Gone")))

    importer.query("DELETE FROM patient")

    assert importer.value("SELECT count(*) FROM document") == 0
    assert importer.value("SELECT count(*) FROM document_page") == 0


def test_a_strict_import_stops_at_a_document_without_text(importer: Importer) -> None:
    job = importer(PATIENT, make_reference(1, {"data": "%"}), strict=True)

    assert job["state"] == "failed"
    assert importer.value("SELECT count(*) FROM import_binary") == 0
