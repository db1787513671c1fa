"""A session refuses the objects and rows of another tenant, by whichever method they are passed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from populated_tenants import PopulatedTenant
from sqlalchemy import event, insert, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import make_transient, make_transient_to_detached

from trially.database.placement import NoTenantError, WrongTenantError
from trially.database.session import db
from trially.recruiting.sites.model import Site
from trially.tenancy.context import tenant_context

Make = Callable[[Any], Site]


def detached(session: Any) -> Site:
    site = session.scalars(select(Site)).first()
    session.expunge(site)
    return site


def expired(session: Any) -> Site:
    site = session.scalars(select(Site)).first()
    session.expire(site)
    session.expunge(site)
    return site


def transient(session: Any) -> Site:
    site = detached(session)
    make_transient(site)
    return site


def with_changed_tenant(session: Any) -> Site:
    site = detached(session)
    site.tenant_id = uuid4()
    return site


def never_loaded(session: Any) -> Site:
    of_theirs = detached(session)
    site = Site(tenant_id=of_theirs.tenant_id, id=uuid4(), name="Elsewhere")
    make_transient_to_detached(site)
    return site


OBJECTS: dict[str, Make] = {
    "attached": lambda session: session.scalars(select(Site)).first(),
    "detached": detached,
    "detached and expired": expired,
    "transient": transient,
    "of a third tenant": with_changed_tenant,
    "never loaded": never_loaded,
    "new": lambda session: Site(tenant_id=detached(session).tenant_id, name="New"),
}

METHODS: dict[str, Callable[[Any, Site], object]] = {
    "add": lambda session, site: session.add(site),
    "add_all": lambda session, site: session.add_all([site]),
    "merge": lambda session, site: session.merge(site),
    "merge without loading": lambda session, site: session.merge(site, load=False),
    "merge_all": lambda session, site: session.merge_all([site]),
    "refresh": lambda session, site: session.refresh(site),
    "delete": lambda session, site: session.delete(site),
    "delete_all": lambda session, site: session.delete_all([site]),
    "bulk_save_objects": lambda session, site: session.bulk_save_objects([site]),
}


@contextmanager
def no_sql() -> Iterator[None]:
    """Fail if the block sends a statement."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert statements == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", OBJECTS)
def test_an_object_of_another_tenant_is_refused(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, kind: str, method: str
) -> None:
    with app.app_context(), tenant_context(str(attacker.tenant.id)):
        site = OBJECTS[kind](db.session)
        with tenant_context(str(victim.tenant.id)):
            with no_sql(), pytest.raises(WrongTenantError):
                METHODS[method](db.session(), site)
            assert list(db.session.new) == list(db.session.identity_map.values()) == []


@pytest.mark.parametrize(
    "write",
    [
        lambda session, row: session.bulk_insert_mappings(Site, [row]),
        lambda session, row: session.bulk_insert_mappings(Site, iter([row])),
        lambda session, row: session.bulk_update_mappings(Site, [row]),
        lambda session, row: session.execute(insert(Site), row),
        lambda session, row: session.execute(insert(Site), [row]),
        lambda session, row: session.scalars(insert(Site).returning(Site), [row]),
        lambda session, row: session.execute(update(Site), [row]),
    ],
)
def test_rows_of_another_tenant_are_refused(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    write: Callable[[Any, dict[str, Any]], object],
) -> None:
    row = {"tenant_id": attacker.tenant.id, "id": uuid4(), "name": "Theirs"}
    with (
        app.app_context(),
        tenant_context(str(victim.tenant.id)),
        no_sql(),
        pytest.raises(WrongTenantError),
    ):
        write(db.session(), row)


LOOKUPS: dict[str, Callable[[Any, tuple[UUID, UUID]], object]] = {
    "get": lambda session, key: session.get(Site, key),
    "get by name": lambda session, key: session.get(Site, {"tenant_id": key[0], "id": key[1]}),
    "get_one": lambda session, key: session.get_one(Site, key),
    "Query.get": lambda session, key: session.query(Site).get(key),
}


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.filterwarnings("ignore:The Query.get")
def test_a_loaded_object_is_not_found_in_another_tenants_context(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, lookup: str
) -> None:
    with app.app_context():
        with tenant_context(str(attacker.tenant.id)):
            session = db.session()
            site = session.scalars(select(Site)).first()
            assert site is not None
            key = (site.tenant_id, site.id)
            with tenant_context(str(victim.tenant.id)), no_sql(), pytest.raises(WrongTenantError):
                LOOKUPS[lookup](session, key)
            assert LOOKUPS[lookup](session, key) is site
        with pytest.raises(NoTenantError):
            LOOKUPS[lookup](session, key)


def test_objects_and_rows_of_the_own_tenant_are_accepted(
    app: Flask, attacker: PopulatedTenant
) -> None:
    tenant_id = attacker.tenant.id
    with app.app_context(), tenant_context(str(tenant_id)):
        site = detached(db.session)
        other = detached(db.session)
        session = db.session()
        assert session.merge(site).id == site.id
        session.merge_all([other])
        session.bulk_save_objects([Site(tenant_id=tenant_id, id=uuid4(), name="Saved in bulk")])
        row = {"tenant_id": tenant_id, "id": uuid4(), "name": "Inserted in bulk"}
        session.bulk_insert_mappings(Site, [row])
        session.bulk_update_mappings(Site, [{**row, "city": "Bern"}])
        session.refresh(session.get_one(Site, (tenant_id, row["id"])))
        session.delete_all([session.get_one(Site, (tenant_id, row["id"]))])
        session.flush()
        assert session.get(Site, (tenant_id, row["id"])) is None
        session.rollback()
