"""An erasure is killed at each step. It is finished, or undone while nothing is removed."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from erased_fleets import databases_with, erasure_of
from flask import Flask
from killed_programs import run_killed
from members import AsMember, MakePatient, MakeTenant, Member

from trially.config import Settings
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.erasing.certificates import check
from trially.tenancy.erasing.due import erase_due
from trially.tenancy.erasing.model import ErasureState
from trially.tenancy.erasing.ordering import cancel_erasure
from trially.tenancy.erasing.steps import ERASE, NO_RETURN
from trially.tenancy.lifecycle.operations import OperationDoneError, unfinished_operations

NAMES = [step.name for step in ERASE.steps]
BEFORE = NAMES[: NAMES.index(NO_RETURN)]
STATES = ("done", "recorded")
FINISHED = [f"{name}:{state}" for name in NAMES for state in STATES]
CANCELLED = [f"{name}:{state}" for name in BEFORE for state in STATES] + [f"{NO_RETURN}:done"]
TOO_LATE = f"{NO_RETURN}:recorded"
MARKER = "Zqkilledmarker"


@pytest.fixture(scope="module")
def killed(
    app: Flask,
    settings: Settings,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
) -> dict[tuple[str, str], Member]:
    """Kill an erasure in each case, and return a member of each tenant."""
    members: dict[tuple[str, str], Member] = {}
    tiers = [Tier.POOLED_ROWS, Tier.OWN_SCHEMA, Tier.DEDICATED_DATABASE]
    cases = [("finish", each) for each in FINISHED] + [("cancel", each) for each in CANCELLED]
    cases.append(("too late", TOO_LATE))
    for number, case in enumerate(cases):
        member = as_member(make_tenant(tiers[number % 3]))
        make_patient(member, family_name=f"{MARKER}{number}x")
        members[case] = member
    lines = [f"{member.tenant.slug} {moment}" for (_, moment), member in members.items()]
    run_killed(Path(__file__).with_name("killed_erasures.py"), lines, settings, seconds=400)
    return members


def test_killed_erasures_are_finished_or_cancelled(
    app: Flask, killed: dict[tuple[str, str], Member], as_member: AsMember
) -> None:
    for (end, _), member in killed.items():
        if end == "cancel":
            assert member.get("/patients").status_code == 403
            with app.app_context():
                assert cancel_erasure(member.tenant.slug).status == "active"
            # Its tokens may be revoked, so the members sign in again.
            assert len(as_member(member.tenant).get("/patients").json["data"]) == 1
        elif end == "too late":
            with app.app_context(), pytest.raises(OperationDoneError, match="too far"):
                cancel_erasure(member.tenant.slug)

    with app.app_context():
        failed = [each for each in erase_due() if each.error is not None]
        open_ = [each for each in unfinished_operations() if each.kind == ERASE.name]

    assert (failed, open_) == ([], [])
    markers = []
    for number, ((end, _), member) in enumerate(killed.items()):
        erasure: Any = erasure_of(app, member.tenant.id)
        if end == "cancel":
            assert erasure.state == ErasureState.CANCELLED
            assert as_member(member.tenant).get("/patients").status_code == 200
            continue
        markers.append(f"{MARKER}{number}x")
        assert erasure.state == ErasureState.DONE
        with app.app_context():
            content = check(_as_bytes(erasure.certificate))
        assert content["tenant_id"] == str(member.tenant.id)
        counted = next(each for each in content["stores"] if each["store"].startswith("placement"))
        assert counted["before"] > 0
        assert counted["after"] == 0
        assert content["destroyed_data_key_versions"] == [1]
    assert databases_with(app, *markers) == []


def _as_bytes(certificate: Any) -> bytes:
    return orjson.dumps(certificate)
