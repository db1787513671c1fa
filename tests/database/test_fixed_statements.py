"""Fixed statements and direct transactions: one transaction, with all walls, without a session."""

from uuid import uuid4

import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Engine, bindparam, event, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, PendingRollbackError
from tenant_databases import TIERS, ask

from trially.database.direct import unadopted
from trially.database.fixed_statements import FixedStatement
from trially.database.placement import StalePlacementError, WrongTenantError, current_placement
from trially.database.rows import find_item, insert_item, table_of
from trially.database.session import (
    commit,
    db,
    is_in_transaction,
    open_connection,
    roll_back_transaction,
)
from trially.database.tenant_engine import tenant_engine
from trially.recruiting.sites.model import Site
from trially.request_state import request_state
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.schema.guard import record_placement
from trially.tenancy.servers.access import server_access

ON_ALL_TIERS = pytest.mark.parametrize("tier", TIERS)
SITE = {"name": "Riverside"}
NAMES = ("id", "name")
SESSION = FixedStatement(
    text(
        "SELECT pg_backend_pid() AS pid, pg_current_xact_id_if_assigned()::text AS xid,"
        " current_setting('trially.tenant_id') AS tenant_id"
    )
)
IN_SESSION = text(
    "SELECT pg_backend_pid() AS pid, pg_current_xact_id_if_assigned()::text AS xid,"
    " current_setting('trially.tenant_id') AS tenant_id"
)


def is_idle(raw):
    """Return whether a connection is in its pool."""
    return raw in [entry.dbapi_connection for entry in tenant_engine().pool.idle]


def open_raw():
    return open_connection().connection.driver_connection


@ON_ALL_TIERS
def test_a_row_is_written_and_read_without_a_session(app, make_tenant, tier):
    tenant = make_tenant(tier=tier)
    with app.app_context(), tenant_context(tenant.slug):
        site = insert_item(Site, SITE, NAMES)
        assert find_item(Site, site["id"], NAMES) == site
        assert is_in_transaction()
        assert not db.session.registry.has()
        raw = open_raw()
        commit()
        assert not is_in_transaction()
        assert is_idle(raw)

    with app.app_context(), tenant_context(tenant.slug):
        assert find_item(Site, site["id"], NAMES) == site


@ON_ALL_TIERS
def test_a_direct_transaction_runs_the_guard_and_ends_clean(app, make_tenant, tier):
    tenant = make_tenant(tier=tier)
    with app.app_context(), tenant_context(tenant.slug):
        (shown,) = SESSION.run({}).items()
        assert shown["tenant_id"] == str(tenant.id)
        raw = open_raw()
        commit()
        assert raw.get_transaction_status() == TRANSACTION_STATUS_IDLE
        assert raw.tenant_id is None


def test_another_tenants_rows_stay_hidden(app, make_tenant):
    ours, theirs = (make_tenant(tier=Tier.POOLED_ROWS) for _ in range(2))
    with app.app_context(), tenant_context(theirs.slug):
        site = insert_item(Site, SITE, NAMES)
        commit()

    unbounded = FixedStatement(select(table_of(Site).c.id, table_of(Site).c.tenant_id))
    with app.app_context(), tenant_context(ours.slug):
        assert find_item(Site, site["id"], NAMES) is None
        assert {row["tenant_id"] for row in unbounded.run({}).items()} <= {ours.id}


def test_a_connection_of_another_tenant_is_refused(app, make_tenant):
    ours, theirs = (make_tenant(tier=Tier.POOLED_ROWS) for _ in range(2))
    with app.app_context(), tenant_context(theirs.slug):
        theirs_placement = current_placement()
    with app.app_context(), tenant_context(ours.slug):
        find_item(Site, uuid4(), NAMES)
        request_state().placement = theirs_placement
        with pytest.raises(WrongTenantError):
            find_item(Site, uuid4(), NAMES)


def test_a_stale_placement_is_refused_by_the_first_statement(app, make_tenant):
    tenant = make_tenant()
    with app.app_context(), tenant_context(tenant.slug):
        epoch = current_placement().epoch + 1
        with server_access().administer(tenant.placement.database) as raw:
            record_placement(raw, tenant.id, epoch, is_suspended=False)
        with pytest.raises(StalePlacementError):
            find_item(Site, uuid4(), NAMES)
        roll_back_transaction()
        assert not is_in_transaction()


