"""`flask audit list`, `flask audit report` and `flask audit alerts`."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from members import AsMember, MakePatient, MakeTenant
from two_tenants import Clinic, make_clinic

from trially.tenancy.catalog_choices import Tier

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def one(make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient) -> Clinic:
    return make_clinic(make_tenant, as_member, make_patient, Tier.POOLED_ROWS)


def test_the_log_is_listed_and_the_command_is_in_it(one: Clinic, run_command: Run) -> None:
    slug, patient_id = one.owner.tenant.slug, one.patient["id"]
    done = run_command("audit", "list", slug, "--patient", patient_id, "--csv")
    [newest] = json.loads(run_command("audit", "list", slug, "--limit", "1", "--json").stdout)

    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert "'=Vic Viewer" in {row["member"] for row in rows}
    assert newest["route"].endswith("audit list")
    assert newest["operator"] is not None
    assert newest["patients"] == [patient_id]
    assert "SECRET" not in done.stdout


def test_a_report_is_written_and_recorded(one: Clinic, run_command: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    slug, patient_id = one.owner.tenant.slug, one.patient["id"]

    run_command("audit", "report", slug, patient_id, "--html", page)
    lines = json.loads(run_command("audit", "report", slug, patient_id, "--json").stdout)

    assert "=Vic Viewer, viewer" in page.read_text()
    assert lines[0]["how"] == "A command or job worked with your record"
    assert lines[0]["who"].endswith(", operator of trially")


def test_a_report_of_an_unknown_patient(one: Clinic, run_command: Run) -> None:
    done = run_command("audit", "report", one.owner.tenant.slug, str(one.owner.tenant.id))

    assert done.exit_code == 1
    assert "has no patient" in done.stderr


def test_alerts_of_one_tenant(one: Clinic, run_command: Run) -> None:
    one.owner.patch("/audit/alert-rules/bulk_reads", json={"threshold": 0})
    slug = one.owner.tenant.slug
    first = json.loads(run_command("audit", "alerts", slug, "--json").stdout)
    again = json.loads(run_command("audit", "alerts", slug, "--json").stdout)

    assert {each["tenant"] for each in first} == {slug}
    assert again == []
    assert run_command("audit", "alerts").exit_code == 2
