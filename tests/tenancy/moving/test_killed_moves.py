"""A mover is killed at each step. Exactly one side is writable afterwards, and nothing is lost."""

import os
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from killed_programs import run_killed
from members import AsMember, MakePatient, MakeTenant, Member
from moved_tenants import contents, left_behind, placements_of, writable_sides

from trially.config import Settings
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import OperationState, Tier
from trially.tenancy.lifecycle.moving.settling import settle
from trially.tenancy.lifecycle.operations import (
    OperationDoneError,
    run_operation,
    undo_operation,
    unfinished_operations,
)

STEPS = ("copy", "catch_up", "lock", "drain", "compare", "fence", "open", "switch", "unlock")
FENCED = ("open", "switch")
"""Who dies when one of these begins has fenced the source."""

POOLED, DEDICATED, SCHEMA = Tier.POOLED_ROWS, Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA
CASES = [
    *((POOLED, DEDICATED, step) for step in STEPS),
    (DEDICATED, SCHEMA, "open"),
    (SCHEMA, POOLED, "catch_up"),
]
UNDONE = [
    *((POOLED, DEDICATED, step) for step in ("copy", "open", "unlock")),
    (SCHEMA, POOLED, "open"),
]


@pytest.fixture(scope="module")
def killed(
    app: Flask,
    settings: Settings,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
) -> dict[Any, Member]:
    """Kill a mover in each case, and return a member of each tenant."""
    members: dict[Any, Member] = {}
    lines = []
    cases = [(*case, "finished") for case in CASES] + [(*case, "undone") for case in UNDONE]
    for here, there, step, end in cases:
        member = as_member(make_tenant(here))
        for _ in range(3):
            make_patient(member)
        members[here, there, step, end] = member
        lines.append(f"{member.tenant.slug} {there} {step}")
    program = Path(__file__).with_name("killed_moves.py")
    run_killed(program, lines, settings, seconds=240)
    return members


def is_served(member: Member) -> bool:
    patient = {"mrn": os.urandom(4).hex(), "birth_date": "1980-01-01", "sex": "female"}
    patient |= {"given_name": "Ann", "family_name": "Lee"}
    return member.post("/patients", json=patient).status_code == 201


def operation_of(app: Flask, tenant: Tenant) -> Any:
    with app.app_context():
        found = [each for each in unfinished_operations() if each.tenant_id == tenant.id]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(("here", "there", "step"), CASES)
def test_a_killed_move_is_finished(
    app: Flask, killed: dict[Any, Member], here: Tier, there: Tier, step: str
) -> None:
    member = killed[here, there, step, "finished"]
    tenant, before = member.tenant, None
    assert len(writable_sides(app, tenant.id)) == (0 if step == "open" else 1)
    assert is_served(member) == (step not in FENCED)
    if step in FENCED:
        with app.app_context():
            assert [(each.tenant, each.action, each.error) for each in settle(tenant.id)] == [
                (tenant.slug, "finish", None)
            ]
        before = contents(app, placements_of(app, tenant.id)[1])
    else:
        operation = operation_of(app, tenant)
        with app.app_context():
            assert run_operation(operation.id).state == OperationState.DONE

    active, former = placements_of(app, tenant.id)
    assert (active.tier, former.tier) == (there, here)
    assert [each.id for each in writable_sides(app, tenant.id)] == [active.id]
    if before is not None:
        assert contents(app, active) == before
    assert is_served(member)
    assert len(member.get("/patients").json["data"]) == 4 + (step not in FENCED)
    assert left_behind(app, tenant.id) == []


@pytest.mark.parametrize(("here", "there", "step"), UNDONE)
def test_a_killed_move_is_undone_until_the_switch(
    app: Flask, killed: dict[Any, Member], here: Tier, there: Tier, step: str
) -> None:
    member = killed[here, there, step, "undone"]
    operation = operation_of(app, member.tenant)
    with app.app_context():
        if step == "unlock":
            with pytest.raises(OperationDoneError, match="too far to be undone"):
                undo_operation(operation.id, "by the test")
            run_operation(operation.id)
        else:
            undo_operation(operation.id, "by the test")

    active, *others = placements_of(app, member.tenant.id)
    assert active.tier == (there if step == "unlock" else here)
    assert len(others) == (1 if step == "unlock" else 0)
    assert [each.id for each in writable_sides(app, member.tenant.id)] == [active.id]
    assert is_served(member)
    assert len(member.get("/patients").json["data"]) == 4
    assert left_behind(app, member.tenant.id) == []
