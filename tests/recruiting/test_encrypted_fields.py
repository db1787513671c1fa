"""A tenant that encrypts fields answers like any other, and its rows show no identifier."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from encrypted_tenants import encrypt
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from psycopg2 import sql
from sqlalchemy import select, text
from tenant_databases import access_of, ask_in

from trially.audit.working import working
from trially.database.field_states import FieldState
from trially.database.rows import table_of
from trially.database.session import db
from trially.keys.sealing import UnsealError
from trially.recruiting.patients.field_backfill import settle_tenant
from trially.recruiting.patients.model import Patient
from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.restoring import RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.cloning.clones import CloneOptions, clone_tenant
from trially.tenancy.context import tenant_context
from trially.tenancy.data_keys import destroy_data_keys, rotate_data_key
from trially.tenancy.directory import directory
from trially.tenancy.encrypting.states import FieldEncryptionError, end_change, set_fields
from trially.tenancy.lifecycle.status import find_to_change
from trially.tenancy.servers.connections import execute

CANARIES = (
    *("Zqgiven", "Zqfamily", "Zqmrn-4711", "Zqother-99", "zq@canary.example", "Zqstreet"),
    *("1961-07-23", "3090182012", "Zqnickname"),
)
PATIENT = {
    "mrn": "Zqmrn-4711",
    "given_name": "Zqgiven",
    "family_name": "Zqfamily",
    "birth_date": "1961-07-23",
    "sex": "female",
    "phone": "+49 30 90182012",
    "email": "zq@canary.example",
    "address": {"line": "Zqstreet 1", "city": "Berlin"},
}
FIELD = {"resource": "patient", "name": "nickname", "label": "Nickname", "type": "text"}
IMPORTED = b"""\
{"resourceType": "Patient", "id": "p-1", "name": [{"family": "Zqfamily", "given": ["Zqgiven"]}], \
"birthDate": "1961-07-23", "gender": "female", "telecom": [{"system": "phone", "value": \
"+49 30 90182012"}], "identifier": [{"system": "urn:h", "value": "Zqmrn-4711", "type": {"coding": \
[{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}}, \
{"system": "urn:o", "value": "Zqother-99"}]}
{"resourceType": "Observation", "id": "o-1", "status": "final", "code": {"coding": [{"system": \
"http://loinc.org", "code": "4548-4"}]}, "subject": {"identifier": {"system": "urn:o", "value": \
"Zqother-99"}}, "effectiveDateTime": "2024-05-01", "valueQuantity": {"value": 7.2, "unit": "%"}}
{"resourceType": "Observation", "id": "o-2", "status": "final", "code": {"coding": [{"system": \
"http://loinc.org", "code": "4548-4"}]}, "subject": {"identifier": {"system": "urn:o", "value": \
"Zqother-98"}}, "effectiveDateTime": "2024-05-01", "valueQuantity": {"value": 7.2, "unit": "%"}}
"""
SEARCHES = (
    *({"q": word} for word in ("zqfamily", "Zqgiven Zqfamily", "Zqmrn-4711", "23.07.1961")),
    *({"q": "zq@canary.example"}, {"mrn": "Zqmrn-4711"}),
    *({"family_name": "Zqfamily"}, {"birth_date": "1961-07-23"}),
    {"custom": {"nickname": "Zqnickname"}},
)


@pytest.fixture(scope="module")
def member(make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> Member:
    """An administrator of a tenant with patients of a member and of a source."""
    found = as_member(make_tenant(tier))
    found.post("/custom-fields", json=FIELD)
    entered = found.post("/patients", json=PATIENT, headers={"Idempotency-Key": "once"})
    assert entered.status_code == 201
    named = {"custom": {"nickname": "Zqnickname"}}
    assert found.patch(f"/patients/{entered.json['id']}", json=named).status_code == 200
    add_import(found)
    [imported] = found.get("/patients?source=s-1").json["data"]
    corrected = {"family_name": "Zqcorrected", "birth_date": "1961-07-24"}
    assert found.patch(f"/patients/{imported['id']}", json=corrected).status_code == 200
    return found


def add_import(member: Member) -> Any:
    return member.post("/imports?source=s-1", data=IMPORTED, content_type="application/ndjson").json


def answers(member: Member) -> dict[str, Any]:
    """Return what the API shows of the tenant's patients."""
    ids = [each["id"] for each in member.get("/patients").json["data"]]
    paths = ["/patients", "/imports/waiting", "/possible-duplicates", "/patients/count"]
    paths += [f"/patients/{each}{more}" for each in ids for more in ("", "/names")]
    read = {path: member.get(path) for path in paths}
    assert {each.status_code for each in read.values()} == {200}, read
    shown: dict[str, Any] = {path: each.data for path, each in read.items()}
    for criteria in SEARCHES:
        answer = member.post("/patients/search", json=criteria)
        assert answer.status_code == 200, (criteria, answer.json)
        found = answer.json["data"]
        shown[str(criteria)] = sorted(str(each) for each in found)
    return shown


def without_waiting(shown: dict[str, Any]) -> dict[str, Any]:
    return {path: answer for path, answer in shown.items() if path != "/imports/waiting"}


def stored(app: Flask, tenant: Tenant) -> str:
    """Return all rows of a tenant's tables as the text that a dump has."""
    schema = tenant.placement.schema
    tables = ask_in(
        app,
        tenant,
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace"
        " AND relname <> 'alembic_version'",
        schema,
    )
    rows = []
    for (name,) in tables:
        statement = sql.SQL("SELECT t::text FROM {} t WHERE tenant_id = %s").format(
            sql.Identifier(schema, name)
        )
        with access_of(app).administer(tenant.placement.database) as raw:
            rows += [row for (row,) in execute(raw, statement, tenant.id)]
    return "\n".join(rows)


def canaries_in(dump: str) -> set[str]:
    """Return the identifiers that a dump shows, as text or as bytes."""
    lowered = dump.lower()
    return {each for each in CANARIES if each.lower() in lowered or each.encode().hex() in lowered}


def test_answers_are_the_same_and_rows_show_nothing(app: Flask, member: Member) -> None:
    plain, tenant = answers(member), member.tenant
    assert canaries_in(stored(app, tenant)) == set(CANARIES) - {"3090182012"}

    encrypt(app, tenant)
    sealed = answers(member)
    dump = stored(app, tenant)
    add_import(member)
    sealed_again = answers(member)

    assert sealed == plain
    # The import has written again which record waits, and since when.
    assert without_waiting(sealed_again) == without_waiting(plain)
    assert canaries_in(dump) == set()
    assert canaries_in(stored(app, tenant)) == set()
    assert member.post("/patients", json=PATIENT).status_code == 409
    again = member.post("/patients", json=PATIENT, headers={"Idempotency-Key": "once"})
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_rotation_seals_again(app: Flask, member: Member) -> None:
    shown = answers(member)
    former = stored(app, member.tenant)
    with app.app_context():
        rotate_data_key(member.tenant.id)

    assert answers(member) == shown
    encrypt(app, member.tenant)

    assert answers(member) == shown
    with app.app_context(), tenant_context(str(member.tenant.id)), working():
        rows = db.session.execute(text("SELECT mrn FROM patient")).scalars().all()
        assert {row[:10] for row in rows} == {rows[0][:10]}
    assert rows[0] not in former


def test_values_do_not_open_elsewhere(app: Flask, member: Member) -> None:
    with app.app_context(), tenant_context(str(member.tenant.id)), working():
        db.session.execute(text("UPDATE patient SET given_name = family_name"))
        columns = table_of(Patient).c
        with pytest.raises(UnsealError, match="another column"):
            db.session.execute(select(columns.given_name)).all()
        db.session.rollback()


def test_copies_seal_for_themselves(
    app: Flask, member: Member, as_member: AsMember, tmp_path: Path
) -> None:
    slug = member.tenant.slug
    shown = [each["mrn"] for each in member.get("/patients").json["data"]]
    with app.app_context():
        archive = back_up(slug, BackupOptions(tmp_path.as_uri()))
        restored = restore_as(
            archive.url, f"{slug}-restored", verify_before(archive.url), RestoreOptions()
        )
        clone = clone_tenant(slug, f"{slug}-clone", CloneOptions())
        with pytest.raises(FieldEncryptionError, match="no masked clone"):
            clone_tenant(slug, f"{slug}-masked", CloneOptions(masked=True))

    for copy in (restored, clone):
        reader = as_member(copy)
        assert [each["mrn"] for each in reader.get("/patients").json["data"]] == shown
        assert reader.post("/patients/search", json={"mrn": "Zqmrn-4711"}).json["data"]
        assert canaries_in(stored(app, copy)) == set()


def test_lost_searches_are_refused(member: Member) -> None:
    for sort in ("name", "-birth_date", "mrn"):
        answer = member.get(f"/patients?sort={sort}")
        assert (answer.status_code, answer.json["code"]) == (422, "field_encrypted")
        assert answer.json["errors"][0]["pointer"] == "/sort"
    for criteria, pointer in (
        ({"q": "zqfam"}, "/q"),
        ({"q": "07/1961"}, "/q"),
        ({"family_name": "Zqfam"}, "/family_name"),
    ):
        answer = member.post("/patients/search", json=criteria)
        assert (answer.status_code, answer.json["code"]) == (422, "field_encrypted"), criteria
        assert answer.json["errors"][0]["pointer"] == pointer
    assert member.get("/patients?sort=created_at").status_code == 200


def test_a_phone_number_is_found_without_its_country(member: Member) -> None:
    for typed in ("030 90182012", "+49 30 90182012", "493090182012"):
        found = member.post("/patients/search", json={"q": typed}).json["data"]
        assert {each["phone"] for each in found} == {PATIENT["phone"]}, typed


def test_requests_go_on_while_fields_change(app: Flask, member: Member) -> None:
    tenant = member.tenant
    shown = without_waiting(answers(member))
    [version] = {tenant_state(app, tenant).version}
    for state in (FieldState(None, True, version), FieldState(version, True, None)):
        with app.app_context(), catalog_transaction() as session:
            set_fields(session, find_to_change(session, str(tenant.id)), state)
        with app.app_context():
            directory().forget(tenant.id)

        assert without_waiting(answers(member)) == shown
        assert member.post("/patients", json=PATIENT).status_code == 409
        added = member.post("/patients", json={**PATIENT, "mrn": f"Zqnew-{state.version}"}).json
        changed = member.patch(f"/patients/{added['id']}", json={"birth_date": "1962-01-01"})
        assert changed.json["birth_date"] == "1962-01-01"
        assert member.delete(f"/patients/{added['id']}").status_code == 204
        counts = add_import(member)["counts"]["Patient"]
        assert (counts.get("new", 0), counts.get("changed", 0)) == (0, 0)

        with app.app_context():
            settle_tenant(str(tenant.id), report=lambda _rows: None)
            with catalog_transaction() as session:
                end_change(session, find_to_change(session, str(tenant.id)))
        assert without_waiting(answers(member)) == shown
        assert (canaries_in(stored(app, tenant)) == set()) is (state.version is not None)


def test_decrypted_fields_are_as_before(app: Flask, member: Member) -> None:
    shown = answers(member)

    encrypt(app, member.tenant, is_on=False)

    assert answers(member) == shown
    assert "\x01" not in stored(app, member.tenant)
    assert member.get("/patients?sort=name").status_code == 200


def test_writers_are_not_held_up_and_nothing_stays_readable(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    tier: Tier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = as_member(make_tenant(tier))
    ids = [writer.post("/patients", json=numbered(each)).json["id"] for each in range(20)]
    written: dict[str, str] = {}
    stopping = Event()

    def write() -> None:
        for number in count(100):
            added = writer.post("/patients", json=numbered(number))
            assert added.status_code == 201, added.json
            written[added.json["id"]] = "Zqgiven"
            path = f"/patients/{ids[number % len(ids)]}"
            changed = writer.patch(path, json={"given_name": f"Zqgiven {number}"})
            assert changed.status_code == 200, changed.json
            written[ids[number % len(ids)]] = f"Zqgiven {number}"
            if stopping.is_set():
                return

    monkeypatch.setattr("trially.recruiting.patients.field_backfill.AT_A_TIME", 2)
    with ThreadPoolExecutor(1) as executor:
        writing = executor.submit(write)
        encrypt(app, writer.tenant)
        stopping.set()
        writing.result()

    assert len(written) > 1
    for patient_id, name in written.items():
        assert writer.get(f"/patients/{patient_id}").json["given_name"] == name
    assert canaries_in(stored(app, writer.tenant)) == set()


def test_exports_are_decrypted(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    run_command: Callable[..., Any],
    tmp_path: Path,
) -> None:
    owner = as_member(make_tenant())
    assert owner.post("/patients", json={**PATIENT, "given_name": '=1, "x"'}).status_code == 201
    add_import(owner)
    exported = []
    for name in ("readable", "encrypted"):
        folder = tmp_path / name
        run = run_command(
            *("tenants", "export", owner.tenant.slug, "--format", "fhir,csv", "--to", folder)
        )
        assert run.exit_code == 0, run.output
        exported.append(
            {
                str(path.relative_to(folder)): path.read_bytes()
                for path in folder.rglob("*")
                if path.suffix == ".ndjson" or path.name.startswith(("patient", "waiting"))
            }
        )
        encrypt(app, owner.tenant)

    assert exported[0] == exported[1]
    assert {"csv/patient.csv", "csv/patient_name.csv", "csv/waiting_fact.csv"} <= exported[0].keys()


def test_a_downgrade_of_an_encrypted_tenant_fails(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    run_command: Callable[..., Any],
) -> None:
    owner = as_member(make_tenant())
    make_patient(owner)
    encrypt(app, owner.tenant)
    shown = owner.get("/patients").data

    run = run_command("tenants", "downgrade", owner.tenant.slug, "--to", "0023", "--yes")

    assert run.exit_code != 0
    # The downgrades before the one that fails stay done.
    assert run_command("tenants", "migrate", owner.tenant.slug).exit_code == 0
    assert owner.get("/patients").data == shown


def numbered(number: int) -> dict[str, Any]:
    return {**PATIENT, "mrn": f"Zqmrn-4711-{number}"}


def test_nothing_is_read_or_written_without_the_key(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient
) -> None:
    reader = as_member(make_tenant())
    patient = make_patient(reader)
    encrypt(app, reader.tenant)
    with app.app_context():
        destroy_data_keys(reader.tenant.id)

    for answer in (
        reader.get("/patients"),
        reader.get(f"/patients/{patient['id']}"),
        reader.post("/patients", json=PATIENT),
        reader.post("/patients/search", json={"mrn": "1"}),
    ):
        assert (answer.status_code, answer.json["code"]) == (503, "data_key_unavailable")
    assert reader.get("/patients/count").json == {"count": 1}


def test_a_killed_change_is_resumed(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    run_command: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = as_member(make_tenant())
    for _ in range(3):
        make_patient(reader)
    shown = reader.get("/patients").data
    monkeypatch.setattr("trially.recruiting.patients.field_backfill.AT_A_TIME", 1)
    with monkeypatch.context() as patch:
        patch.setattr("trially.recruiting.patients.field_backfill.note", die_after(2))
        with pytest.raises(SystemExit):
            encrypt(app, reader.tenant)
    assert reader.get("/patients").data == shown

    assert run_command("operations", "resume").exit_code == 0

    assert tenant_state(app, reader.tenant) == FieldState(1)
    assert reader.get("/patients").data == shown
    again = run_command("tenants", "encrypt", reader.tenant.slug, "--json")
    assert '"is_needed": false' in again.output


def die_after(number: int) -> Callable[..., None]:
    calls = iter(range(number))

    def note(**_: Any) -> None:
        if next(calls, None) is None:
            raise SystemExit

    return note


def tenant_state(app: Flask, tenant: Tenant) -> FieldState:
    with app.app_context(), catalog_transaction() as session:
        return session.get_one(Tenant, tenant.id).fields
