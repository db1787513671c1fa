from threading import Thread

import psycopg2
import pytest
from sqlalchemy import event, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm.exc import DetachedInstanceError
from tenant_databases import as_tenant, ask, placement_of

from trially.database.engines import engine_registry
from trially.database.placement import NoTenantError, WrongTenantError, enter_placement
from trially.database.rows import fetch_items, find_item, insert_item, table_of
from trially.database.session import db, transaction
from trially.recruiting.sites.model import Site
from trially.state import state_of
from trially.tenancy.context import tenant_context

SITE = {"name": "Riverside"}


@pytest.fixture
def statements():
    """Return the statements that servers answer while the test runs."""
    sent = []

    def note(_connection, _cursor, statement, *_rest):
        sent.append(statement)

    event.listen(Engine, "after_cursor_execute", note)
    yield sent
    event.remove(Engine, "after_cursor_execute", note)


@pytest.mark.parametrize(
    "ask_database",
    [
        lambda: db.session.execute(text("SELECT 1")),
        lambda: db.session.execute(select(table_of(Site))),
        lambda: db.session.scalars(select(Site)).all(),
        lambda: db.session.get(Site, ("a", "b")),
        lambda: db.session.connection(),
        lambda: find_item(Site, "a", ["id"]),
        lambda: insert_item(Site, SITE, ["id"]),
        lambda: (db.session.add(Site(**SITE)), db.session.flush()),
    ],
)
def test_without_a_tenant_no_statement_is_sent(app, tenant, statements, ask_database):
    with app.app_context(), pytest.raises(NoTenantError):
        ask_database()

    assert statements == []


def test_a_tenants_engine_requires_its_tenant(app, make_tenant, statements):
    ours, theirs = make_tenant(), make_tenant()
    with app.app_context(), tenant_context(ours.slug):
        engine = engine_registry().engine_for(placement_of(app, ours))
    statements.clear()

    with app.app_context():
        with engine.connect() as connection, pytest.raises(NoTenantError):
            connection.execute(text("SELECT 1"))
        with engine.raw_connection().cursor() as cursor, pytest.raises(NoTenantError):
            cursor.execute("SELECT 1")
    with app.app_context(), tenant_context(theirs.slug):
        statements.clear()
        with engine.connect() as connection, pytest.raises(WrongTenantError):
            connection.execute(text("SELECT 1"))
        with engine.raw_connection().cursor() as cursor, pytest.raises(WrongTenantError):
            cursor.execute("SELECT 1")

    assert statements == []


def test_a_connection_of_one_tenant_is_refused_in_anothers_context(app, make_tenant):
    ours, theirs = make_tenant(), make_tenant()

    with app.app_context(), tenant_context(ours.slug):
        connection = db.session.connection().engine.connect()
        connection.execute(text("SELECT 1"))
        connection.commit()
        with tenant_context(theirs.slug), pytest.raises(WrongTenantError):
            connection.execute(text("SELECT 1"))
        connection.close()


def test_nested_contexts_have_sessions_of_their_own(app, make_tenant):
    ours, theirs = make_tenant(), make_tenant()

    with app.app_context(), tenant_context(ours.slug):
        insert_item(Site, SITE, ["id"])
        with tenant_context(theirs.slug):
            assert fetch_items(select(table_of(Site).c.name)) == []
            insert_item(Site, {"name": "Hillside"}, ["id"])
            db.session.commit()
        assert fetch_items(select(table_of(Site).c.name)) == [SITE]
        with tenant_context(theirs.slug), pytest.raises(WrongTenantError):
            enter_placement(placement_of(app, ours))


