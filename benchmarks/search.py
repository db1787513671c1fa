"""Search among 200,000 patients, in a database of the tenant's own and in pooled tables.

The pooled tables hold the rows of other tenants, too. The plain equivalent is a table of the same
patients with an index of the lower family name, in which psycopg2 looks up its beginning: no
tenants, no other names, and accents as they are stored.
"""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson
from flask import Flask
from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy import text

from benchmarks.installation import installation
from benchmarks.populations import FAMILY, GIVEN, make_patients
from benchmarks.report import make_parser, print_outcome
from trially.auth.members.managing import add_member
from trially.auth.permissions import Role
from trially.database.session import db, transaction
from trially.recruiting.duplicates.finding import find_all_duplicates
from trially.recruiting.imports.running import ANALYZED_AFTER_BATCHES
from trially.recruiting.search.indexing import index_patients
from trially.state import state_of
from trially.tenancy.catalog import Tenant, Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

BAR_MS = 50
SUBJECT = "benchmark|coordinator"
BATCH = 1_000

_INSERT = """
INSERT INTO patient (tenant_id, id, source, source_id, mrn, given_name, family_name, birth_date,
    birth_date_precision, sex, phone, email)
SELECT CAST(:tenant_id AS uuid), id, 'benchmark', source_id, mrn, given_name, family_name,
    birth_date, 'day', sex, phone, email
FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, source_id text, mrn text,
    given_name text, family_name text, birth_date date, sex text, phone text, email text)
"""
_COPIED = ("patient", "patient_search_term")
_PLAIN = """
CREATE SCHEMA plain;
CREATE TABLE plain.plain_patient AS SELECT id, given_name, family_name, birth_date FROM {patient};
CREATE INDEX ON plain.plain_patient (lower(family_name) text_pattern_ops, id)
"""
_PLAIN_SEARCH = """
SELECT * FROM plain.plain_patient WHERE lower(family_name) LIKE lower(%s) ORDER BY id LIMIT 51
"""


def main() -> None:
    parser = make_parser(__spec__.name, rounds=300, seconds=60)
    parser.add_argument("--patients", type=int, default=200_000, help="(default: %(default)s)")
    parser.add_argument(
        "--others", type=int, default=4, help="other pooled tenants (default: %(default)s)"
    )
    options = parser.parse_args()
    figures: dict[str, Any] = {"bar_ms": BAR_MS, "patients": options.patients}
    with installation() as installed:
        app = installed.app
        for tier in (Tier.DEDICATED_DATABASE, Tier.POOLED_ROWS):
            with app.app_context():
                tenant = create_tenant(f"searched-{tier[:4]}", "Searched", tier=tier)
                figures[tier] = {"filled": _fill(tenant, options.patients)}
                if tier is Tier.POOLED_ROWS:
                    _copy_to_others(tenant, options.others)
                _analyze(tenant)
                if tier is Tier.DEDICATED_DATABASE:
                    figures["plain"] = _measure_plain(tenant, options.rounds)
                figures[tier]["duplicates_seconds"] = _find_duplicates(tenant)
            search = _searcher(app, tenant)
            figures[tier] |= {
                what: _measure(search, queries, options.rounds, options.seconds)
                for what, queries in _queries().items()
            }
    print_outcome(_compose_line(figures), figures, as_json=options.json)


def _compose_line(figures: dict[str, Any]) -> str:
    def show(taken: dict[str, float]) -> str:
        return f"{taken['median']:.1f} ms, p95 {taken['p95']:.1f}"

    tiers = ", ".join(
        f"{tier} {show(figures[tier]['names'])}"
        for tier in (Tier.DEDICATED_DATABASE, Tier.POOLED_ROWS)
    )
    return (
        f"search by name among {figures['patients']:,} patients: {tiers} (bar: p95 {BAR_MS});"
        f" plain LIKE on one column {show(figures['plain'])}; all possible duplicates in"
        f" {figures[Tier.DEDICATED_DATABASE]['duplicates_seconds']:.0f} s"
    )


def _queries() -> dict[str, list[dict[str, Any]]]:
    """Return the searches of each kind. Those of `names` are what is compared with the bar."""
    families = FAMILY[:5] + FAMILY[5::97]
    exact = [{"q": name} for name in families]
    both = [{"q": f"{GIVEN[n % len(GIVEN)]} {name}"} for n, name in enumerate(families)]
    prefixes = [{"q": name[:4]} for name in families]
    fields = [{"family_name": name[:4], "given_name": "eliz"} for name in families]
    errors = [{"q": name[:3] + name[4:]} for name in families]
    nicknames = [{"q": f"betty {name}"} for name in families]
    names = [
        each
        for group in zip(exact, both, prefixes, fields, errors, nicknames, strict=True)
        for each in group
    ]
    return {
        "names": names,
        "exact": exact,
        "given_and_family": both,
        "prefix": prefixes,
        "fields": fields,
        "error": errors,
        "nickname": nicknames,
        "most_frequent_given_name": [{"q": GIVEN[0]}, {"q": "maria"}],
        "one_letter": [{"q": letter} for letter in "smg"],
        "mrn": [{"q": str(number)} for number in range(1_000, 2_000, 37)],
        "phone": [{"q": f"{number:04d}"} for number in range(1_000, 9_000, 37)],
        "birth_date": [{"q": f"1961-0{month}-17"} for month in range(1, 10)],
    }


