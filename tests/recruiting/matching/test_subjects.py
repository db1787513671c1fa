"""Patients have ordinals, and each change of a patient gets a number, on every tier."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from members import AsMember, MakeFact, MakeTenant, Member
from sqlalchemy import select, text

from trially.database.changes import note_written
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.recruiting.matching.model import MatchSubject
from trially.recruiting.matching.subjects import number_changes
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

subject = table_of(MatchSubject).c


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    make_tenant(tier)
    return make_tenant(tier)


@pytest.fixture(scope="module")
def member(tenant: Tenant, as_member: AsMember) -> Member:
    return as_member(tenant)


@pytest.fixture
def number(app: Flask, tenant: Tenant) -> Callable[[], dict[UUID | None, tuple[int, int]]]:
    """Return a function that numbers the changes, and returns ordinal and number by patient."""

    def read() -> dict[UUID | None, tuple[int, int]]:
        with app.app_context(), tenant_context(str(tenant.id)), transaction():
            last = number_changes()
            rows = db.session.execute(
                select(subject.patient_id, subject.ordinal, subject.change_number).where(
                    of_current_tenant(MatchSubject)
                )
            ).all()
            assert max((row.change_number for row in rows), default=0) <= last
            return {row.patient_id: (row.ordinal, row.change_number) for row in rows}

    return read


def add(member: Member) -> UUID:
    names = {"given_name": "Ada", "family_name": "Example"}
    body = {"mrn": str(uuid4()), "birth_date": "1960-05-17", "sex": "other", **names}
    answer = member.post("/patients", json=body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json["id"])


def test_new_patients_get_the_next_ordinals(member: Member, number: Any) -> None:
    before = len(number())
    added = [add(member) for _ in range(3)]

    after = number()

    assert sorted(after[each][0] for each in added) == [before, before + 1, before + 2]
    assert number() == after


def test_every_kind_of_change_gets_a_higher_number(
    app: Flask, tenant: Tenant, member: Member, number: Any, make_fact: MakeFact
) -> None:
    changed, same = add(member), add(member)
    former = number()

    def latest() -> int:
        nonlocal former
        now = number()
        assert now[same] == former[same]
        assert now[changed][0] == former[changed][0]
        assert now[changed][1] > former[changed][1]
        former = now
        return int(now[changed][1])

    make_fact(tenant, str(changed), code="4548-4")
    latest()
    for statement in (
        "UPDATE clinical_fact SET value_number = 7 WHERE patient_id = :id",
        "DELETE FROM clinical_fact WHERE patient_id = :id",
    ):
        with app.app_context(), tenant_context(str(tenant.id)):
            db.session.execute(text(statement), {"id": changed})
            note_written("clinical_fact", patients=[changed])
            db.session.commit()
        latest()
    member.patch(f"/patients/{changed}", json={"sex": "female"})
    latest()


def test_the_ordinal_of_a_deleted_patient_is_not_given_again(member: Member, number: Any) -> None:
    gone = add(member)
    ordinals = {ordinal for ordinal, _ in number().values()}

    assert member.delete(f"/patients/{gone}").status_code == 204
    assert gone not in number()
    new = add(member)

    assert number()[new][0] not in ordinals