@ON_ALL_TIERS
def test_a_session_adopts_the_open_transaction(app, make_tenant, tier):
    tenant = make_tenant(tier=tier)
    with app.app_context(), tenant_context(tenant.slug):
        site = insert_item(Site, SITE, NAMES)
        (direct,) = SESSION.run({}).items()
        assert dict(db.session.execute(IN_SESSION).mappings().one()) == direct
        assert unadopted() is None
        assert SESSION.run({}).items() == [direct]
        db.session.rollback()
        assert find_item(Site, site["id"], NAMES) is None


@pytest.mark.parametrize(
    "end", [lambda: db.session.commit(), lambda: db.session().commit(), commit]
)
def test_a_session_commits_what_it_did_not_begin(app, tenant, end):
    with app.app_context(), tenant_context(tenant.slug):
        site = insert_item(Site, SITE, NAMES)
        raw = open_raw()
        end()
        assert request_state().direct is None
        assert not db.session.registry.has() or not db.session().in_transaction()
        assert is_idle(raw)

    with app.app_context(), tenant_context(tenant.slug):
        assert find_item(Site, site["id"], NAMES) == site


@pytest.mark.parametrize("end", [lambda: db.session.rollback(), roll_back_transaction])
def test_a_roll_back_undoes_a_direct_transaction(app, tenant, end):
    with app.app_context(), tenant_context(tenant.slug):
        site = insert_item(Site, SITE, NAMES)
        request_state().after_commit.append(lambda: pytest.fail("It was not committed."))
        end()
        assert request_state().audit.are_untouched
        assert find_item(Site, site["id"], NAMES) is None
        commit()


def test_savepoints_hold_fixed_statements(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        kept = insert_item(Site, SITE, NAMES)
        nested = db.session.begin_nested()
        lost = insert_item(Site, {"name": "Hillside"}, NAMES)
        nested.rollback()
        assert find_item(Site, lost["id"], NAMES) is None
        assert find_item(Site, kept["id"], NAMES) == kept
        db.session.rollback()


def test_the_end_of_a_context_returns_the_connection(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        site = insert_item(Site, SITE, NAMES)
        raw = open_raw()

    with app.app_context(), tenant_context(tenant.slug):
        assert is_idle(raw)
        assert find_item(Site, site["id"], NAMES) is None


def test_the_removal_of_the_session_returns_the_connection(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        site = insert_item(Site, SITE, NAMES)
        raw = open_raw()
        db.session.remove()
        assert is_idle(raw)
        assert find_item(Site, site["id"], NAMES) is None


def test_errors_are_those_of_sqlalchemy(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        site = insert_item(Site, SITE, NAMES)
        with pytest.raises(IntegrityError) as failure:
            insert_item(Site, {**SITE, "id": site["id"]}, NAMES)
        assert "Riverside" not in str(failure.value)
        # The transaction has failed, so nothing of it can be committed.
        with pytest.raises(DBAPIError):
            find_item(Site, site["id"], NAMES)
        with pytest.raises(DBAPIError, match="rolled back"):
            commit()
        with pytest.raises(PendingRollbackError):
            find_item(Site, site["id"], NAMES)
        roll_back_transaction()
        assert find_item(Site, site["id"], NAMES) is None


def test_a_lost_connection_is_replaced(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        (shown,) = SESSION.run({}).items()
        ask(app, "SELECT pg_terminate_backend(%s, 5000)", shown["pid"])
        with pytest.raises(OperationalError) as failure:
            find_item(Site, uuid4(), NAMES)
        assert failure.value.connection_invalidated
        roll_back_transaction()
        (other,) = SESSION.run({}).items()
        assert other["pid"] != shown["pid"]


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        (
            select(table_of(Site).c.id).where(
                table_of(Site).c.id.in_(bindparam("ids", expanding=True))
            ),
            None,
        ),
        (insert(table_of(Site)), ["tenant_id", "name"]),
    ],
)
def test_a_statement_that_varies_is_refused(app, tenant, statement, names):
    with app.app_context(), tenant_context(tenant.slug), pytest.raises(TypeError):
        FixedStatement(statement, names).run({})


def test_who_listens_to_statements_hears_fixed_ones(app, tenant):
    heard = []

    def note(_connection, _cursor, statement, *_rest):
        heard.append(statement)

    event.listen(Engine, "after_cursor_execute", note)
    try:
        with app.app_context(), tenant_context(tenant.slug):
            site = insert_item(Site, SITE, NAMES)
            assert find_item(Site, site["id"], NAMES) == site
    finally:
        event.remove(Engine, "after_cursor_execute", note)
    of_sites = [each for each in heard if "site.id" in each]
    assert [each.split()[0] for each in of_sites] == ["INSERT", "SELECT"]
