"""Everything that is stored about one person, and nothing about another."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from members import AsMember, MakeFact, MakePatient, MakeTenant, Member

from trially.auth.roles import PhiLevel, Role
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

ZIP = {"Accept": "application/zip"}


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    return make_tenant(tier)


@pytest.fixture
def admin(tenant: Tenant, as_member: AsMember) -> Member:
    return as_member(tenant)


def files_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_person_gets_all_of_it_and_nothing_of_others(
    tenant: Tenant, admin: Member, make_patient: MakePatient, make_fact: MakeFact
) -> None:
    person = make_patient(admin, family_name="Quillfeather")["id"]
    other = make_patient(admin, family_name="Brackenridge")["id"]
    make_fact(tenant, person, display="asthma-of-quill")
    make_fact(tenant, other, display="asthma-of-bracken")

    answer = admin.get(f"/patients/{person}/export", headers=ZIP)
    listed = admin.get(f"/patients/{person}/export").json

    assert answer.status_code == 200
    files = files_of(answer.data)
    whole = b"".join(files.values())
    patients = [name for name in files if name.endswith("/Patient.ndjson")]
    assert b"".join(files[name] for name in patients).count(b"Quillfeather") == 1
    assert b"asthma-of-quill" in files["records/clinical_fact.ndjson"]
    assert b"memory at" not in files["records/clinical_fact.ndjson"]
    assert b"Brackenridge" not in whole
    assert b"asthma-of-bracken" not in whole
    assert other.encode() not in whole
    assert b"audit_key" not in whole
    assert len(files["disclosures.csv"].splitlines()) >= 2
    names = {each["path"] for each in listed["files"]}
    assert names == files.keys() - {"manifest.json"}


def test_the_export_is_recorded_as_the_patients_request(
    admin: Member, make_patient: MakePatient
) -> None:
    person = make_patient(admin)["id"]
    admin.get(f"/patients/{person}/export", headers=ZIP)

    (record,) = admin.get(f"/audit?action=export&patient_id={person}").json["data"]
    assert record["purpose"] == "PATRQT"
    assert record["patients"] == [person]


def test_sites_levels_and_roles(
    tenant: Tenant, admin: Member, as_member: AsMember, make_patient: MakePatient
) -> None:
    sites = [admin.post("/sites", json={"name": f"S{n}-{admin.subject}"}).json["id"] for n in "ab"]
    mine, theirs = (make_patient(admin, site_id=site)["id"] for site in sites)
    restricted = as_member(tenant, Role.ADMIN, site_ids=[sites[0]])
    limited = as_member(tenant, Role.ADMIN, phi_level=PhiLevel.LIMITED)
    coordinator = as_member(tenant, Role.COORDINATOR)

    assert restricted.get(f"/patients/{mine}/export", headers=ZIP).status_code == 200
    assert restricted.get(f"/patients/{theirs}/export", headers=ZIP).status_code == 404
    assert limited.get(f"/patients/{mine}/export", headers=ZIP).status_code == 403
    assert coordinator.get(f"/patients/{mine}/export", headers=ZIP).status_code == 403


def test_records_that_were_merged_are_of_the_same_person(
    tenant: Tenant, admin: Member, as_member: AsMember, make_patient: MakePatient
) -> None:
    sites = [admin.post("/sites", json={"name": f"M{n}-{admin.subject}"}).json["id"] for n in "ab"]
    kept = make_patient(admin, site_id=sites[0], family_name="Keptname")["id"]
    merged = make_patient(admin, site_id=sites[1], family_name="Mergedname")["id"]
    answer = admin.post(f"/patients/{merged}/merge", json={"into": kept})
    assert answer.status_code < 300, answer.json

    files = files_of(admin.get(f"/patients/{kept}/export", headers=ZIP).data)
    restricted = as_member(tenant, Role.ADMIN, site_ids=[sites[0]])

    assert b"Mergedname" in files["records/patient.ndjson"]
    assert restricted.get(f"/patients/{kept}/export", headers=ZIP).status_code == 409


def test_the_command(
    tenant: Tenant,
    admin: Member,
    make_patient: MakePatient,
    run_command: Callable[..., Any],
    tmp_path: Path,
) -> None:
    person = make_patient(admin)["id"]

    done = run_command("patients", "export", tenant.slug, person, "--to", tmp_path / "p", "--json")
    unknown = run_command("patients", "export", tenant.slug, str(tenant.id), "--to", tmp_path / "x")

    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["person"] == person
    assert (tmp_path / "p" / "records" / "patient.ndjson").is_file()
    assert unknown.exit_code == 1
    assert "has no patient" in unknown.output
    assert not (tmp_path / "x").exists()