def test_nothing_of_a_tenant_stays_on_a_pooled_connection(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        raw = db.session.connection().connection.driver_connection
        seen = db.session.execute(
            text("SELECT current_setting('trially.tenant_id'), current_setting('search_path')")
        ).one()
        db.session.commit()

    assert tuple(seen) == (str(tenant.id), "tenant, pg_temp")
    with psycopg2.extensions.cursor(raw) as cursor:
        cursor.execute(
            "SELECT current_setting('trially.tenant_id', true),"
            " (SELECT count(*) FROM pg_locks"
            "  WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
        )
        assert cursor.fetchone() == ("", 0)
        cursor.execute("SELECT setting = reset_val FROM pg_settings WHERE name = 'search_path'")
        assert cursor.fetchone() == (True,)
    assert raw.get_transaction_status() == psycopg2.extensions.TRANSACTION_STATUS_IDLE


def test_two_tenants_alternate_on_one_thread_and_stay_apart(app, make_tenant):
    tenants = [make_tenant(), make_tenant()]

    with app.app_context():
        for turn in range(100):
            tenant = tenants[turn % 2]
            with tenant_context(str(tenant.id)):
                row = db.session.execute(
                    text("SELECT current_database(), current_setting('trially.tenant_id')")
                ).one()
            assert tuple(row) == (tenant.placement.database, str(tenant.id))


def test_a_thread_without_a_context_has_no_database(app, tenant):
    caught = []

    def work():
        try:
            db.session.execute(text("SELECT 1"))
        except RuntimeError as error:
            caught.append(error)

    with app.app_context(), tenant_context(tenant.slug):
        thread = Thread(target=work)
        thread.start()
        thread.join()

    assert len(caught) == 1


def test_a_transaction_is_committed_or_rolled_back_whole(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        with transaction():
            insert_item(Site, SITE, ["id"])
        with pytest.raises(ZeroDivisionError), transaction():  # noqa: PT012
            insert_item(Site, {"name": "Hillside"}, ["id"])
            _ = 1 / 0
    with app.app_context(), tenant_context(tenant.slug):
        assert fetch_items(select(table_of(Site).c.name)) == [SITE]


def test_a_rolled_back_savepoint_keeps_earlier_changes(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        insert_item(Site, SITE, ["id"])
        savepoint = db.session.begin_nested()
        insert_item(Site, {"name": "Hillside"}, ["id"])
        savepoint.rollback()
        db.session.commit()
        assert fetch_items(select(table_of(Site).c.name)) == [SITE]


def test_a_context_that_ends_without_a_commit_leaves_nothing(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        insert_item(Site, SITE, ["id"])

    with as_tenant(app, tenant) as raw, raw.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tenant.site")
        assert cursor.fetchone() == (0,)


def test_the_catalog_is_reconnected_after_its_connections_are_closed(app, member):
    assert member.get("/me").status_code == 200
    ask(
        app,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = 'trially_catalog'",
    )
    state_of(app).directory.forget(member.tenant.id)

    assert member.get("/me").status_code == 200


LEFT_BEHIND = (
    "SET statement_timeout = '7s'",
    "SET search_path = pg_catalog",
    "SELECT set_config('trially.tenant_id', 'theirs', false)",
    "SELECT pg_advisory_lock(7)",
    "PREPARE left_behind AS SELECT 1",
    "DECLARE left_open CURSOR WITH HOLD FOR SELECT 1",
    "LISTEN left_behind",
)
STATE = text(
    "SELECT current_setting('statement_timeout') = '7s',"
    " (SELECT setting <> reset_val FROM pg_settings WHERE name = 'application_name'),"
    " (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'"
    "  AND objid = 7),"
    " (SELECT count(*) FROM pg_prepared_statements),"
    " (SELECT count(*) FROM pg_cursors WHERE name = 'left_open'),"
    " (SELECT count(*) FROM pg_listening_channels())"
)
CLEAN = (False, False, 0, 0, 0, 0)


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK", "nothing"])
@pytest.mark.parametrize("is_sent_alone", [True, False])
def test_a_connection_is_returned_clean(app, tenant, ending, is_sent_alone):
    with app.app_context(), tenant_context(tenant.slug):
        pid = db.session.scalar(text("SELECT pg_backend_pid()"))
        for statement in LEFT_BEHIND:
            # Injected SQL can end our transaction and run outside it.
            db.session.execute(text(statement if is_sent_alone else f"COMMIT; {statement}"))
        if ending == "COMMIT":
            db.session.commit()
        elif ending == "ROLLBACK":
            db.session.rollback()
        db.session.close()

        assert tuple(db.session.execute(STATE).one()) == CLEAN
        assert db.session.scalar(text("SELECT pg_backend_pid()")) == pid
        shown = db.session.scalar(text("SELECT current_setting('trially.tenant_id')"))
        assert shown == str(tenant.id)


def test_a_tenants_connection_refuses_cursors_that_bypass_the_guard(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        raw = db.session.connection().connection.driver_connection
        with pytest.raises(TypeError):
            raw.cursor(cursor_factory=psycopg2.extensions.cursor)


def test_an_open_transaction_is_refused_in_anothers_context(app, make_tenant):
    ours, theirs = make_tenant(), make_tenant()

    with app.app_context(), tenant_context(ours.slug):
        connection = db.session.connection()
        connection.execute(text("SELECT 1"))
        with tenant_context(theirs.slug), pytest.raises(WrongTenantError):
            connection.execute(text("SELECT 1"))
        with app.app_context(), pytest.raises(NoTenantError):
            connection.execute(text("SELECT 1"))


def test_a_session_stays_with_its_tenant(app, make_tenant):
    ours, theirs = make_tenant(), make_tenant()

    with app.app_context(), tenant_context(ours.slug):
        session = db.session()
        session.execute(text("SELECT 1"))
        session.commit()
        with tenant_context(theirs.slug), pytest.raises(WrongTenantError):
            session.execute(text("SELECT 1"))


def test_an_object_stays_with_its_tenant(app, make_tenant):
    ours, theirs = make_tenant(), make_tenant()
    with app.app_context(), tenant_context(ours.slug):
        db.session.add(Site(**SITE))
        db.session.commit()
        site = db.session.scalars(select(Site)).one()
        assert site.tenant_id == ours.id
        with tenant_context(theirs.slug), pytest.raises(WrongTenantError):
            db.session.add(site)
        with tenant_context(theirs.slug), pytest.raises(WrongTenantError):
            db.session.merge(site)
        db.session.expire(site)
        with tenant_context(theirs.slug), pytest.raises(WrongTenantError):
            str(site.name)
        assert site.name == SITE["name"]
        site.tenant_id = theirs.id
        with pytest.raises(WrongTenantError):
            db.session.flush()
        db.session.rollback()
        db.session.refresh(site)

    with app.app_context(), tenant_context(theirs.slug):
        assert fetch_items(select(table_of(Site).c.id)) == []
        with pytest.raises(WrongTenantError):
            db.session.add(site)


def test_an_object_cannot_load_after_its_session(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        db.session.add(Site(**SITE))
        db.session.commit()
        site = db.session.scalars(select(Site)).one()
        db.session.expire(site)

    with pytest.raises(DetachedInstanceError):
        str(site.name)
