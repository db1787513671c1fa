"""Inputs of many forms are read, or refused with a sentence that says what they are."""

import codecs
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Member
from tests.recruiting.imports.importing import upload
from tests.recruiting.imports.reading.files import bundle

MRN = "http://st-arden.example/mrn"
MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"type": MR, "system": MRN, "value": "M-1"}],
    "name": [{"family": "Quill", "given": ["Nóra"]}],
    "birthDate": "1961-04-09",
}
CONDITION = {
    "resourceType": "Condition",
    "id": "c",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
    "subject": {"reference": "Patient/p"},
    "onsetDateTime": "2014-05-02",
}
BOTH: list[Any] = [PATIENT, CONDITION]


def lines(resources: list[Any], ending: str = "\n") -> str:
    return "".join(f"{json.dumps(each, ensure_ascii=False)}{ending}" for each in resources)


def pretty(resources: list[Any], between: str = "\n") -> str:
    return between.join(json.dumps(each, indent=1, ensure_ascii=False) for each in resources)


def zipped(content: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("export/all.ndjson", content)
    return written.getvalue()


def wrapped(*resources: Any) -> dict[str, Any]:
    parts = [{"name": "one", "resource": each} for each in resources[1:]]
    first = {"name": "return", "resource": resources[0], "part": parts}
    return {"resourceType": "Parameters", "parameter": [first]}


UTF16 = [codecs.BOM_UTF16_LE + lines(BOTH).encode("utf-16-le"), lines(BOTH).encode("utf-16-be")]

READ: dict[str, str | bytes] = {
    "lines": lines(BOTH),
    "byte order mark, CRLF, blank lines": "\ufeff\r\n" + lines(BOTH, "\r\n \r\n\r\n"),
    "UTF-16 with mark": UTF16[0],
    "UTF-16 without mark": UTF16[1],
    "UTF-16, pretty": codecs.BOM_UTF16_BE + pretty(BOTH).encode("utf-16-be"),
    "UTF-32": codecs.BOM_UTF32_LE + lines(BOTH).encode("utf-32-le"),
    "array": json.dumps(BOTH),
    "pretty array": json.dumps(BOTH, indent=2),
    "array with a comma after the last item": "[\n" + lines(BOTH, ",\n") + "]\n",
    "pretty array with a comma after the last item": "[" + pretty(BOTH, ",\n") + ",\n]",
    "arrays on lines": lines([[PATIENT], [CONDITION]]),
    "commas after lines": lines(BOTH, ",\n"),
    "commas before lines": ",".join(lines(BOTH).splitlines(keepends=True)),
    "pretty": pretty(BOTH),
    "pretty without line ends between": pretty(BOTH, ""),
    "pretty Bundles": pretty([bundle({"resource": each}) for each in BOTH]),
    "one after another on one line": lines(BOTH, ""),
    "JSON text sequence (RFC 7464)": "\x1e" + "\x1e".join(lines(BOTH).splitlines(keepends=True)),
    "JSON string of lines": json.dumps(lines(BOTH)),
    "JSON string of a Bundle": json.dumps(json.dumps(bundle(*({"resource": r} for r in BOTH)))),
    "lines of JSON strings": lines([json.dumps(each) for each in BOTH]),
    "ZIP": zipped(lines(BOTH)),
    "gzip members": b"".join(gzip.compress(lines([each]).encode()) for each in BOTH),
    "Parameters": json.dumps(wrapped(*BOTH)),
    "Bundle in Parameters": json.dumps(wrapped(bundle(*({"resource": each} for each in BOTH)))),
    "Bundles in Bundles": json.dumps(
        bundle(*({"resource": bundle({"resource": each})} for each in BOTH))
    ),
    "Bundle with one entry on each line": '{"resourceType":"Bundle","entry":[\n'
    + ",\n".join(json.dumps({"resource": each}) for each in BOTH)
    + "\n]}\n",
}


@pytest.fixture
def send(member: Member) -> Callable[..., Any]:
    def send(content: str | bytes, kind: str = "application/octet-stream", **query: str) -> Any:
        body = content.encode() if isinstance(content, str) else content
        options = "".join(f"&{name}={value}" for name, value in query.items())
        return upload(member, body, kind, f"?{options}").json

    return send


def held(member: Member, source: str = "fhir") -> list[tuple[str, str, list[str]]]:
    """Return name, MRN and conditions of the patients of a source, as the API shows them."""
    patients = member.get("/patients").json["data"]
    return sorted(
        (
            f"{patient['given_name']} {patient['family_name']}",
            patient["mrn"],
            [
                f"{record['code']} {record['start_at'][:10]}"
                for record in member.get(f"/patients/{patient['id']}/records").json["data"]
            ],
        )
        for patient in patients
        if patient["source"] == source
    )


def test_inputs_of_many_forms_give_the_same_records(
    member: Member, send: Callable[..., Any]
) -> None:
    wrong = {}
    for number, (form, content) in enumerate(READ.items()):
        job = send(content, source=f"s{number}")
        records = held(member, f"s{number}")
        if (job.get("error_count"), records) != (
            0,
            [("Nóra Quill", "M-1", ["44054006 2014-05-02"])],
        ):
            wrong[form] = (job, records)

    assert wrong == {}


EXPORT = "Export the records as FHIR JSON or NDJSON, and import those."
REFUSED = {
    '<?xml version="1.0"?><Patient xmlns="http://hl7.org/fhir"><id value="p"/></Patient>': (
        f"The file is FHIR in XML, which is not supported. {EXPORT}"
    ),
    '\ufeff<ClinicalDocument xmlns="urn:hl7-org:v3">': (
        f"The file is a CDA document, not FHIR. {EXPORT}"
    ),
    "<!DOCTYPE html><html><title>Log in</title></html>": (
        "The file is an HTML page, such as a login or error page of the server that it was loaded"
        f" from. {EXPORT}"
    ),
    "id,family,birth_date\n1,Quill,1961-04-09\n": (
        "The file is a table (CSV), not FHIR. Import it with `flask imports csv`, or upload it with"
        " the media type text/csv and the parameter `kind`."
    ),
    '"id";"family"\n"1";"Quill"\n': (
        "The file is a table (CSV), not FHIR. Import it with `flask imports csv`, or upload it with"
        " the media type text/csv and the parameter `kind`."
    ),
    "MSH|^~\\&|LAB|ARDEN|||20210304||ORU^R01|1|P|2.5\rPID|1||M-1\r": (
        "The file is HL7 v2, not FHIR. Import it with `flask imports hl7v2`, or upload it with the"
        " media type application/hl7-v2."
    ),
    "%PDF-1.7 Quill": f"The file is a PDF document. {EXPORT}",
}


@pytest.mark.parametrize("content", REFUSED)
def test_other_formats_are_refused_by_name(
    member: Member, send: Callable[..., Any], content: str
) -> None:
    problem = send(content, kind="application/fhir+json")

    assert (problem["status"], problem["code"]) == (422, "import_failed")
    (error,) = member.get(f"/imports/{problem['import_id']}/errors").json["data"]
    assert (error["code"], error["concerns"]) == ("wrong_format", "input")
    assert error["reason"] == REFUSED[content]


@pytest.mark.parametrize("content", ["7", "null", '"Quill"', "[7]", "Quill", "{}", "\n \n", "[]"])
def test_what_holds_no_record_is_no_success(
    member: Member, send: Callable[..., Any], content: str
) -> None:
    problem = send(content, kind="application/json")

    job = member.get(f"/imports/{problem['import_id']}").json
    assert (problem["code"], job["state"], job["counts"]) == ("import_failed", "failed", {})
    assert job["error_count"] == 1
    assert "Quill" not in problem["detail"] + job["failure"]


RESPONSE = {"resourceType": "Bundle", "type": "transaction-response"}
ERROR = {"severity": "error", "code": "processing", "diagnostics": "Quill not exported"}
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}, ERROR]}
NEXT = [{"relation": "self", "url": "a"}, {"relation": "next", "url": "http://a.example?page=2"}]
BAD = {"resourceType": "Patient", "id": "no_id"}


