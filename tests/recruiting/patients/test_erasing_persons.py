"""One person is erased: rows, evidence, what waits, stored answers. A tombstone stays."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from members import AsMember, MakeFact, MakePatient, MakeTenant, Member
from sqlalchemy.exc import IntegrityError
from tenant_databases import ask_in, placement_of

from trially.database.changes import is_about_patients, shows_patients
from trially.database.discarding import discarded_tables
from trially.database.model import TenantModel
from trially.recruiting.patients.erasures.forgetting import (
    FORGOTTEN_BY_ID,
    FORGOTTEN_BY_KEY,
    FORGOTTEN_BY_TRIGGER,
)
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.erasing.certificates import check
from trially.tenancy.erasing.erased_tenant import read_placements
from trially.tenancy.erasing.persons import apply_erasures, erasures_since

NDJSON = "application/ndjson"
KEY = {"Idempotency-Key": "once-and-once-only"}
TABLES = """
SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE attname = 'tenant_id' AND relkind IN ('r', 'p') AND NOT relispartition
AND relnamespace = %s::regnamespace
"""


def tables_with(app: Flask, member: Member, word: str) -> set[str]:
    """Return the tables of a tenant with a row that has the word, in any column."""
    schema = placement_of(app, member.tenant).schema
    found = set()
    for (name,) in ask_in(app, member.tenant, TABLES, schema):
        statement = (
            f"SELECT 1 FROM {schema}.{name} t WHERE tenant_id = %s AND (t::text ILIKE %s"
            " OR strpos(t::text, %s) > 0) LIMIT 1"
        )
        in_bytes = word.encode().hex()
        if ask_in(app, member.tenant, statement, str(member.tenant.id), f"%{word}%", in_bytes):
            found.add(name)
    return found


def erase(member: Member, patient_id: str, **body: Any) -> Any:
    return member.post(f"/patients/{patient_id}/erasure", json={"reason": "request", **body})


@pytest.fixture
def pair(
    make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient, make_fact: MakeFact
) -> Callable[[Tier], tuple[Member, str]]:
    """Make a member, and a patient of whom many tables hold something."""

    def make(tier: Tier) -> tuple[Member, str]:
        member = as_member(make_tenant(tier))
        created = member.post(
            "/patients",
            headers=KEY,
            json={
                "mrn": "Zqmarker-1",
                "given_name": "Zqmarker",
                "family_name": "Zqmarker",
                "birth_date": "1960-05-17",
                "sex": "female",
            },
        )
        assert created.status_code == 201
        patient_id = created.json["id"]
        make_patient(member, mrn="Other-1", given_name="Zqmarkerin", family_name="Zqmarkeru")
        make_fact(member.tenant, patient_id, display="Zqmarker disease")
        member.patch(f"/patients/{patient_id}", json={"given_name": "Zqmarkerine"})
        return member, patient_id

    return make


def test_nothing_of_an_erased_person_is_left(
    app: Flask, pair: Callable[[Tier], tuple[Member, str]], tier: Tier
) -> None:
    member, patient_id = pair(tier)
    assert {"patient", "idempotency_key"} <= tables_with(app, member, "Zqmarker-1")
    assert {"clinical_fact", "possible_duplicate"} <= tables_with(app, member, patient_id)

    answer = erase(member, patient_id)

    assert answer.status_code == 200, answer.json
    assert tables_with(app, member, "Zqmarker-1") == set()
    assert tables_with(app, member, "Zqmarkerine") == set()
    # The id stands for nobody any more. The log of the requests has the routes, not the paths.
    assert tables_with(app, member, patient_id) == {"person_erasure"}
    assert member.get(f"/patients/{patient_id}").status_code == 404
    assert len(member.get("/patients").json["data"]) == 1
    with app.app_context():
        content = check(json.dumps(answer.json["certificate"]).encode())
    counts = {each["store"]: (each["before"], each["after"]) for each in content["stores"]}
    assert counts["table patient"] == (1, 0)
    assert counts["table clinical_fact"] == (1, 0)
    assert all(after == 0 for _, after in counts.values())
    [listed] = member.get("/erasures").json["data"]
    assert listed == answer.json
    assert member.get(f"/erasures/{listed['id']}").json == answer.json
    records = member.get("/audit").json["data"]
    erased = {each for record in records for each in record["erased_patients"]}
    assert erased == set(answer.json["pseudonyms"])
    assert "Zqmarkerine" not in json.dumps(records)
    assert "Zqmarker-1" not in json.dumps(records)


def test_every_table_that_names_patients_is_counted_or_forgotten() -> None:
    """A new table about patients has a foreign key to them, or is named where it is forgotten."""
    naming = {
        table.name
        for table in TenantModel.metadata.tables.values()
        if shows_patients(table) and not is_about_patients(table)
    }

    copies = {table.name for table in discarded_tables()}
    assert naming == FORGOTTEN_BY_KEY | FORGOTTEN_BY_ID | FORGOTTEN_BY_TRIGGER | copies


def test_a_legal_hold_forbids_to_delete_and_to_erase(
    app: Flask, pair: Callable[[Tier], tuple[Member, str]]
) -> None:
    member, patient_id = pair(Tier.POOLED_ROWS)
    path = f"/patients/{patient_id}/legal-hold"
    assert member.get(path).status_code == 404
    held = member.request("PUT", path, json={"reason": "Litigation 7"})
    assert (held.status_code, held.json["reason"]) == (200, "Litigation 7")

    assert erase(member, patient_id).json["code"] == "legal_hold"
    assert member.delete(f"/patients/{patient_id}").json["code"] == "legal_hold"
    with pytest.raises(Exception, match="patient_hold") as refused:
        ask_in(
            app,
            member.tenant,
            "BEGIN; SELECT set_config('trially.tenant_id', %s, true);"
            "DELETE FROM tenant.patient WHERE id = %s",
            str(member.tenant.id),
            patient_id,
        )
    assert not isinstance(refused.value, IntegrityError)
    assert member.request("DELETE", path).status_code == 204
    assert erase(member, patient_id).status_code == 200


def test_an_imported_person_stays_erased_and_the_neighbour_does_not(
    make_tenant: MakeTenant, as_member: AsMember, app: Flask
) -> None:
    lines = [
        {
            "resourceType": "Patient",
            "id": "of-clinic",
            "gender": "male",
            "name": [{"family": "Zq"}],
        },
        {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/of-clinic"}},
    ]
    upload = "\n".join(map(json.dumps, lines))
    members = [as_member(make_tenant(Tier.POOLED_ROWS)) for _ in range(2)]
    for each in members:
        assert each.post("/imports?source=clinic", data=upload, content_type=NDJSON).status_code
    member, other = members
    [patient] = member.get("/patients").json["data"]
    erased = erase(member, patient["id"])
    assert erased.status_code == 200
    assert "of-clinic" not in json.dumps(erased.json)

    again = json.dumps({**lines[0], "gender": "female"})
    for each in members:
        each.post("/imports?source=clinic", data=again, content_type=NDJSON)

    assert member.get("/patients").json["data"] == []
    assert len(other.get("/patients").json["data"]) == 1


def test_only_those_who_may_erase_see_tombstones(
    pair: Callable[[Tier], tuple[Member, str]], as_member: AsMember
) -> None:
    member, patient_id = pair(Tier.POOLED_ROWS)
    coordinator = as_member(member.tenant, "coordinator")
    assert erase(coordinator, patient_id).status_code == 403
    assert coordinator.get("/erasures").status_code == 403
    assert erase(member, patient_id, reason="because").status_code == 422


def test_an_erasure_is_applied_again_to_restored_rows(
    app: Flask, pair: Callable[[Tier], tuple[Member, str]], tier: Tier
) -> None:
    """The rows of before the erasure are written back, as a restore does."""
    member, patient_id = pair(tier)
    taken_at = dt.datetime.now(dt.UTC)
    schema = placement_of(app, member.tenant).schema
    tenant = str(member.tenant.id)
    as_tenant = f"SELECT set_config('trially.tenant_id', '{tenant}', false);"
    [(row,)] = ask_in(
        app,
        member.tenant,
        f"{as_tenant} SELECT to_jsonb(p)::text FROM {schema}.patient p WHERE id = %s",
        patient_id,
    )
    [(names,)] = ask_in(
        app,
        member.tenant,
        "SELECT string_agg(quote_ident(attname), ',') FROM pg_attribute WHERE attnum > 0"
        " AND NOT attisdropped AND attgenerated = '' AND attrelid = %s::regclass",
        f"{schema}.patient",
    )
    assert erase(member, patient_id).status_code == 200
    ask_in(
        app,
        member.tenant,
        f"{as_tenant} INSERT INTO {schema}.patient ({names}) OVERRIDING SYSTEM VALUE"
        f" SELECT {names} FROM jsonb_populate_record(NULL::{schema}.patient, %s)",
        row,
    )
    assert member.get(f"/patients/{patient_id}").status_code == 200

    with app.app_context():
        with catalog_transaction() as session:
            [record] = read_placements(session, member.tenant.id)
        erased = erasures_since(member.tenant.id, taken_at)
        counts = [apply_erasures(record, erased) for _ in range(2)]

    assert [each.patient_id for each in erased] == [UUID(patient_id)]
    assert counts == [1, 0]
    reasons = [each["reason"] for each in member.get("/erasures").json["data"]]
    assert reasons == ["reapplied", "request"]
    assert member.get(f"/patients/{patient_id}").status_code == 404


def test_an_operator_erases_a_person_by_command(
    app: Flask,
    pair: Callable[[Tier], tuple[Member, str]],
    run_command: Callable[..., Any],
) -> None:
    member, patient_id = pair(Tier.OWN_SCHEMA)
    slug = member.tenant.slug

    asked = run_command("patients", "erase", slug, patient_id)
    erased = run_command("patients", "erase", slug, patient_id, "--yes", patient_id, "--json")
    again = run_command("patients", "erase", slug, patient_id, "--yes", patient_id)

    assert f"--yes {patient_id}" in asked.stderr
    with app.app_context():
        content = check(erased.stdout.encode())
    assert (content["patient"], content["reason"]) == (patient_id, "request")
    assert "has no patient" in again.stderr
    assert tables_with(app, member, "Zqmarkerine") == set()
