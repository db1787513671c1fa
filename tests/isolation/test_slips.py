"""Mistakes of the application's own: what is one tenant's is used in another's context."""

import ast
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import event, select, text
from sqlalchemy.engine import Engine
from walls import Wall, wall_of_error

from trially.auth.members.managing import add_member
from trially.auth.permissions import Role
from trially.config import ROOT
from trially.database.rows import fetch_items, find_item, insert_item, table_of
from trially.database.session import db, engine_registry
from trially.recruiting.patients.model import Patient
from trially.recruiting.sites.model import Site
from trially.state import state_of
from trially.tenancy.catalog import Tier
from trially.tenancy.context import tenant_context

REMEMBERED = {
    "trially/auth/permissions.py:permissions_of",
    "trially/database/rows.py:_insert_item",
    "trially/database/rows.py:_select_item",
    "trially/keys/derivation.py:derive_key",
    "trially/keys/sealing.py:_cipher",
    "trially/openapi.py:_page_of",
    "trially/recruiting/imports/fhir/codings.py:_canonical",
    "trially/recruiting/imports/fhir/values.py:_parse_date",
    "trially/recruiting/imports/fhir/values.py:_split_reference",
    "trially/request_cycle/database_errors.py:_constraint_info",
    "trially/tenancy/schema/lineages.py:fingerprint_of",
}
"""Functions that remember what they have returned: each says the same to every tenant."""


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """Every statement that a server has answered while the test runs."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "after_cursor_execute", note)
    yield statements
    event.remove(Engine, "after_cursor_execute", note)


def refusal_of(attempt: Callable[[], object]) -> Wall:
    """Return the wall that stops an attempt, which is to be stopped."""
    try:
        attempt()
    except RuntimeError as error:
        return wall_of_error(error)
    raise AssertionError("Nothing stopped it.")


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
    ours: Any,
    sent: list[str],
    held: Callable[..., None],
    ask: Callable[[], object],
) -> None:
    assert ours.member.get("/patients").status_code == 200
    sent.clear()

    with app.app_context():
        wall = refusal_of(ask)

    assert sent == []
    held("asks the database without a tenant", wall)


def in_a_thread(attempt: Callable[[], object]) -> Wall:
    walls: list[Wall] = []

    def work() -> None:
        try:
            walls.append(refusal_of(attempt))
        except RuntimeError as error:
            # Flask's own: there is no app context, so there is no session.
            walls.extend([Wall.CONTEXT] * ("outside of application context" in str(error)))

    thread = Thread(target=work)
    thread.start()
    thread.join()
    return walls[0]


def test_a_thread(app: Flask, ours: Any, theirs: Any, held: Callable[..., None]) -> None:
    def ask_in_their_context() -> None:
        with app.app_context(), tenant_context(str(theirs.tenant.id)):
            session.scalars(select(Patient)).all()

    with app.app_context(), tenant_context(str(ours.tenant.id)):
        session = db.session()
        session.execute(text("SELECT 1"))
        alone = in_a_thread(lambda: db.session.execute(text("SELECT 1")))
        handed = in_a_thread(lambda: session.execute(text("SELECT 1")))
        in_theirs = in_a_thread(ask_in_their_context)

    assert handed is Wall.CONTEXT
    held("asks in a thread of its own", alone)
    held("hands a session to a thread of another tenant", in_theirs)


def test_a_session(app: Flask, ours: Any, theirs: Any, held: Callable[..., None]) -> None:
    with app.app_context():
        with tenant_context(str(ours.tenant.id)):
            session = db.session()
            session.scalars(select(Patient)).all()
        with tenant_context(str(theirs.tenant.id)):
            wall = refusal_of(lambda: session.scalars(select(Patient)).all())
            assert refusal_of(lambda: session.get(Patient, (ours.tenant.id, uuid4()))) is wall
            mine = db.session.scalars(select(Patient)).all()
            assert {patient.tenant_id for patient in mine} == {theirs.tenant.id}

    held("takes a session into another tenant's context", wall)


def test_an_object(app: Flask, ours: Any, theirs: Any, held: Callable[..., None]) -> None:
    with app.app_context(), tenant_context(str(ours.tenant.id)):
        site = db.session.scalars(select(Site)).first()
        assert site is not None
        with tenant_context(str(theirs.tenant.id)):
            wall = refusal_of(lambda: db.session.add(site))
            db.session.merge(site)
            assert refusal_of(db.session.flush) is wall
            db.session.rollback()
        db.session.expire(site)
        with tenant_context(str(theirs.tenant.id)):
            assert refusal_of(lambda: site.name) is wall
        site.tenant_id = theirs.tenant.id
        assert refusal_of(db.session.flush) is wall
        db.session.rollback()

    held("takes an object into another tenant's context", wall)


def test_a_connection(app: Flask, ours: Any, theirs: Any, held: Callable[..., None]) -> None:
    with app.app_context(), tenant_context(str(ours.tenant.id)) as entry:
        connection = db.session.connection()
        connection.execute(text("SELECT 1"))
        raw = engine_registry().engine_for(entry.placement).raw_connection()
        cursor = raw.cursor()
        cursor.execute("SELECT 1")
        with tenant_context(str(theirs.tenant.id)):
            wall = refusal_of(lambda: connection.execute(text("SELECT 1")))
            assert refusal_of(lambda: cursor.execute("SELECT 1")) is wall
        raw.close()

    held("takes a connection into another tenant's context", wall)


def test_a_stream(app: Flask, ours: Any, theirs: Any, held: Callable[..., None]) -> None:
    def body(session: Any) -> Iterator[str]:
        for _ in range(2):
            yield str(session.scalars(select(Patient.id)).first())

    with app.app_context():
        with tenant_context(str(ours.tenant.id)):
            stream = body(db.session())
            assert len(next(stream)) == len(str(uuid4()))
        with tenant_context(str(theirs.tenant.id)):
            wall = refusal_of(lambda: next(stream))
        with pytest.raises(StopIteration):
            next(stream)

    held("streams a body on while another tenant is served", wall)


def test_a_cursor(app: Flask, ours: Any, theirs: Any, held: Callable[..., None]) -> None:
    with app.app_context(), tenant_context(str(ours.tenant.id)) as entry:
        raw = engine_registry().engine_for(entry.placement).raw_connection()
        cursor = raw.cursor()
        cursor.execute("DECLARE patients CURSOR FOR SELECT id FROM patient; FETCH 1 FROM patients")
        assert len(cursor.fetchall()) == 1
        with tenant_context(str(theirs.tenant.id)):
            wall = refusal_of(lambda: cursor.execute("FETCH 1 FROM patients"))
        cursor.execute("FETCH 1 FROM patients")
        assert len(cursor.fetchall()) == 1
        raw.close()

    held("reads a cursor on while another tenant is served", wall)


def test_a_member_of_both(
    app: Flask, ours: Any, theirs: Any, held: Callable[..., None], tier: Tier
) -> None:
    subject, issue = f"both|{uuid4()}", state_of(app).dev_issuer.issue_token
    with app.app_context(), tenant_context(str(ours.tenant.id)):
        add_member(subject, Role.ADMIN)
    there = type(ours.member)(
        app.test_client(),
        issue(subject=subject, tenant=theirs.tenant.slug),
        theirs.tenant,
        subject,
    )
    here = type(ours.member)(
        app.test_client(), issue(subject=subject, tenant=ours.tenant.slug), ours.tenant, subject
    )

    answers = [here.get("/sites").status_code, there.get("/sites").status_code]
    with app.app_context(), tenant_context(str(theirs.tenant.id)):
        add_member(subject, Role.VIEWER)
    answers += [there.get("/sites").status_code]
    answers += [each.post("/sites", json={"name": subject}).status_code for each in (here, there)]

    assert answers == [200, 403, 200, 201, 403]
    held("has other rights in another tenant under the same name", Wall.MEMBERSHIP)
    known = state_of(app).identities._entries
    about_them = [(key, identity) for key, (identity, _) in known.items() if subject in key]
    assert {key[0] for key, _ in about_them} == {ours.tenant.id, theirs.tenant.id}
    assert all(key[0] == identity.tenant_id for key, identity in about_them)
    held("remembers a member of another tenant", Wall.KEY)


def test_a_key_of_another_tenant(ours: Any, theirs: Any, held: Callable[..., None]) -> None:
    said = {"json": {"name": f"Site {uuid4()}"}, "headers": {"Idempotency-Key": "the-same"}}

    first = ours.member.post("/sites", **said)
    second = theirs.member.post("/sites", **said)

    assert [first.status_code, second.status_code] == [201, 201]
    assert "Idempotency-Replayed" not in second.headers
    assert first.json["id"] != second.json["id"]
    held("uses another tenant's Idempotency-Key", Wall.KEY)


def test_what_the_process_remembers_is_no_tenants() -> None:
    found = set()
    for path in (ROOT / "trially").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            for decorator in getattr(node, "decorator_list", ()):
                if "cache" in ast.unparse(decorator).replace("cached_property", ""):
                    found.add(f"{path.relative_to(ROOT)}:{node.name}")

    assert found == REMEMBERED