def _fill(tenant: Tenant, number: int) -> dict[str, float]:
    """Insert and index patients, and return the seconds that each took."""
    took = {"insert_seconds": 0.0, "index_seconds": 0.0}
    with tenant_context(tenant.slug):
        patients = make_patients(number)
        for count in range(number // BATCH):
            batch = list(islice(patients, BATCH))
            with transaction():
                if count in ANALYZED_AFTER_BATCHES:
                    db.session.execute(text("SELECT trially.analyze_tables()"))
                began = time.perf_counter()
                db.session.execute(
                    text(_INSERT),
                    {"tenant_id": str(tenant.id), "rows": orjson.dumps(batch).decode()},
                )
                inserted = time.perf_counter()
                index_patients(patient["id"] for patient in batch)
                took["insert_seconds"] += inserted - began
                took["index_seconds"] += time.perf_counter() - inserted
    with tenant_context(tenant.slug):
        for table in _COPIED:
            took[f"{table}_mb"] = (
                db.session.scalar(text(f"SELECT pg_total_relation_size('{table}')")) / 2**20
            )
    return took


def _find_duplicates(tenant: Tenant) -> float:
    """Compare all patients that share a key, and return the seconds that it took."""
    began = time.perf_counter()
    with tenant_context(tenant.slug):
        for _ in find_all_duplicates(transaction):
            pass
    return time.perf_counter() - began


def _copy_to_others(tenant: Tenant, others: int) -> None:
    """Give the same patients to other tenants of the pool."""
    place = tenant.placement
    with server_access().administer(place.database) as raw:
        for number in range(others):
            other = create_tenant(f"other-{number}", "Other", tier=Tier.POOLED_ROWS)
            for table in _COPIED:
                _copy(raw, place.schema, table, tenant, other)


def _copy(raw: connection, schema: str, table: str, tenant: Tenant, other: Tenant) -> None:
    columns = [
        name
        for (name,) in execute(
            raw,
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attname <> 'tenant_id'",
            f"{schema}.{table}",
        )
    ]
    execute(
        raw,
        sql.SQL("INSERT INTO {} (tenant_id, {}) SELECT %s, {} FROM {} WHERE tenant_id = %s").format(
            sql.Identifier(schema, table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.Identifier(schema, table),
        ),
        str(other.id),
        str(tenant.id),
    )


def _analyze(tenant: Tenant) -> None:
    with server_access().administer(tenant.placement.database) as raw:
        execute(raw, "VACUUM ANALYZE")


def _measure_plain(tenant: Tenant, rounds: int) -> dict[str, float]:
    place = tenant.placement
    with server_access().administer(place.database) as raw:
        execute(
            raw,
            sql.SQL(_PLAIN).format(patient=sql.Identifier(place.schema, "patient")).as_string(raw),
        )
        execute(raw, "ANALYZE plain.plain_patient")

        def search(query: dict[str, Any]) -> None:
            execute(raw, _PLAIN_SEARCH, query["q"] + "%")

        return _measure(search, _queries()["prefix"], rounds, 60)


def _searcher(app: Flask, tenant: Tenant) -> Callable[[dict[str, Any]], None]:
    with app.app_context(), tenant_context(tenant.slug):
        add_member(SUBJECT, Role.COORDINATOR)
    token = state_of(app).dev_issuer.issue_token(subject=SUBJECT, tenant=tenant.slug)
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}

    def search(query: dict[str, Any]) -> None:
        answer = client.post("/api/v1/patients/search", headers=headers, json=query)
        if answer.status_code != 200:
            raise SystemExit(f"{query} was answered with {answer.status_code}.")

    return search


def _measure(
    search: Callable[[dict[str, Any]], None],
    queries: list[dict[str, Any]],
    rounds: int,
    seconds: float,
) -> dict[str, float]:
    deadline = time.monotonic() + seconds / 4
    taken = []
    for query in _repeated(queries, rounds):
        began = time.perf_counter()
        search(query)
        taken.append((time.perf_counter() - began) * 1000)
        if time.monotonic() > deadline:
            break
    taken.sort()
    return {
        "median": taken[len(taken) // 2],
        "p95": taken[int(len(taken) * 0.95)],
        "slowest": taken[-1],
        "searches": len(taken),
    }


def _repeated(queries: list[dict[str, Any]], rounds: int) -> Iterator[dict[str, Any]]:
    for number in range(rounds):
        yield queries[number % len(queries)]


if __name__ == "__main__":
    main()
