"""Compare lists and searches of a pooled tenant with those of a tenant with its own database.

Each tenant has 1,000 patients; the pooled tables have a million. The script also reads the query
plans: each must use an index that begins with `tenant_id`.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from psycopg2 import sql
from sqlalchemy import text

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

BAR = 1.3
ROWS = 1_000
SUBJECT = "benchmark|reader"

_FILL = """
INSERT INTO {schema}.patient (tenant_id, id, source, source_id, mrn, given_name, family_name,
    birth_date, birth_date_precision, sex)
SELECT t.tenant_id, gen_random_uuid(), 'manual', n::text, 'MRN-' || n,
    'Given' || n % 97, 'Family' || n % 211, date '1940-01-01' + n * 20 % 25000, 'day', 'female'
FROM trially.placement t, generate_series(1, {rows}) n
"""
_SEARCHES: Mapping[str, Mapping[str, Any]] = {
    "search_mrn": {"mrn": "MRN-500"},
    "search_name": {"family_name": "family1"},
    "search_birth_date": {"birth_date": "1940-02-10"},
}
_PLANNED = {
    "list": "SELECT * FROM patient WHERE tenant_id = :tenant_id ORDER BY id LIMIT 51",
    "search_mrn": "SELECT * FROM patient WHERE tenant_id = :tenant_id AND mrn = 'MRN-500'",
    "search_name": "SELECT * FROM patient WHERE tenant_id = :tenant_id"
    " AND starts_with(lower(family_name), 'family1') ORDER BY id LIMIT 51",
}


def main() -> None:
    parser = make_parser(__spec__.name, rounds=200, seconds=60)
    parser.add_argument(
        "--tenants",
        type=int,
        default=1_000,
        help="tenants in the pooled tables (default: %(default)s)",
    )
    options = parser.parse_args()
    with installation() as installed:
        app = installed.app
        with app.app_context():
            crowd = [
                create_tenant(f"pooled-{number}", "Pooled", tier=Tier.POOLED_ROWS)
                for number in range(options.tenants)
            ]
            alone = create_tenant("alone", "Alone")
            for tenant in (crowd[0], alone):
                _fill(tenant)
            pooled = crowd[options.tenants // 2]
            plans = {name: _plan(pooled, statement) for name, statement in _PLANNED.items()}
        ask = {name: _reader(app, tenant) for name, tenant in (("pooled", pooled), ("own", alone))}
        samples = _measure(ask, options.rounds, options.seconds)
    ratios = {
        what: statistics.median(a / b for a, b in zip(taken["pooled"], taken["own"], strict=True))
        for what, taken in samples.items()
    }
    figures = {"bar": BAR, "tenants": options.tenants, "ratios": ratios, "plans": plans}
    shown = ", ".join(
        f"{what} {ratio:.2f} ({statistics.median(samples[what]['pooled']):.2f} ms)"
        for what, ratio in ratios.items()
    )
    line = f"pooled, {options.tenants * ROWS:,} rows against {ROWS:,} of its own: {shown}"
    print_outcome(line, figures, as_json=options.json)


def _fill(tenant: Tenant) -> None:
    """Insert patients for all tenants of a database; policies do not bind the administrator."""
    place = tenant.placement
    with server_access().administer(place.database) as raw:
        execute(
            raw,
            sql.SQL(_FILL).format(schema=sql.Identifier(place.schema), rows=sql.Literal(ROWS)),
        )
        execute(raw, "VACUUM ANALYZE")


def _plan(tenant: Tenant, statement: str) -> str:
    """Return the query plan in the tenant's session, or stop if it uses no such index."""
    with tenant_context(tenant.slug):
        lines = db.session.scalars(
            text(f"EXPLAIN {statement}"), {"tenant_id": str(tenant.id)}
        ).all()
    plan = "\n".join(lines)
    if "Index Cond: ((tenant_id =" not in plan and "Index Cond: (tenant_id =" not in plan:
        raise SystemExit(f"The plan uses no index that begins with tenant_id:\n{plan}")
    return plan


def _reader(app: Flask, tenant: Tenant) -> Callable[[str], None]:
    with app.app_context(), tenant_context(tenant.slug):
        add_member(SUBJECT, Role.OWNER)
    token = state_of(app).dev_issuer.issue_token(subject=SUBJECT, tenant=tenant.slug)
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}

    def ask(what: str) -> None:
        answer = (
            client.get("/api/v1/patients", headers=headers)
            if what == "list"
            else client.post("/api/v1/patients/search", headers=headers, json=_SEARCHES[what])
        )
        if answer.status_code != 200 or not answer.json or not answer.json["data"]:
            raise SystemExit(f"{what} was answered with {answer.status_code}.")

    return ask


def _measure(
    ask: Mapping[str, Callable[[str], None]], rounds: int, seconds: float
) -> dict[str, dict[str, list[float]]]:
    samples: dict[str, dict[str, list[float]]] = {
        what: {name: [] for name in ask} for what in ("list", *_SEARCHES)
    }
    deadline = time.monotonic() + seconds
    for number in range(rounds):
        for what, taken in samples.items():
            for name in sorted(ask, reverse=number % 2 == 0):
                began = time.perf_counter()
                ask[name](what)
                taken[name].append((time.perf_counter() - began) * 1000)
        if time.monotonic() > deadline:
            break
    return samples


if __name__ == "__main__":
    main()
