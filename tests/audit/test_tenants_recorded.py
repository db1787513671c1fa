"""Two tenants that share ids have logs of their own, on each tier."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, Response
from marshmallow import Schema, fields
from members import AsMember, MakeTenant, Member
from sqlalchemy import insert
from tenant_records import Log

from trially import create_app
from trially.auth.permissions import Permission
from trially.auth.roles import Role
from trially.config import Settings
from trially.database.session import db, transaction
from trially.http.contract import View, contract_of, returns
from trially.http.disclosures import UnauditedViewError, refuse_unaudited_views
from trially.phi import IDENTIFIER, PLAIN
from trially.recruiting.patients.model import Patient
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

PATIENT_ID = "019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa"
PATH = f"/patients/{PATIENT_ID}"


@pytest.fixture
def two(app: Flask, make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> list[Member]:
    """Administrators of two tenants, each with a patient of the same id and MRN."""
    members = [as_member(make_tenant(tier)) for _ in range(2)]
    for member in members:
        patient = {"id": UUID(PATIENT_ID), "source_id": PATIENT_ID, "mrn": "1"}
        with app.app_context(), tenant_context(str(member.tenant.id)), transaction():
            db.session.execute(
                insert(Patient).values(
                    {**patient, "tenant_id": member.tenant.id, "given_name": "Ada"}
                )
            )
    return members


def test_each_tenant_records_its_own(app: Flask, two: list[Member], as_member: AsMember) -> None:
    asked, other = two
    log, others = Log(app, asked.tenant), Log(app, other.tenant)
    viewer = as_member(asked.tenant, Role.VIEWER)
    log.new()
    key = {"Idempotency-Key": "once"}
    body = {"mrn": "2", "given_name": "Bo", "family_name": "B", "birth_date": "1980-01-01"}

    def recorded(answer: Any, *actions: str) -> list[frozenset[int]]:
        records = log.new()
        assert [each.action for each in records] == list(actions)
        assert {each.outcome for each in records} == {answer.status_code}
        return [each.subjects for each in records]

    own = log.numbers([PATIENT_ID])
    shown = asked.get(PATH)
    assert recorded(shown, "read") == [own]
    unchanged = asked.get(PATH, headers={"If-None-Match": shown.headers["ETag"]})
    assert unchanged.status_code == HTTPStatus.NOT_MODIFIED
    assert recorded(unchanged, "read") == [own]
    assert recorded(asked.get("/patients"), "search") == [own]
    assert recorded(asked.post("/patients/search", json={"q": "nobody-here"}), "search") == [
        frozenset()
    ]
    created = asked.post("/patients", json={**body, "sex": "male"}, headers=key)
    [new] = recorded(created, "create")
    again = asked.post("/patients", json={**body, "sex": "male"}, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert recorded(again, "create") == [new]
    assert new == log.numbers([created.json["id"]])
    changed = asked.request(
        "PATCH",
        PATH,
        json={"language": "fr"},
        headers={"If-Match": "*", "Content-Type": "application/merge-patch+json"},
    )
    assert recorded(changed, "update") == [own]
    refused = viewer.delete(PATH, headers={"If-Match": "*"})
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert recorded(refused, "refuse") == [own]
    stranger = Member(app.test_client(), other.token, asked.tenant, "").request(
        "GET", f"/api/v1{PATH}", headers={"X-Tenant-ID": asked.tenant.slug}
    )
    assert stranger.status_code == HTTPStatus.FORBIDDEN
    assert others.new() == []
    assert asked.get("/patients/count").json == {"count": 2}
    assert asked.get("/studies").status_code == HTTPStatus.OK
    assert log.new() == []


class SilentSchema(Schema):
    """A schema that shows a patient and does not say whom."""

    id = fields.UUID(metadata=PLAIN)
    given_name = fields.String(metadata=IDENTIFIER)


def test_a_schema_that_shows_patients_and_says_not_whom_stops_the_start() -> None:
    with pytest.raises(UnauditedViewError, match="does not say which fields hold their ids"):
        returns(SilentSchema())


def test_a_view_that_returns_raw_data_of_patients_stops_the_start() -> None:
    def view() -> Response:
        """Return something raw."""
        return Response("Ada")

    guarded: View = view
    guarded.__dict__["permission"] = Permission.PATIENTS_READ
    guarded.__dict__["contract"] = contract_of(view)

    with pytest.raises(UnauditedViewError, match=r"'raw\.view' needs patients:read"):
        refuse_unaudited_views({"raw.view": guarded}, {Permission.PATIENTS_COUNT})


def test_a_route_whose_subjects_are_removed_stops_the_start(
    app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    view: View = app.view_functions["patients.show_patient"]
    silent = replace(contract_of(view), subjects=None)
    monkeypatch.setitem(view.__dict__, "contract", silent)

    with pytest.raises(UnauditedViewError, match=r"patients\.show_patient"):
        create_app(settings)