def test_a_response_without_resources_is_no_success(
    member: Member, send: Callable[..., Any]
) -> None:
    created = send(json.dumps({**RESPONSE, "entry": [{"response": {"status": "201 Created"}}]}))
    failed = send(json.dumps({**RESPONSE, "entry": [{"response": {"status": "403 Forbidden"}}]}))

    assert created["detail"].startswith("The input holds no resource.")
    assert failed["detail"].startswith("Nothing was imported. upload, line 1: The server answered")
    (error,) = member.get(f"/imports/{failed['import_id']}/errors").json["data"]
    assert (error["code"], "403" in error["reason"]) == ("export_error", True)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lines([BAD, PATIENT, CONDITION, OUTCOME]), "export_error"),
        (lines([BAD, PATIENT, CONDITION, bundle({"resource": OUTCOME})]), "export_error"),
        (lines([BAD, PATIENT, CONDITION, wrapped(OUTCOME)]), "export_error"),
        (
            lines([BAD, bundle(*({"resource": r} for r in BOTH), type="searchset", link=NEXT)]),
            "more_pages",
        ),
    ],
)
def test_what_makes_the_input_incomplete_is_reported_first(
    member: Member, send: Callable[..., Any], content: str, code: str
) -> None:
    job = send(content)

    errors = member.get(f"/imports/{job['id']}/errors").json["data"]
    first = member.get(f"/imports/{job['id']}/errors?limit=1").json
    rest = member.get(f"/imports/{job['id']}/errors?limit=1&cursor={first['page']['next']}").json
    assert [error["code"] for error in errors] == [code, "invalid_id"]
    assert first["data"] + rest["data"] == errors
    assert (job["error_count"], job["refused_count"]) == (2, 1)
    assert held(member) == [("Nóra Quill", "M-1", ["44054006 2014-05-02"])]
    assert "Quill" not in errors[0]["reason"]


def test_warnings_of_an_export_are_no_errors(member: Member, send: Callable[..., Any]) -> None:
    warning = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}

    job = send(lines([PATIENT, warning]))

    assert (job["error_count"], job["passed_over"]) == (0, {"OperationOutcome": 1})


def test_form_uploads_are_refused_with_advice(member: Member) -> None:
    answer = member.post("/imports?source=fhir", data={"file": (io.BytesIO(b"{}"), "a.ndjson")})

    assert answer.status_code == 415
    assert answer.json["detail"].endswith("The body is the file itself, not a form.")
