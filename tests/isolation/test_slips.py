"""Mistakes of the application: an object of one tenant is used in another tenant's context."""

import ast
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from populated_tenants import PopulatedTenant
from sqlalchemy import event, select, text
from sqlalchemy.engine import Engine
from walls import Wall, wall_of_error

from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import ROOT
from trially.database.engines import engine_registry
from trially.database.rows import fetch_items, find_item, insert_item, table_of
from trially.database.session import db
from trially.recruiting.patients.model import Patient
from trially.recruiting.sites.model import Site
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

CACHED_FUNCTIONS = {
    "trially/audit/actors.py:operator_name",
    "trially/audit/recording.py:_insert_of",
    "trially/auth/roles.py:permissions_of",
    "trially/database/changes.py:_silent_columns",
    "trially/database/changes.py:columns_for_audit",
    "trially/database/changes.py:is_about_patients",
    "trially/database/rows.py:_insert_item",
    "trially/database/rows.py:_select_item",
    "trially/database/discarding.py:discarded_tables",
    "trially/database/sealed_rows.py:columns_beside",
    "trially/database/sealed_rows.py:sealed_columns",
    "trially/database/sealed_rows.py:sealed_tables",
    "trially/database/since.py:lacking_at",
    "trially/database/statements.py:_tables_of",
    "trially/dev_issuer/key_file.py:_import_key",
    "trially/exports/column_docs.py:_models",
    "trially/keys/derivation.py:derive_key",
    "trially/keys/sealing.py:_cipher",
    "trially/recruiting/criteria/days.py:days_of",
    "trially/recruiting/criteria/units/spelling.py:normalise",
    "trially/recruiting/documents/searches.py:read_search",
    "trially/recruiting/documents/words.py:_fold_word",
    "trially/recruiting/documents/words.py:_word_pattern",
    "trially/recruiting/imports/fhir/codings.py:_read_common",
    "trially/recruiting/imports/fhir/codings.py:canonical",
    "trially/recruiting/imports/fhir/codings.py:normal_status",
    "trially/recruiting/imports/fhir/dates.py:_offset",
    "trially/recruiting/imports/fhir/dates.py:parse_date",
    "trially/recruiting/imports/fhir/plausibility.py:_end_of_tomorrow",
    "trially/recruiting/imports/fhir/timings.py:_forms_of",
    "trially/recruiting/imports/fhir/values.py:_find_common_id",
    "trially/recruiting/imports/fhir/values.py:_split_reference",
    "trially/recruiting/imports/fhir/versions.py:_release_of",
    "trially/recruiting/imports/formats/tables/dates.py:_compile",
    "trially/recruiting/search/given_names.py:_nicknames",
    "trially/recruiting/search/normalising.py:_fold_character",
    "trially/recruiting/valuesets/starter_sets.py:starter_sets",
    "trially/request_cycle/auditing.py:_form",
    "trially/request_cycle/database_errors.py:_constraint_info",
    "trially/tenancy/schema/revision_files.py:fingerprints_of",
    "trially/tenancy/schema/revisions.py:needed_revision",
    "trially/webhooks/posting.py:_tls",
}
"""Functions with a cache; the result of each is the same for all tenants."""


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """The statements that a server executed during the test."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "after_cursor_execute", note)
    yield statements
    event.remove(Engine, "after_cursor_execute", note)


def refusal_of(attempt: Callable[[], object]) -> Wall:
    """Return the wall that stops the attempt, or fail if none does."""
    try:
        attempt()
    except RuntimeError as error:
        return wall_of_error(error)
    raise AssertionError("No wall stopped the attempt.")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: db.session.execute(text("SELECT 1")),
        lambda: db.session.scalars(select(Patient)).all(),
        lambda: db.session.get(Patient, (uuid4(), uuid4())),
        lambda: fetch_items(select(table_of(Patient))),
        lambda: find_item(Patient, uuid4(), ["id"]),
        lambda: insert_item(Site, {"name": "X"}, ["id"]),
    ],
)
def test_without_a_tenant(
    app: Flask,
    attacker: PopulatedTenant,
    sent: list[str],
    record_wall: Callable[..., None],
    ask: Callable[[], object],
) -> None:
    assert attacker.member.get("/patients").status_code == 200
    sent.clear()

    with app.app_context():
        wall = refusal_of(ask)

    assert sent == []
    record_wall("runs SQL without a tenant", wall)


def in_a_thread(attempt: Callable[[], object]) -> Wall:
    walls: list[Wall] = []

    def work() -> None:
        try:
            walls.append(refusal_of(attempt))
        except RuntimeError as error:
            # Flask's own error: the thread has no app context, and so no session.
            walls.extend([Wall.CONTEXT] * ("outside of application context" in str(error)))

    thread = Thread(target=work)
    thread.start()
    thread.join()
    return walls[0]


def test_a_thread(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    def ask_in_their_context() -> None:
        with app.app_context(), tenant_context(str(victim.tenant.id)):
            session.scalars(select(Patient)).all()

    with app.app_context(), tenant_context(str(attacker.tenant.id)):
        session = db.session()
        session.execute(text("SELECT 1"))
        alone = in_a_thread(lambda: db.session.execute(text("SELECT 1")))
        handed = in_a_thread(lambda: session.execute(text("SELECT 1")))
        in_theirs = in_a_thread(ask_in_their_context)

    assert handed is Wall.CONTEXT
    record_wall("runs SQL in a new thread", alone)
    record_wall("passes a session to a thread that serves another tenant", in_theirs)


def test_a_session(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    with app.app_context():
        with tenant_context(str(attacker.tenant.id)):
            session = db.session()
            session.scalars(select(Patient)).all()
        with tenant_context(str(victim.tenant.id)):
            wall = refusal_of(lambda: session.scalars(select(Patient)).all())
            assert refusal_of(lambda: session.get(Patient, (attacker.tenant.id, uuid4()))) is wall
            mine = db.session.scalars(select(Patient)).all()
            assert {patient.tenant_id for patient in mine} == {victim.tenant.id}

    record_wall("uses a session in another tenant's context", wall)


def test_an_object(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    with app.app_context(), tenant_context(str(attacker.tenant.id)):
        site = db.session.scalars(select(Site)).first()
        assert site is not None
        with tenant_context(str(victim.tenant.id)):
            wall = refusal_of(lambda: db.session.add(site))
        db.session.expire(site)
        with tenant_context(str(victim.tenant.id)):
            assert refusal_of(lambda: site.name) is wall
        site.tenant_id = victim.tenant.id
        assert refusal_of(db.session.flush) is wall
        db.session.rollback()

    record_wall("uses an object in another tenant's context", wall)


def test_a_connection(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    with app.app_context(), tenant_context(str(attacker.tenant.id)) as entry:
        connection = db.session.connection()
        connection.execute(text("SELECT 1"))
        raw = engine_registry().engine_for(entry.placement).raw_connection()
        cursor = raw.cursor()
        cursor.execute("SELECT 1")
        with tenant_context(str(victim.tenant.id)):
            wall = refusal_of(lambda: connection.execute(text("SELECT 1")))
            assert refusal_of(lambda: cursor.execute("SELECT 1")) is wall
        raw.close()

    record_wall("uses a connection in another tenant's context", wall)


def test_a_stream(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    def body(session: Any) -> Iterator[str]:
        for _ in range(2):
            yield str(session.scalars(select(Patient.id)).first())

    with app.app_context():
        with tenant_context(str(attacker.tenant.id)):
            stream = body(db.session())
            assert len(next(stream)) == len(str(uuid4()))
        with tenant_context(str(victim.tenant.id)):
            wall = refusal_of(lambda: next(stream))
        with pytest.raises(StopIteration):
            next(stream)

    record_wall("continues a streamed body in another tenant's context", wall)


def test_a_cursor(
    app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    with app.app_context(), tenant_context(str(attacker.tenant.id)) as entry:
        raw = engine_registry().engine_for(entry.placement).raw_connection()
        cursor = raw.cursor()
        cursor.execute("DECLARE patients CURSOR FOR SELECT id FROM patient; FETCH 1 FROM patients")
        assert len(cursor.fetchall()) == 1
        with tenant_context(str(victim.tenant.id)):
            wall = refusal_of(lambda: cursor.execute("FETCH 1 FROM patients"))
        cursor.execute("FETCH 1 FROM patients")
        assert len(cursor.fetchall()) == 1
        raw.close()

    record_wall("continues a cursor in another tenant's context", wall)


def test_a_member_of_both(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    record_wall: Callable[..., None],
    tier: Tier,
) -> None:
    subject, issue = f"both|{uuid4()}", state_of(app).dev_issuer.issue_token
    with app.app_context(), tenant_context(str(attacker.tenant.id)):
        add_member(subject, Role.ADMIN)
    there = type(attacker.member)(
        app.test_client(),
        issue(subject=subject, tenant=victim.tenant.slug),
        victim.tenant,
        subject,
    )
    here = type(attacker.member)(
        app.test_client(),
        issue(subject=subject, tenant=attacker.tenant.slug),
        attacker.tenant,
        subject,
    )

    answers = [here.get("/sites").status_code, there.get("/sites").status_code]
    with app.app_context(), tenant_context(str(victim.tenant.id)):
        add_member(subject, Role.VIEWER)
    answers += [there.get("/sites").status_code]
    answers += [each.post("/sites", json={"name": subject}).status_code for each in (here, there)]

    assert answers == [200, 403, 200, 201, 403]
    record_wall("is a member of two tenants with different roles", Wall.MEMBERSHIP)
    cached = state_of(app).identities._entries
    of_subject = [(key, identity) for key, (identity, _) in cached.items() if subject in key]
    assert {key[0] for key, _ in of_subject} == {attacker.tenant.id, victim.tenant.id}
    assert all(key[0] == identity.tenant_id for key, identity in of_subject)
    record_wall("caches a member of another tenant", Wall.KEY)


def test_a_key_of_another_tenant(
    attacker: PopulatedTenant, victim: PopulatedTenant, record_wall: Callable[..., None]
) -> None:
    request = {"json": {"name": f"Site {uuid4()}"}, "headers": {"Idempotency-Key": "the-same"}}

    first = attacker.member.post("/sites", **request)
    second = victim.member.post("/sites", **request)

    assert [first.status_code, second.status_code] == [201, 201]
    assert "Idempotency-Replayed" not in second.headers
    assert first.json["id"] != second.json["id"]
    record_wall("uses another tenant's Idempotency-Key", Wall.KEY)


def test_no_function_caches_data_of_a_tenant() -> None:
    cached = set()
    for path in (ROOT / "trially").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            for decorator in getattr(node, "decorator_list", ()):
                if "cache" in ast.unparse(decorator).replace("cached_property", ""):
                    cached.add(f"{path.relative_to(ROOT)}:{node.name}")

    assert cached == CACHED_FUNCTIONS
