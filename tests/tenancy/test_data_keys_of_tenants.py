"""The data keys of tenants: created with them, bound to them, rotated and destroyed."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from borrowed_tenants import BorrowTenant
from flask import Flask
from members import MakeTenant
from operator_records import Records
from sqlalchemy import select, update
from tenant_databases import TIERS

from trially.keys.providers import KeyContext, WrappedKey, WrongContextError
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction, reader_engine
from trially.tenancy.data_keys import (
    DestroyedKeyError,
    UnknownKeyError,
    data_key,
    data_key_of_version,
    destroy_data_keys,
    rotate_data_key,
)
from trially.tenancy.data_keys.model import TenantKey


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def stored(tenant_id: UUID) -> dict[int, str | None]:
    with catalog_transaction() as session:
        rows = session.scalars(select(TenantKey).where(TenantKey.tenant_id == tenant_id)).all()
        return {row.version: row.sealed for row in rows}


def forget(app: Flask, tenant_id: UUID) -> None:
    """Let this process know no more than one that starts."""
    state_of(app).data_keys.forget(tenant_id)


@pytest.mark.parametrize("tier", TIERS)
def test_a_new_tenant_has_a_key_of_its_own(
    app: Flask, context: None, make_tenant: MakeTenant, tier: Tier
) -> None:
    tenants = [make_tenant(tier), make_tenant(tier)]

    assert [list(stored(each.id)) for each in tenants] == [[1], [1]]
    keys = [data_key(each.id) for each in tenants]
    assert [(key.tenant_id, key.version) for key in keys] == [(each.id, 1) for each in tenants]
    assert keys[0].secret != keys[1].secret
    forget(app, tenants[0].id)
    assert data_key(tenants[0].id) == keys[0]


def test_former_versions_can_still_be_read(
    app: Flask, context: None, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    first = data_key(tenant.id)

    second = rotate_data_key(tenant.id)

    assert (first.version, second.version) == (1, 2)
    assert data_key(tenant.id) == second
    assert data_key_of_version(tenant.id, 1) == first
    with pytest.raises(UnknownKeyError, match="version 3"):
        data_key_of_version(tenant.id, 3)


def test_a_destroyed_key_is_gone_for_good(
    app: Flask, context: None, make_tenant: MakeTenant
) -> None:
    tenant, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    rotate_data_key(tenant.id)
    kept = data_key(other.id)

    assert destroy_data_keys(tenant.id) == [1, 2]

    assert stored(tenant.id) == {1: None, 2: None}
    for find in (data_key, lambda tenant_id: data_key_of_version(tenant_id, 1), rotate_data_key):
        with pytest.raises(DestroyedKeyError):
            find(tenant.id)
    assert destroy_data_keys(tenant.id) == []
    forget(app, other.id)
    assert data_key(other.id) == kept


def test_a_row_copied_to_another_tenant_does_not_unwrap(
    app: Flask, context: None, make_tenant: MakeTenant
) -> None:
    victim, attacker = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    rotate_data_key(victim.id)
    for version in (1, 2):
        with catalog_transaction() as session:
            session.execute(
                update(TenantKey)
                .where(TenantKey.tenant_id == attacker.id)
                .values(sealed=stored(victim.id)[version])
            )
        forget(app, attacker.id)

        with pytest.raises(WrongContextError, match=str(attacker.id)):
            data_key(attacker.id)
    destroy_data_keys(attacker.id)  # A rotation would stumble over the damaged row.


def test_a_command_creates_the_key_of_an_older_tenant_and_a_request_does_not(
    app: Flask, context: None, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    with catalog_transaction() as session:
        session.delete(session.get_one(TenantKey, (tenant.id, 1)))
    forget(app, tenant.id)

    with app.test_request_context(), pytest.raises(UnknownKeyError, match="flask keys rotate-data"):
        data_key(tenant.id)
    assert stored(tenant.id) == {}

    assert data_key(tenant.id).version == 1
    with app.test_request_context():
        assert data_key(tenant.id).version == 1


def test_a_rotation_in_another_process_is_seen(
    app: Flask, context: None, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    known = data_key(tenant.id)
    keys = state_of(app).data_keys
    wrapped = keys.masters.wrap(type(known)(tenant.id, 2, bytes(32)))
    with catalog_transaction() as session:
        session.add(TenantKey(tenant_id=tenant.id, version=2, sealed=str(wrapped)))

    assert data_key_of_version(tenant.id, 2).secret == bytes(32)
    assert data_key(tenant.id).version == 2


def test_records_show_no_wrapped_key(
    app: Flask, context: None, make_tenant: MakeTenant, records: Records
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    sealed = stored(tenant.id)[1]
    destroy_data_keys(tenant.id)

    noted = [row for row in records() if row["action"].startswith("tenant_key")]

    assert [row["action"] for row in noted] == ["tenant_key insert", "tenant_key update"]
    assert {str(row["tenant_id"]) for row in noted} == {str(tenant.id)}
    assert sealed is not None
    assert WrappedKey.parse(sealed).ciphertext
    assert all(sealed.split()[-1] not in str(row) for row in noted)
    assert noted[1]["details"]["new"]["destroyed_at"]


def test_request_handling_reads_keys_and_changes_none(
    app: Flask, context: None, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)

    with reader_engine().connect() as reader:
        assert reader.scalar(select(TenantKey.sealed).where(TenantKey.tenant_id == tenant.id))
        with pytest.raises(Exception, match=r"permission denied|read-only"):
            reader.execute(update(TenantKey).values(version=9))


def test_an_unknown_tenant_has_no_key(app: Flask, context: None) -> None:
    with app.test_request_context(), pytest.raises(UnknownKeyError):
        data_key(uuid4())


def test_a_wrapped_key_says_what_unwraps_it(
    app: Flask, context: None, borrow_tenant: BorrowTenant
) -> None:
    tenant: Tenant = borrow_tenant(Tier.POOLED_ROWS)
    masters = state_of(app).data_keys.masters
    line = stored(tenant.id)[1]
    assert line is not None

    wrapped = WrappedKey.parse(line)

    assert (wrapped.kind, wrapped.key_name) == ("file", masters.current.key_name)
    assert str(wrapped) == line
    assert masters.unwrap(wrapped, KeyContext(tenant.id, 1)) == data_key(tenant.id)
