"""Each route that changes something or shows patients leaves one record, and no other does."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from examples import (
    NEEDS_A_REAL_ISSUER,
    PREPARED,
    ROUTES,
    contract_for,
    create_all,
    ids_of_nothing,
    new_word,
    options_for,
    url_for,
)
from flask import Flask
from members import AsMember, MakeTenant, Member
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS
from tenant_records import Found, Log
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from trially.auth.members.managing import list_members
from trially.auth.roles import PhiLevel, Role
from trially.database import dialect
from trially.database.changes import is_audited
from trially.database.dialect import PlacedConnection
from trially.database.model import TenantModel
from trially.database.statements import _tables_of, note_statement
from trially.database.watching import WatchedCursor
from trially.http.disclosures import IN_PATH, ids_in
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

SAFE = ("GET", "HEAD")
PARAMETERS = [pytest.param(rule, method, id=f"{method} {rule.rule}") for rule, method in ROUTES]
READING = [each for each in PARAMETERS if each.values[1] in SAFE]
WRITING = [
    each
    for each in PARAMETERS
    if each.values[1] not in SAFE
    and not contract_for(each.values[0]).only_reads
    and each.values[0].endpoint != NEEDS_A_REAL_ISSUER
]
NAMING = [each for each in PARAMETERS if each.values[0].arguments]
OF_ERASED = {"erasures.list_erasures", "erasures.show_erasure"}
"""Routes whose patients are erased, so that no number stands for them any more."""

CASCADED = {"clinical_fact", "document", "possible_duplicate", "waiting_fact", "member_site"}
"""Tables whose rows a foreign key deletes with their patient, import or member."""

WRITTEN = """
SELECT relname, pg_stat_force_next_flush() FROM pg_stat_xact_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
"""
"""PostgreSQL's own count, which begins again with the next transaction."""
DERIVED = {"possible_duplicate", "waiting_fact"}
"""Tables whose rows follow from others, or are counted, so that no record names them."""


@pytest.fixture(scope="module")
def member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant(Tier.POOLED_ROWS), role=Role.OWNER)


@pytest.fixture(scope="module")
def ids(member: Member) -> dict[str, str]:
    return create_all(member)


@pytest.fixture(scope="module")
def limited(member: Member, as_member: AsMember) -> Member:
    return as_member(member.tenant, phi_level=PhiLevel.LIMITED)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The audited tables whose rows PostgreSQL has counted as written, and those in statements."""
    seen: dict[str, set[str]] = {"counted": set(), "named": set()}
    tables = TenantModel.metadata.tables
    end = PlacedConnection._end

    def note(statement: str) -> None:
        seen["named"] |= _tables_of(statement, len(tables))[0]
        note_statement(statement)

    def look_and_end(self: PlacedConnection, ending: str, then: str = "") -> Any:
        if self.get_transaction_status() == TRANSACTION_STATUS_INTRANS:
            cursor = WatchedCursor(self)
            cursor.execute(WRITTEN)
            names = {name for name, _ in cursor.fetchall()} & tables.keys()
            if "COMMIT" in ending:
                seen["counted"] |= {name for name in names if is_audited(tables[name])}
        return end(self, ending, then)

    monkeypatch.setattr(dialect, "note_statement", note)
    monkeypatch.setattr(PlacedConnection, "_end", look_and_end)
    return seen


def send(member: Member, rule: Rule, method: str, ids: dict[str, str]) -> TestResponse:
    return member.request(method, url_for(rule, ids), **options_for(rule, ids))


def shown_in(answer: TestResponse, rule: Rule, ids: dict[str, str]) -> Iterator[Any]:
    """Yield the patients whom an answer shows, as its schema says."""
    contract = contract_for(rule)
    items = answer.json["data"] if contract.is_page else [answer.json]
    for name in contract.subjects:
        if name == IN_PATH:
            yield ids["patient_id"]
        else:
            yield from (str(each) for item in items for each in ids_in(item[name]))


def member_id(member: Member) -> Any:
    with member.app.app_context(), tenant_context(str(member.tenant.id)):
        return next(each["id"] for each in list_members() if each["subject"] == member.subject)


def assert_about(record: Found, member: Member, answer: TestResponse, method: str) -> None:
    assert record.member_id == member_id(member)
    assert record.operator is None
    assert record.outcome == answer.status_code
    assert record.route.startswith("GET " if method == "HEAD" else f"{method} ")
    assert record.request_id == answer.headers["X-Request-ID"].replace("-", "")


@pytest.mark.parametrize(("rule", "method"), READING)
def test_an_answer_is_recorded_if_it_shows_patients(
    app: Flask, member: Member, limited: Member, ids: dict[str, str], rule: Rule, method: str
) -> None:
    if rule.endpoint in PREPARED:
        ids = {**ids, **PREPARED[rule.endpoint](member, ids)}
    log = Log(app, member.tenant)
    for reader in (member, limited):
        answer = send(reader, rule, method, ids)
        assert answer.status_code in {HTTPStatus.OK, HTTPStatus.FORBIDDEN}, answer.text
        records = log.new()

        if answer.status_code == HTTPStatus.FORBIDDEN:
            assert [each.action for each in records] == ["refuse"]
            continue
        if contract_for(rule).subjects is None:
            assert records == []
            continue
        [record] = records
        assert_about(record, reader, answer, method)
        assert record.phi_level == ("full" if reader is member else "limited")
        shown = answer if method == "GET" else send(reader, rule, "GET", ids)
        is_gone = rule.endpoint in OF_ERASED
        assert record.subjects == log.numbers([] if is_gone else shown_in(shown, rule, ids))
        log.new()


@pytest.mark.parametrize(("rule", "method"), WRITING)
def test_a_change_is_recorded_with_its_tables(
    app: Flask,
    member: Member,
    ids: dict[str, str],
    writes: dict[str, set[str]],
    rule: Rule,
    method: str,
) -> None:
    if method == "DELETE":
        ids = create_all(member, new_word())
    if rule.endpoint in PREPARED:
        ids = {**ids, **PREPARED[rule.endpoint](member, ids)}
    log = Log(app, member.tenant)
    for seen in writes.values():
        seen.clear()

    answer = send(member, rule, method, ids)

    assert answer.status_code < HTTPStatus.BAD_REQUEST, answer.text
    records = log.new()
    assert records, "nothing is recorded"
    assert {record.member_id for record in records} == {member_id(member)}
    assert {record.request_id for record in records} == {records[0].request_id}
    changed = {table for record in records for table in record.changed}
    assert writes["counted"] <= writes["named"] | CASCADED
    assert writes["counted"] - DERIVED - CASCADED <= changed
    if "import" not in rule.endpoint:
        [record] = records
        assert_about(record, member, answer, method)
        assert changed
    if method == "PATCH" and contract_for(rule).body is not None:
        # A job that publishes the change is recorded with it.
        [table] = {each["table"] for each in records[0].details["changes"]} - {"job"}
        assert set(options_for(rule, ids)["json"]) <= records[0].columns(table)


@pytest.mark.parametrize(("rule", "method"), NAMING)
def test_a_refusal_is_recorded_once(
    app: Flask, member: Member, ids: dict[str, str], rule: Rule, method: str
) -> None:
    log = Log(app, member.tenant)
    nobodys = ids_of_nothing(ids)

    answer = send(member, rule, method, {**nobodys, "field": "sex"})

    assert answer.status_code == HTTPStatus.NOT_FOUND, answer.text
    [record] = log.new()
    assert_about(record, member, answer, method)
    assert record.action == "refuse"
    assert record.subjects == frozenset()
