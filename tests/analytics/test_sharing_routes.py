"""Only an owner lets counts leave the tenant, and ends that at once."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from shared_patients import AddPatients, Count, MakeNetwork, OwnerOf, RunJobs, accept
from sqlalchemy import insert, select, text

from trially.analytics.counting import count as count_tenant
from trially.analytics.publishing import publish
from trially.analytics.sharing.model import OrganisationConsent
from trially.audit.working import working
from trially.auth.roles import PhiLevel, Role
from trially.database.changes import note_derived
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.organisations.managing import create_organisation, invite_tenant, remove_tenant
from trially.tenancy.organisations.model import About, Organisation, SharedCount
from trially.tenancy.servers.preparing import reader_role

Invite = Callable[..., Organisation]


@pytest.fixture
def invite(app: Flask) -> Invite:
    """Create an organisation, and invite tenants to it."""

    def invite(*tenants: Tenant) -> Organisation:
        name = f"invites-{uuid4().hex[:8]}"
        with app.app_context():
            organisation = create_organisation(name, "A network")
            for tenant in tenants:
                invite_tenant(name, tenant.id)
        return organisation

    return invite


def stored(app: Flask, tenant: Tenant) -> list[dict[str, Any]]:
    with app.app_context(), control_engine().connect() as catalog:
        rows = catalog.execute(
            select(SharedCount.__table__).where(SharedCount.tenant_id == tenant.id)
        )
        return [dict(row) for row in rows.mappings()]


def states(member: Member) -> dict[str, str]:
    answer = member.get("/sharing")
    assert answer.status_code == 200, answer.text
    return {each["id"]: each["state"] for each in answer.json["organisations"]}


def test_a_tenant_shares_from_the_owners_consent_to_its_withdrawal(
    app: Flask,
    make_tenant: MakeTenant,
    tier: Tier,
    owner_of: OwnerOf,
    add_patients: AddPatients,
    invite: Invite,
    run_jobs: RunJobs,
) -> None:
    tenant = make_tenant(tier)
    owner = owner_of(tenant)
    add_patients(tenant, 12)
    organisation = invite(tenant)
    organisation_id = str(organisation.id)

    run_jobs()
    assert states(owner) == {organisation_id: "invited"}
    assert stored(app, tenant) == []

    assert states_of(accept(owner, organisation_id)) == {organisation_id: "joining"}
    assert stored(app, tenant) == []

    assert run_jobs() >= 1
    assert states(owner) == {organisation_id: "joined"}
    shown = owner.get("/sharing").json["counts"]
    assert {each["measure"]: each["at_least"] for each in shown}["patients"] == 11
    assert len(shown) == len(stored(app, tenant)) > 10

    assert owner.delete(f"/sharing/{organisation_id}", headers={"If-Match": "*"}).status_code == 204
    assert stored(app, tenant) == []
    assert states(owner) == {}
    run_jobs()
    assert stored(app, tenant) == []
    assert accept(owner, organisation_id).status_code == 404


def states_of(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {each["id"]: each["state"] for each in answer.json["organisations"]}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
def test_only_an_owner_accepts(
    app: Flask, tenant: Tenant, as_member: AsMember, invite: Invite, role: Role
) -> None:
    organisation_id = invite(tenant).id
    member = as_member(tenant, role, phi_level=PhiLevel.FULL)

    for answer in (
        member.post(f"/sharing/{organisation_id}/join"),
        member.delete(f"/sharing/{organisation_id}", headers={"If-Match": "*"}),
    ):
        assert answer.status_code == 403
        assert answer.json["code"] == "missing_permission"
    assert stored(app, tenant) == []


def test_an_api_key_of_an_owner_cannot_consent(
    tenant: Tenant, owner_of: OwnerOf, invite: Invite
) -> None:
    owner, organisation_id = owner_of(tenant), invite(tenant).id
    body = {"name": "All", "scopes": ["settings:read", "counts:share"], "valid_days": 1}
    refused = owner.post("/api-keys", json=body)
    assert refused.status_code in {403, 422}, refused.text
    assert states(owner) == {str(organisation_id): "invited"}


def test_another_tenants_invitation_is_not_there(
    make_tenant: MakeTenant, owner_of: OwnerOf, invite: Invite
) -> None:
    invited, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    organisation_id = str(invite(invited).id)
    owner, stranger = owner_of(invited), owner_of(other)

    assert accept(stranger, organisation_id).status_code == 404
    delete = stranger.delete(f"/sharing/{organisation_id}", headers={"If-Match": "*"})
    assert delete.status_code == 404
    assert states(stranger) == {}
    assert states(owner) == {organisation_id: "invited"}


def test_a_consent_counts_for_one_invitation(
    app: Flask,
    tenant: Tenant,
    owner_of: OwnerOf,
    add_patients: AddPatients,
    invite: Invite,
    count: Count,
) -> None:
    owner, organisation = owner_of(tenant), invite(tenant)
    add_patients(tenant, 11)
    accept(owner, str(organisation.id))
    assert count(tenant) == [About.PATIENTS, About.WORK]
    with app.app_context():
        remove_tenant(organisation.short_name, tenant.id)
        assert stored(app, tenant) == []
        invite_tenant(organisation.short_name, tenant.id)

    # The tenant's database still has the consent to the first invitation, as after a restore.
    assert states(owner) == {str(organisation.id): "invited"}
    assert count(tenant) == []
    assert stored(app, tenant) == []


def test_a_row_that_no_invitation_names_shares_nothing(
    app: Flask, tenant: Tenant, owner_of: OwnerOf, invite: Invite, count: Count
) -> None:
    owner, organisation = owner_of(tenant), invite(tenant)
    consent = {
        "id": uuid4(),
        "tenant_id": tenant.id,
        "organisation_id": organisation.id,
        "given_by": uuid4(),
    }
    with app.app_context(), tenant_context(tenant.slug), transaction():
        db.session.execute(insert(table_of(OrganisationConsent)).values(consent))
        note_derived("organisation_consent")

    assert count(tenant) == []
    assert stored(app, tenant) == []
    assert states(owner) == {str(organisation.id): "invited"}


def test_a_withdrawal_waits_for_counts_that_are_copied_and_deletes_them(
    app: Flask,
    make_tenant: MakeTenant,
    tier: Tier,
    owner_of: OwnerOf,
    add_patients: AddPatients,
    invite: Invite,
) -> None:
    tenant = make_tenant(tier)
    owner, organisation_id = owner_of(tenant), str(invite(tenant).id)
    add_patients(tenant, 11)
    accept(owner, organisation_id)
    answers: list[int] = []
    withdrawal = threading.Thread(
        target=lambda: answers.append(
            owner.delete(f"/sharing/{organisation_id}", headers={"If-Match": "*"}).status_code
        )
    )

    with app.app_context(), tenant_context(tenant.slug), working(), transaction():
        counted = [count_tenant(About.PATIENTS)]
        assert publish(counted)
        withdrawal.start()
        withdrawal.join(0.5)
        assert answers == []
        assert stored(app, tenant)
    withdrawal.join(30)

    assert answers == [204]
    assert stored(app, tenant) == []


def test_counts_that_were_made_before_a_withdrawal_are_not_copied_after_it(
    app: Flask, tenant: Tenant, owner_of: OwnerOf, add_patients: AddPatients, invite: Invite
) -> None:
    owner, organisation_id = owner_of(tenant), str(invite(tenant).id)
    add_patients(tenant, 11)
    accept(owner, organisation_id)
    with app.app_context(), tenant_context(tenant.slug), working():
        with transaction():
            counted = [count_tenant(About.PATIENTS)]
        owner.delete(f"/sharing/{organisation_id}", headers={"If-Match": "*"})
        with transaction():
            assert not publish(counted)

    assert stored(app, tenant) == []


def test_a_tenant_that_leaves_one_of_two_organisations_stays_in_the_other(
    tenant: Tenant, owner_of: OwnerOf, add_patients: AddPatients, make_network: MakeNetwork
) -> None:
    add_patients(tenant, 11)
    one, other = make_network(tenant), make_network(tenant)

    owner_of(tenant).delete(f"/sharing/{one.id}", headers={"If-Match": "*"})

    assert one.sums() == {}
    assert one.answer().json["tenants"] == 0
    assert other.sums()["patients", None, None] == (11, 21)


def test_the_role_of_requests_cannot_write_what_a_consent_decides(app: Flask) -> None:
    reader = reader_role(state_of(app).settings)
    with app.app_context(), control_engine().connect() as catalog:
        for table in ("organisation", "organisation_tenant", "organisation_person", "shared_count"):
            for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
                may = catalog.scalar(
                    text("SELECT has_table_privilege(:role, :table, :privilege)"),
                    {"role": reader, "table": f"catalog.{table}", "privilege": privilege},
                )
                assert not may, (table, privilege)


def test_the_owner_finds_the_consent_and_the_withdrawal_in_the_audit_log(
    tenant: Tenant, owner_of: OwnerOf, invite: Invite
) -> None:
    owner, organisation_id = owner_of(tenant), str(invite(tenant).id)
    accept(owner, organisation_id)
    owner.delete(f"/sharing/{organisation_id}", headers={"If-Match": "*"})

    records = owner.get("/audit?limit=50").json["data"]
    routes = [each["route"] for each in records]
    assert any("sharing/{organisation_id}/join" in str(route) for route in routes)
    assert any(str(route).startswith("DELETE /api/v1/sharing") for route in routes)
