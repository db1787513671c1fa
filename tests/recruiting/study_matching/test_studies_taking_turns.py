"""All patients are matched study by study, and changes meanwhile are not lost, on every tier."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from members import AsMember, MakeFact, MakeTenant, Member

from tests.recruiting.study_matching.matched_studies import (
    add_patient,
    add_study,
    count_wrong,
    hba1c,
)
from trially.database.session import transaction
from trially.jobs.kinds import Turn
from trially.recruiting.matching import setwise
from trially.recruiting.matching.subjects import matched_up_to, number_changes
from trially.recruiting.study_matching import refreshing
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

STUDIES = 3


@pytest.fixture
def member(make_tenant: MakeTenant, as_member: AsMember, make_fact: MakeFact, tier: Tier) -> Member:
    """Return a member of a tenant with studies and patients. Another tenant has patients, too."""
    other, member = (as_member(make_tenant(tier)) for _ in range(2))
    for each in (other, member):
        hba1c(make_fact, each.tenant, add_patient(each), 8.0)
    for _ in range(STUDIES):
        add_study(member)
    return member


def take_turn(tenant: Tenant, position: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Let the job take one turn, and return where it goes on, or None if it is done."""
    with tenant_context(str(tenant.id)), transaction():
        turn = Turn(UUID(int=1), {}, position, time.monotonic() + 60)
        refreshing.refresh(turn)
    return turn.next_position


def run_all_turns(tenant: Tenant) -> int:
    """Let the job take all its turns, and return their number."""
    position, number = take_turn(tenant, None), 1
    while position is not None:
        position, number = take_turn(tenant, position), number + 1
    return number


def test_a_change_between_two_studies_is_matched_with_both(
    app: Flask, member: Member, make_fact: MakeFact
) -> None:
    tenant = member.tenant
    changed = add_patient(member)
    with app.app_context():
        judged = take_turn(tenant, None)
        assert judged is not None
        first = take_turn(tenant, judged)
        assert first is not None
    hba1c(make_fact, tenant, changed, 9.0)
    with app.app_context():
        position: Mapping[str, Any] | None = first
        while position is not None:
            position = take_turn(tenant, position)
        with tenant_context(str(tenant.id)), transaction():
            assert matched_up_to()[0] < number_changes()
        run_all_turns(tenant)

        assert count_wrong(tenant) == 0


def test_conditions_that_studies_share_are_judged_once(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []
    judge_leaf = setwise.judge_leaf

    def noted(leaf: Any, *rest: Any) -> Any:
        judged.append(leaf)
        return judge_leaf(leaf, *rest)

    monkeypatch.setattr(setwise, "judge_leaf", noted)
    with app.app_context():
        turns = run_all_turns(member.tenant)

        assert len(judged) == len(set(judged)) == 3
        assert count_wrong(member.tenant) == 0
    assert turns == 1 + STUDIES


def test_the_conditions_of_a_portion_of_studies_are_judged_before_it(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "JUDGED_AHEAD", 2)

    with app.app_context():
        assert run_all_turns(member.tenant) == 2 + STUDIES
        assert count_wrong(member.tenant) == 0
