"""The report that a patient can ask for."""

import csv
import io

from members import MakePatient
from two_tenants import Clinic


def test_a_report_says_who_saw_what_and_why(clinic: Clinic, make_patient: MakePatient) -> None:
    other = make_patient(clinic.owner)
    clinic.owner.get("/patients")
    lines = clinic.auditor.get(clinic.report).json["data"]

    vic = [each for each in lines if each["who"] == "=Vic Viewer, viewer"]
    assert [each["how"] for each in vic] == [
        "Your record was shown",
        "Your record was shown in a list",
    ]
    assert all(each["identifiers_hidden"] for each in vic)
    assert "birth date" in vic[0]["seen"]
    assert vic[0]["why"] == "To find participants for clinical trials"
    assert ["phone"] in [each["changed"] for each in lines]
    assert other["id"] not in str(lines)


def test_a_report_can_be_printed(clinic: Clinic) -> None:
    page = clinic.auditor.get(clinic.report, headers={"Accept": "text/html"}).text
    table = clinic.auditor.get(clinic.report, headers={"Accept": "text/csv"}).text

    rows = list(csv.DictReader(io.StringIO(table)))
    assert "'=Vic Viewer, viewer" in {row["who"] for row in rows}
    assert clinic.owner.tenant.name in page
    assert "=Vic Viewer, viewer" in page
    assert "SECRET" not in page + table
    assert rows[0]["why"] == "To tell a patient who used the patient's data"


def test_a_report_is_of_a_period(clinic: Clinic) -> None:
    lines = clinic.auditor.get(clinic.report).json["data"]
    first = lines[-1]["at"].replace("+", "%2B")

    later = clinic.auditor.get(f"{clinic.report}?since={first}&limit=200").json["data"]
    earlier = clinic.auditor.get(f"{clinic.report}?until={first}").json["data"]

    assert lines[-1]["id"] in {each["id"] for each in later}
    assert earlier == []


def test_a_refused_request_is_no_disclosure(clinic: Clinic, neighbour: Clinic) -> None:
    clinic.auditor.get(f"/patients/{clinic.patient['id']}")

    ways = {each["how"] for each in clinic.auditor.get(clinic.report).json["data"]}
    logged = clinic.auditor.get(f"/audit?action=refuse&patient_id={clinic.patient['id']}")

    assert "An error message mentioned your record" not in ways
    assert [each["outcome"] for each in logged.json["data"]] == [403]
