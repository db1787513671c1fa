"""No statement escapes the log: an unnoted change is not committed, an undeclared read not sent."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any
from uuid import UUID

import click
import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from psycopg2 import sql
from sqlalchemy import Connection, select, text, update
from tenant_databases import ask_in, placement_of
from tenant_records import Log

from trially.audit.working import showing_patients, working
from trially.database.changes import note_written
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.database.statements import UnauditedChangeError, UnauditedReadError
from trially.recruiting.patients.model import Patient
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

Write = Callable[[Connection], Any]

WRITES: dict[str, Write] = {
    "text": lambda to: to.execute(text("UPDATE patient SET language = 'xx'")),
    "core": lambda to: to.execute(update(table_of(Patient)).values(language="xx")),
    "in a query": lambda to: to.execute(
        text("WITH new AS (UPDATE patient SET language = 'xx' RETURNING id) SELECT id FROM new")
    ),
    "quoted": lambda to: to.execute(text('UPDATE "patient" SET language = $$xx$$')),
    "in capitals": lambda to: to.execute(text("UPDATE PATIENT SET LANGUAGE = 'xx'")),
    "after a comment": lambda to: to.execute(
        text("UPDATE /* all */ ONLY -- of them\n patient SET language = 'xx'")
    ),
    "with the schema": lambda to: to.execute(
        text(f"UPDATE {to.scalar(text('SELECT current_schema()'))}.patient SET language = 'xx'")
    ),
    "merge": lambda to: to.execute(
        text(
            "MERGE INTO patient USING (SELECT 1) AS one ON true"
            " WHEN MATCHED THEN UPDATE SET language = 'xx'"
        )
    ),
    "delete": lambda to: to.execute(text("DELETE FROM patient")),
    "in a block": lambda to: to.execute(
        text("DO $do$ BEGIN UPDATE patient SET language = 'xx'; END $do$")
    ),
    "raw": lambda to: _cursor(to).execute("UPDATE patient SET language = %s", ("xx",)),
    "raw bytes": lambda to: _cursor(to).execute(b"UPDATE patient SET language = 'xx'"),
    "composed": lambda to: _cursor(to).execute(
        sql.SQL("UPDATE {} SET language = 'xx'").format(sql.Identifier("patient"))
    ),
    "many": lambda to: _cursor(to).executemany("UPDATE patient SET language = %s", [("xx",)]),
}


def _cursor(to: Connection) -> Any:
    raw: Any = to.connection.dbapi_connection
    return raw.cursor()


@pytest.fixture(scope="module")
def member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant())


@pytest.fixture(scope="module")
def patient_id(member: Member, make_patient: MakePatient) -> str:
    return str(make_patient(member, language="de")["id"])


@pytest.fixture
def in_command(app: Flask, member: Member) -> Iterator[None]:
    """What a command sees that works on the tenant."""
    with (
        app.app_context(),
        click.Context(click.Command("work"), info_name="work"),
        tenant_context(str(member.tenant.id)),
    ):
        yield


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.usefixtures("in_command")
def test_a_change_that_nothing_noted_is_not_committed(
    member: Member, patient_id: str, write: Write
) -> None:
    with (
        working(),
        pytest.raises(UnauditedChangeError, match="has written patient"),
        transaction(),
    ):
        write(db.session.connection())

    assert member.get(f"/patients/{patient_id}").json["language"] == "de"


@pytest.mark.usefixtures("in_command")
def test_a_change_that_is_noted_leaves_a_record_of_the_operator(
    app: Flask, member: Member, patient_id: str
) -> None:
    log = Log(app, member.tenant)
    with working(), transaction():
        db.session.execute(text("UPDATE patient SET phone = '1'"))
        note_written("patient", patients=[UUID(patient_id)])

    [record] = log.new()
    assert record.subjects == log.numbers([patient_id])
    assert record.changed == {"patient"}
    assert (record.route, record.action, record.purpose) == ("work", "operate", "HSYSADMIN")
    assert record.operator is not None
    assert "@" in record.operator
    assert record.member_id is None


@pytest.mark.usefixtures("in_command")
def test_a_note_of_an_earlier_change_does_not_cover_a_later_one(patient_id: str) -> None:
    with working():
        db.session.execute(text("UPDATE patient SET phone = '1'"))
        note_written("patient", patients=[UUID(patient_id)])
        db.session.execute(text("UPDATE patient SET phone = '2'"))
        with pytest.raises(UnauditedChangeError):
            db.session.commit()
    db.session.rollback()


@pytest.mark.usefixtures("in_command")
def test_a_commit_below_the_session_does_not_lose_the_record(patient_id: str) -> None:
    raw: Any = db.session.connection().connection.dbapi_connection
    with working():
        raw.cursor().execute("UPDATE patient SET phone = '1'")
        note_written("patient", patients=[UUID(patient_id)])
        with pytest.raises(UnauditedChangeError, match="no audit record"):
            raw.commit()
    db.session.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        select(Patient.id),
        text("SELECT mrn FROM patient"),
        text('SELECT word FROM (SELECT term AS word FROM "patient_search_term") AS words'),
        text("SELECT patient_key FROM waiting_fact"),
        text("SELECT title FROM document"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("in_command")
def test_a_command_cannot_read_patients_without_saying_why(statement: Any) -> None:
    with pytest.raises(UnauditedReadError, match="something about patients"):
        db.session.execute(statement)
    with pytest.raises(UnauditedReadError, match="does not say which"), showing_patients():
        db.session.execute(statement)


@pytest.mark.usefixtures("in_command")
def test_what_a_command_shows_is_recorded(app: Flask, member: Member, patient_id: str) -> None:
    log = Log(app, member.tenant)
    with showing_patients() as shown:
        shown.show(db.session.scalars(select(Patient.id)))
    with showing_patients() as shown:
        shown.show_unknown()
    with working():
        db.session.execute(select(Patient.id)).all()

    known, unknown = log.new()
    assert known.subjects == log.numbers([patient_id])
    assert unknown.subjects == frozenset()
    assert known.operator == unknown.operator


@pytest.fixture
def unwritable_log(app: Flask, member: Member) -> Iterator[None]:
    """A tenant whose role may not write audit records."""
    placement = placement_of(app, member.tenant)
    names = placement.schema, placement.url.username
    ask_in(app, member.tenant, f"REVOKE INSERT ON {names[0]}.audit_record FROM {names[1]}")
    yield
    ask_in(app, member.tenant, f"GRANT INSERT ON {names[0]}.audit_record TO {names[1]}")


@pytest.mark.usefixtures("unwritable_log")
def test_without_a_record_nothing_is_shown_and_nothing_changed(
    app: Flask, member: Member, patient_id: str
) -> None:
    path = f"/patients/{patient_id}"
    change = {"json": {"language": "fr"}, "headers": {"If-Match": "*"}}

    answers = [
        member.get(path),
        member.get("/patients"),
        member.post("/patients/search", json={"q": "example"}),
        member.patch(path, **change),
    ]

    for answer in answers:
        assert answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        assert "Example" not in answer.text
    assert member.get("/patients/count").json == {"count": 1}
    stored = ask_in(app, member.tenant, _STORED.format(placement_of(app, member.tenant).schema))
    assert stored == [("de",)]


_STORED = "SELECT language FROM {}.patient"


def test_a_changed_value_can_be_read_until_the_patient_is_erased(
    app: Flask, member: Member, make_patient: MakePatient
) -> None:
    patient = make_patient(member, phone="0170 1")
    log = Log(app, member.tenant)
    member.patch(f"/patients/{patient['id']}", json={"phone": "0170 2"})

    record = log.new()[-1]

    assert record.columns("patient") >= {"phone"}
    assert log.values(record, patient["id"])["phone"] == ["0170 1", "0170 2"]
    assert "0170" not in str(record.details)
    assert member.delete(f"/patients/{patient['id']}").status_code == HTTPStatus.NO_CONTENT
    erased = log.new()[-1]
    assert erased.subjects == record.subjects
    assert "patient" in erased.changed
    assert _keys(app, member.tenant, patient["id"]) == 0


def _keys(app: Flask, tenant: Tenant, patient_id: str) -> int:
    with app.app_context(), tenant_context(str(tenant.id)):
        keys = db.session.scalars(select(Patient.audit_key).where(Patient.id == UUID(patient_id)))
        return len(keys.all())
