"""The count is right after everything that writes rows past the triggers, and else too."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from members import MakePatient, Member
from sqlalchemy import text

from trially.database.quotas import QuotaExceededError
from trially.database.session import db, transaction
from trially.request_state import request_state
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.entitlements.limits import Limit

_MEMBER = (
    "INSERT INTO member (tenant_id, id, issuer, subject, role)"
    " VALUES (:tenant, gen_random_uuid(), 'i', 's', 'viewer')"
)
_PATIENT = (
    "INSERT INTO patient (tenant_id, id, source_id, mrn)"
    " VALUES (:tenant, gen_random_uuid(), 'x', 'x')"
)


def _add_without_quotas(tenant: Tenant) -> None:
    with transaction():
        db.session.execute(text("SELECT set_config('trially.quotas', '', true)"))
        for statement in (_MEMBER, _PATIENT):
            db.session.execute(text(statement), {"tenant": tenant.id})


def _refused_at(member: Member, number: int) -> bool:
    """Return whether the tenant's next patient is refused, with this number of them in use."""
    body = {
        "mrn": "beyond",
        "given_name": "Bo",
        "family_name": "Yond",
        "birth_date": "1970-01-01",
        "sex": "male",
    }
    answer = member.post("/patients", json=body)
    return (answer.status_code, answer.json.get("used")) == (403, number)


def test_after_moves_through_all_tiers(
    member_in: Callable[[Tier], Member],
    make_patient: MakePatient,
    run_command: Callable[..., Any],
    allow: Any,
    used: Any,
) -> None:
    member = member_in(Tier.POOLED_ROWS)
    allow(member.tenant, patients=3)
    first, *_ = [make_patient(member) for _ in range(3)]

    for tier in (Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS):
        options = ("--to-tier", tier, "--max-pause", "5s", "--json")
        moved = run_command("tenants", "move", member.tenant.slug, *options)
        assert moved.exit_code == 0, moved.output
        assert used(member.tenant) == {"patients": 3}
        assert _refused_at(member, 3)

    assert member.delete(f"/patients/{first['id']}").status_code == 204
    assert used(member.tenant) == {"patients": 2}
    make_patient(member)
    assert _refused_at(member, 3)


def test_after_a_restore(
    member_in: Callable[[Tier], Member],
    make_patient: MakePatient,
    run_command: Callable[..., Any],
    allow: Any,
    stored: Any,
    tier: Tier,
    tmp_path: Path,
) -> None:
    member = member_in(tier)
    allow(member.tenant, patients=3)
    for _ in range(2):
        make_patient(member)
    archive = run_command("tenants", "backup", member.tenant.slug, "--to", tmp_path, "--json")
    make_patient(member)
    assert _refused_at(member, 3)

    [written] = json.loads(archive.stdout)
    restored = run_command("tenants", "restore", written["url"], "--replace", "--yes")
    assert restored.exit_code == 0, restored.output

    assert stored(member.tenant)[Limit.PATIENTS] == 2
    make_patient(member)
    assert _refused_at(member, 3)


def test_a_transaction_that_names_no_quotas_is_bound_by_the_limit_of_before_it(
    app: Flask,
    member_in: Callable[[Tier], Member],
    make_patient: MakePatient,
    allow: Any,
    used: Any,
    tier: Tier,
) -> None:
    member = member_in(tier)
    allow(member.tenant, patients=1)
    make_patient(member)

    with app.app_context(), tenant_context(str(member.tenant.id)):
        with pytest.raises(QuotaExceededError) as refused:
            _add_without_quotas(member.tenant)
        request_state().audit.unnoted.clear()

    assert vars(refused.value) == {"quota": "patients", "most": 1, "used": 1}
    assert used(member.tenant) == {"patients": 1}


def test_a_member_sees_the_use_of_a_new_limit_before_anything_is_written(
    member_in: Callable[[Tier], Member], make_patient: MakePatient, allow: Any, tier: Tier
) -> None:
    member = member_in(tier)
    for _ in range(2):
        make_patient(member)
    allow(member.tenant, patients=1, studies=5, imports_per_day=2)

    limits = {each["name"]: each for each in member.get("/me").json["plan"]["limits"]}

    assert _refused_at(member, 2)
    assert {name: limits[name]["used"] for name in ("patients", "studies", "imports_per_day")} == {
        "patients": 2,
        "studies": 0,
        "imports_per_day": 0,
    }
    assert limits["members"]["used"] is None
