from io import StringIO

import pytest
from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS, cursor
from sqlalchemy import select, text
from sqlalchemy.exc import InternalError, OperationalError
from tenant_databases import ask, placement_of

from trially.database.deadline import statement_bound
from trially.database.dialect import PlacedCursor
from trially.database.engines import engine_registry
from trially.database.placement import (
    StalePlacementError,
    TenantSuspendedError,
    current_placement,
    enter_placement,
)
from trially.database.rows import fetch_items, insert_item, table_of
from trially.database.session import check_tenant_open, db
from trially.recruiting.sites.model import Site
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant
from trially.tenancy.schema.guard import record_placement
from trially.tenancy.servers.access import server_access

CLOSE_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
)


def test_committing_a_failed_transaction_raises(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        connection = db.session.connection()
        with pytest.raises(OperationalError), connection.connection.cursor() as failing:
            _execute(failing, "SELECT 1 / 0")
        with pytest.raises(InternalError, match="rolled back"):
            db.session.commit()
        db.session.rollback()
        assert db.session.scalar(text("SELECT 1")) == 1


def _execute(failing, statement):
    """Fail below SQLAlchemy, which would itself refuse to commit."""
    try:
        failing.execute(statement)
    except Exception as error:
        raise OperationalError(statement, None, error) from error


def test_each_transaction_of_a_connection_runs_the_guard(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        engine = engine_registry().engine_for(current_placement())
        with engine.connect() as connection:
            shown = text("SELECT current_setting('trially.tenant_id')")
            for _ in range(2):
                assert connection.scalar(shown) == str(tenant.id)
                connection.commit()
            with connection.begin():
                assert connection.scalar(shown) == str(tenant.id)


def test_a_raw_connection_runs_the_guard_too(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        raw = engine_registry().engine_for(current_placement()).raw_connection()
        cursor = raw.cursor()
        cursor.execute("SELECT current_setting('trially.tenant_id')")
        assert cursor.fetchone() == (str(tenant.id),)
        driver = raw.driver_connection
        raw.close()
        assert driver.get_transaction_status() == TRANSACTION_STATUS_IDLE


def test_the_guard_is_sent_with_the_first_statement(app, tenant):
    sent = []

    class Wire(cursor):
        def execute(self, statement, *parameters):
            sent.append(statement)
            super().execute(statement, *parameters)

    class Noting(PlacedCursor, Wire):
        pass

    with app.app_context(), tenant_context(tenant.slug):
        driver = db.session.connection().connection.driver_connection
        driver.cursor_factory = Noting
        db.session.rollback()
        db.session.execute(text("SELECT 1"))
        db.session.execute(text("SELECT 2"))
        assert driver.get_transaction_status() == TRANSACTION_STATUS_INTRANS
        db.session.commit()
        assert driver.get_transaction_status() == TRANSACTION_STATUS_IDLE
        db.session.connection()
        db.session.commit()
        driver.cursor_factory = PlacedCursor

    with app.app_context():
        bound = statement_bound()
    assert sent == [placement_of(app, tenant).opening + bound + "SELECT 1", "SELECT 2"]


@pytest.mark.parametrize(
    "send",
    [
        lambda cursor: cursor.execute(b"SELECT current_setting('trially.tenant_id')"),
        lambda cursor: cursor.execute(sql.SQL("SELECT current_setting('trially.tenant_id')")),
        lambda cursor: cursor.execute("SELECT current_setting(%s)", ("trially.tenant_id",)),
        lambda cursor: cursor.executemany("SELECT current_setting(%s)", [("role",)]),
        lambda cursor: cursor.callproc("current_setting", ("trially.tenant_id",)),
        lambda cursor: cursor.copy_expert(
            "COPY (SELECT current_setting('trially.tenant_id')) TO STDOUT", StringIO()
        ),
        lambda cursor: cursor.copy_to(StringIO(), "site"),
        lambda cursor: cursor.copy_from(StringIO(), "site"),
    ],
)
def test_every_kind_of_first_statement_runs_the_guard(app, tenant, send):
    with app.app_context(), tenant_context(tenant.slug):
        raw = engine_registry().engine_for(current_placement()).raw_connection()
        with raw.cursor() as cursor:
            try:
                send(cursor)
            except InsufficientPrivilege:
                cursor.execute("ROLLBACK")
                cursor.execute("SELECT current_setting('trially.tenant_id')")
            else:
                assert raw.driver_connection.get_transaction_status() == TRANSACTION_STATUS_INTRANS
                cursor.execute("SELECT current_setting('trially.tenant_id')")
            assert cursor.fetchone() == (str(tenant.id),)
        raw.close()


def test_a_stale_placement_is_refused_and_nothing_is_open(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        with server_access().administer(tenant.placement.database) as raw:
            record_placement(raw, tenant.id, 2, is_suspended=False)
        with pytest.raises(StalePlacementError):
            check_tenant_open()
        db.session.rollback()
        with pytest.raises(StalePlacementError):
            fetch_items(select(table_of(Site).c.name))
        db.session.rollback()
        raw = engine_registry().engine_for(current_placement()).raw_connection()
        with raw.cursor() as cursor, pytest.raises(StalePlacementError):
            cursor.execute("SELECT 1")
        raw.close()


def test_a_suspended_tenant_is_refused_until_it_is_resumed(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        suspend_tenant(tenant.slug)
        with pytest.raises(TenantSuspendedError):
            check_tenant_open()
        resume_tenant(tenant.slug)
    with app.app_context(), tenant_context(tenant.slug):
        assert db.session.scalar(text("SELECT 1")) == 1


def test_a_connection_closed_while_idle_is_replaced(app, member):
    for _ in range(3):
        assert member.get("/sites").status_code == 200
        closed = ask(app, CLOSE_CONNECTIONS, member.tenant.placement.database)
        assert closed == [(True,)]
    assert member.post("/sites", json={"name": "Riverside"}).status_code == 201


def test_many_connections_closed_while_idle_are_replaced(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        engine = engine_registry().engine_for(current_placement())
        for connection in [engine.connect() for _ in range(4)]:
            connection.close()
        ask(app, CLOSE_CONNECTIONS, tenant.placement.database)
        for connection in [engine.connect() for _ in range(4)]:
            assert connection.scalar(text("SELECT 1")) == 1
            connection.close()
        budget = engine.pool.budget
        assert budget.open_connections == budget.idle_connections


def test_a_connection_closed_in_mid_transaction_is_an_error_and_then_replaced(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        insert_item(Site, {"name": "Riverside"}, ["id"])
        ask(app, CLOSE_CONNECTIONS, tenant.placement.database)
        with pytest.raises(OperationalError):
            db.session.execute(text("SELECT 1"))
        db.session.rollback()
        assert fetch_items(select(table_of(Site).c.name)) == []


def test_a_refusal_does_not_leak_connections(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        engine = engine_registry().engine_for(current_placement())
        suspend_tenant(tenant.slug)
        for _ in range(100):
            with engine.connect() as connection, pytest.raises(TenantSuspendedError):
                connection.execute(text("SELECT 1"))
        budget = engine.pool.budget
        assert budget.open_connections == budget.idle_connections


def test_a_placement_without_a_guard_row_is_stale(app, tenant):
    ask(app, "DELETE FROM trially.placement", database=tenant.placement.database)

    with app.app_context(), tenant_context(tenant.slug), pytest.raises(StalePlacementError):
        check_tenant_open()


def test_a_newer_placement_of_the_same_tenant_may_be_entered(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        resume_tenant(tenant.slug)
        with pytest.raises(StalePlacementError):
            check_tenant_open()
        db.session.rollback()
        with tenant_context(tenant.slug) as entry:
            newer = entry.placement
        enter_placement(newer)
        check_tenant_open()
