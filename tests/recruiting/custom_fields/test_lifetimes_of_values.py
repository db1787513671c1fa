"""What becomes of custom values when patients are merged, erased or corrected."""

import pytest
from custom_definitions import add_patient, define, listed
from flask import Flask
from members import AsMember, Member
from sqlalchemy import func, select

from trially.audit.working import working
from trially.database.session import db
from trially.recruiting.search.model import PatientSearchTerm, TermKind
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context


@pytest.fixture
def member(as_member: AsMember, tenant: Tenant) -> Member:
    found = as_member(tenant)
    define(found, name="nickname")
    return found


def test_each_record_of_a_person_keeps_its_own_values(member: Member) -> None:
    replaced = add_patient(member, custom={"nickname": "Old"})["id"]
    used = add_patient(member, custom={"nickname": "New"})["id"]

    merged = member.post(f"/patients/{replaced}/merge", json={"into": used})
    while_merged = [
        listed(member, f"custom.nickname={name}&record_status={status}")
        for name, status in (("Old", "current"), ("Old", "all"), ("New", "current"))
    ]
    member.delete(f"/patients/{replaced}/merge")

    assert merged.json["custom"] == {"nickname": "Old"}
    assert while_merged == [[], [replaced], [used]]
    assert member.get(f"/patients/{used}").json["custom"] == {"nickname": "New"}
    assert listed(member, "custom.nickname=Old") == [replaced]


def test_an_erased_patient_leaves_no_value(app: Flask, member: Member) -> None:
    patient = add_patient(member, custom={"nickname": "Zqgone"})["id"]

    erased = member.post(f"/patients/{patient}/erasure", json={"reason": "request"})

    assert erased.status_code == 200, erased.text
    assert listed(member, "custom.nickname=Zqgone&record_status=all") == []
    with app.app_context(), tenant_context(str(member.tenant.id)), working():
        counted = select(func.count()).where(PatientSearchTerm.kind == TermKind.CUSTOM)
        assert db.session.scalar(counted) == 0


def test_a_value_of_an_imported_patient_is_no_correction(member: Member) -> None:
    imported = b'{"resourceType": "Patient", "id": "p-1", "name": [{"family": "Lind"}]}'
    path = "/imports?source=ehr"
    member.post(path, data=imported, content_type="application/ndjson")
    [patient] = member.get("/patients?source=ehr").json["data"]
    one = f"/patients/{patient['id']}"

    changed = member.patch(one, json={"custom": {"nickname": "Kim"}})
    renamed = imported.replace(b"Lind", b"Berg")
    member.post(path, data=renamed, content_type="application/ndjson")

    assert changed.json["corrections"] == {}
    shown = member.get(one).json
    assert (shown["family_name"], shown["custom"]) == ("Berg", {"nickname": "Kim"})
