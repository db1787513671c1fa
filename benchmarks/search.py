"""Search among 200,000 patients, in a database of the tenant's own and in pooled tables.

The pooled tables hold the rows of other tenants, too. The plain equivalent is a table of the same
patients with an index of the lower family name, in which psycopg2 looks up its beginning: no
tenants, no other names, and accents as they are stored.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from psycopg2 import sql

from benchmarks.installation import installation
from benchmarks.populations import FAMILY, GIVEN
from benchmarks.processes import cpu_seconds
from benchmarks.report import make_parser, print_outcome
from benchmarks.search_seeding import compose_rows, seed
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.session import transaction
from trially.recruiting.duplicates.finding import find_all_duplicates
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

BAR_MS = 50
SUBJECT = "benchmark|coordinator"
BATCH = 1_000

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
        "--others", type=int, default=3, help="other pooled tenants (default: %(default)s)"
    )
    parser.add_argument(
        "--duplicates", action="store_true", help="find all possible duplicates as well"
    )
    options = parser.parse_args()
    figures: dict[str, Any] = {"bar_ms": BAR_MS, "patients": options.patients}
    began = time.perf_counter()
    rows = compose_rows(options.patients)
    figures["composed_seconds"] = time.perf_counter() - began
    with installation() as installed:
        app = installed.app
        for tier in (Tier.DEDICATED_DATABASE, Tier.POOLED_ROWS):
            with app.app_context():
                tenant = create_tenant(f"searched-{tier[:4]}", "Searched", tier=tier)
                others = _create_others(options.others) if tier is Tier.POOLED_ROWS else []
                figures[tier] = {"stored_seconds": seed(tenant, others, rows)}
                if tier is Tier.DEDICATED_DATABASE:
                    figures["plain"] = _measure_plain(tenant, options.rounds)
                if options.duplicates:
                    figures[tier]["duplicates_seconds"] = _find_duplicates(tenant)
            search = _searcher(app, tenant)
            figures[tier] |= {
                what: _measure(search, queries, options.rounds, options.seconds)
                for what, queries in _queries().items()
            }
            figures[tier]["cpu_ms"] = _measure_cpu(search, installed.postmaster_id)
    print_outcome(_compose_line(figures), figures, as_json=options.json)


def _compose_line(figures: dict[str, Any]) -> str:
    def show(taken: dict[str, float]) -> str:
        return f"p50 {taken['median']:.1f} ms, p95 {taken['p95']:.1f}"

    tiers = ", ".join(
        f"{tier} {show(figures[tier]['names'])} ({figures[tier]['cpu_ms']:.1f} ms CPU)"
        for tier in (Tier.DEDICATED_DATABASE, Tier.POOLED_ROWS)
    )
    seeded = " and ".join(
        f"{figures[tier]['stored_seconds'] + figures['composed_seconds']:.0f}"
        for tier in (Tier.DEDICATED_DATABASE, Tier.POOLED_ROWS)
    )
    line = (
        f"search by name among {figures['patients']:,} patients: {tiers} (bar: p95 {BAR_MS});"
        f" plain LIKE on one column {show(figures['plain'])}; stored in {seeded} s"
    )
    found = figures[Tier.DEDICATED_DATABASE].get("duplicates_seconds")
    return line if found is None else f"{line}; all possible duplicates in {found:.0f} s"


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


def _create_others(number: int) -> list[Tenant]:
    return [
        create_tenant(f"other-{each}", "Other", tier=Tier.POOLED_ROWS) for each in range(number)
    ]


def _find_duplicates(tenant: Tenant) -> float:
    """Compare all patients that share a key, and return the seconds that it took."""
    began = time.perf_counter()
    with tenant_context(tenant.slug):
        for _ in find_all_duplicates(transaction):
            pass
    return time.perf_counter() - began


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


def _measure_cpu(search: Callable[[dict[str, Any]], None], postmaster_id: int) -> float:
    """Return the CPU time of one search by name, in the application and in PostgreSQL."""
    queries = _queries()["names"]
    began = time.process_time() + cpu_seconds(postmaster_id)
    for query in queries:
        search(query)
    return (time.process_time() + cpu_seconds(postmaster_id) - began) / len(queries) * 1000


def _repeated(queries: list[dict[str, Any]], rounds: int) -> Iterator[dict[str, Any]]:
    for number in range(rounds):
        yield queries[number % len(queries)]


if __name__ == "__main__":
    main()
