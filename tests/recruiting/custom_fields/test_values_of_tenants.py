"""Two tenants with fields of the same names and patients of the same ids, on every tier."""

from uuid import UUID

import pytest
from custom_definitions import VALUES, add_patient, define, define_all, listed
from encrypted_tenants import encrypt
from flask import Flask
from members import AsMember, MakeTenant, Member

from trially.audit.working import working
from trially.auth.roles import Role
from trially.database.rows import insert_item
from trially.database.session import transaction
from trially.recruiting.custom_fields.model import CustomField
from trially.recruiting.patients.model import Patient
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

SHARED = UUID("01900000-0000-7000-8000-00000000c0de")


@pytest.fixture(scope="module", params=["readable", "encrypted"])
def members(
    request: pytest.FixtureRequest,
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    tier: Tier,
) -> tuple[Member, Member]:
    """Members of two tenants, who have the ids of a patient and of a field in common."""
    tenants = [make_tenant(tier), make_tenant(tier)]
    if request.param == "encrypted":
        tenants[0] = encrypt(app, tenants[0])
    for tenant in tenants:
        with app.app_context(), tenant_context(str(tenant.id)), working(), transaction():
            field = {"resource": "patient", "name": "ward", "label": "Ward", "type": "text"}
            insert_item(CustomField, {**field, "id": SHARED, "phi": "identifier"}, ("id",))
            names = {"given_name": "Ada", "family_name": "Shared", "mrn": "M-1"}
            insert_item(Patient, {**names, "id": SHARED, "source_id": str(SHARED)}, ("id",))
    first, second = (as_member(tenant) for tenant in tenants)
    return first, second


def test_no_value_is_seen_or_found_by_the_other_tenant(members: tuple[Member, Member]) -> None:
    one, other = members
    path = f"/patients/{SHARED}"
    for member, value in ((one, "Mine"), (other, "Theirs")):
        changed = member.patch(path, json={"custom": {"ward": value}})
        assert changed.status_code == 200, changed.text

    assert one.get(path).json["custom"] == {"ward": "Mine"}
    assert other.get(path).json["custom"] == {"ward": "Theirs"}
    assert listed(one, "custom.ward=Mine") == listed(other, "custom.ward=Theirs") == [str(SHARED)]
    assert listed(one, "custom.ward=Theirs") == listed(other, "custom.ward=Mine") == []


def test_a_field_of_one_tenant_is_no_field_of_the_other(members: tuple[Member, Member]) -> None:
    one, other = members
    define(one, name="only_here")
    one.patch(f"/custom-fields/{SHARED}", json={"label": "Renamed", "phi": "none"})

    refused = other.patch(f"/patients/{SHARED}", json={"custom": {"only_here": "X"}})
    unknown = other.get("/patients?custom.only_here=X")

    assert (refused.status_code, unknown.status_code) == (422, 400)
    assert other.get(f"/custom-fields/{SHARED}").json["label"] == "Ward"
    assert other.get(f"/custom-fields/{SHARED}").json["phi"] == "identifier"


def test_filters_answer_the_same_everywhere(members: tuple[Member, Member]) -> None:
    for member in members:
        define_all(member)
        wanted = add_patient(member, custom=VALUES)["id"]
        add_patient(member, custom={"cohort": "B", "score": 1})

        for name, value in VALUES.items():
            text = str(value).lower() if isinstance(value, bool) else value
            assert listed(member, f"custom.{name}={text}") == [wanted], name


def test_a_member_of_another_site_finds_nothing(
    members: tuple[Member, Member], as_member: AsMember
) -> None:
    owner = members[0]
    define(owner, name="room")
    here, there = (owner.post("/sites", json={"name": name}).json["id"] for name in ("H", "T"))
    patient = add_patient(owner, site_id=here, custom={"room": "101"})["id"]
    visitor, local = (
        as_member(owner.tenant, Role.COORDINATOR, site_ids=[UUID(site)]) for site in (there, here)
    )

    assert listed(visitor, "custom.room=101") == []
    assert visitor.get("/patients/count?custom.room=101").json == {"count": 0}
    assert visitor.patch(f"/patients/{patient}", json={"custom": {"room": "1"}}).status_code == 404
    assert listed(local, "custom.room=101") == [patient]
