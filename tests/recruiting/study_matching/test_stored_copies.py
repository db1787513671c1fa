"""What matching stores of patients goes when it must not be stored any longer, on every tier."""

import datetime as dt
from uuid import uuid4

import numpy as np
import pytest
import zstandard
from encrypted_tenants import encrypt
from flask import Flask
from members import AsMember, MakeTenant, Member
from psycopg2 import sql
from tenant_databases import access_of

from tests.recruiting.study_matching.matched_studies import add_patient, add_study
from trially.database.field_states import FieldState
from trially.recruiting.patients.field_backfill import settle_copy
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.servers.connections import execute

BORN = dt.date(1961, 7, 23)


@pytest.fixture
def members(make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> tuple[Member, Member]:
    """Members of two tenants, each with a patient, and with counts for which frames are stored."""
    found = as_member(make_tenant(tier)), as_member(make_tenant(tier))
    for member in found:
        add_patient(member, born=BORN.isoformat())
        count(member, add_study(member))
    return found


def count(member: Member, study: str) -> dict[str, object]:
    answer = member.get(f"/studies/{study}/attrition")
    assert answer.status_code == 200, answer.text
    counts: dict[str, object] = answer.json["counts"]
    return counts


def frames(app: Flask, tenant: Tenant) -> list[bytes]:
    """Return what the stored frames of a tenant hold."""
    table = sql.Identifier(tenant.placement.schema, "match_frame")
    statement = sql.SQL("SELECT content FROM {} WHERE tenant_id = %s").format(table)
    with access_of(app).administer(tenant.placement.database) as raw:
        rows = execute(raw, statement, tenant.id)
    return [zstandard.ZstdDecompressor().decompress(bytes(content)) for (content,) in rows]


def has_birth_date(contents: list[bytes]) -> bool:
    born = np.array([BORN.toordinal()], "<i4").tobytes()
    return any(born in each for each in contents)


def store_readable_frame(app: Flask, tenant: Tenant) -> None:
    """Store a frame with a birth date, as an older archive of the tenant has it."""
    table = sql.Identifier(tenant.placement.schema, "match_frame")
    statement = sql.SQL(
        "INSERT INTO {} (tenant_id, id, selector, change_number, content, used_on)"
        " VALUES (%s, %s, %s, 0, %s, now())"
    ).format(table)
    content = zstandard.ZstdCompressor().compress(np.array([0, BORN.toordinal()], "<i4").tobytes())
    with access_of(app).administer(tenant.placement.database) as raw:
        identity = str(tenant.id), str(uuid4())
        if tenant.placement.tier == Tier.POOLED_ROWS:
            execute(raw, "SELECT set_config('trially.tenant_id', %s, false)", str(tenant.id))
        execute(raw, statement, *identity, b"archived", content)


def test_encrypting_deletes_copies_of_birth_dates(
    app: Flask, members: tuple[Member, Member]
) -> None:
    member, neighbour = members
    study = add_study(member)
    before, of_neighbour = count(member, study), frames(app, neighbour.tenant)
    assert has_birth_date(frames(app, member.tenant))

    encrypt(app, member.tenant)

    assert frames(app, member.tenant) == []
    assert sorted(frames(app, neighbour.tenant)) == sorted(of_neighbour)
    assert count(member, study) == before
    add_patient(member, born=BORN.isoformat())
    assert count(member, study) != before
    assert not has_birth_date(frames(app, member.tenant))

    encrypt(app, member.tenant, is_on=False)
    count(member, study)
    assert has_birth_date(frames(app, member.tenant))


def test_copies_of_an_older_archive_are_deleted(app: Flask, members: tuple[Member, Member]) -> None:
    member, neighbour = members
    encrypt(app, member.tenant)
    store_readable_frame(app, member.tenant)
    assert has_birth_date(frames(app, member.tenant))
    of_neighbour = frames(app, neighbour.tenant)

    with app.app_context():
        with catalog_transaction():
            tenant = get_tenant(member.tenant.slug)
        state = FieldState(tenant.fields.version, is_changing=True, former=tenant.fields.version)
        settle_copy(tenant.placement, make_state=lambda: state)

    assert frames(app, member.tenant) == []
    assert sorted(frames(app, neighbour.tenant)) == sorted(of_neighbour)


def test_erasing_a_patient_deletes_the_copies(app: Flask, members: tuple[Member, Member]) -> None:
    member, neighbour = members
    other = add_patient(member, born="1970-01-01")
    study = add_study(member)
    count(member, study)
    [patient] = [each["id"] for each in member.get("/patients").json["data"] if each["id"] != other]
    assert has_birth_date(frames(app, member.tenant))

    erased = member.post(f"/patients/{patient}/erasure", json={"reason": "request"})

    assert erased.status_code == 200, erased.text
    assert frames(app, member.tenant) == []
    assert has_birth_date(frames(app, neighbour.tenant))
    count(member, study)
    assert frames(app, member.tenant)
    assert not has_birth_date(frames(app, member.tenant))
