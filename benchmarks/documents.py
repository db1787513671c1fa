"""Search the documents of one patient among 200,000 documents in pooled tables.

The script also reads the query plan: it must find the patient's documents by an index.
"""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from psycopg2.extras import execute_values
from sqlalchemy import text

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.session import db, transaction
from trially.recruiting.documents.words import to_vector
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

TENANTS = 4
DOCUMENTS_OF_PATIENT = 100
DOCUMENTS_OF_HEAVY_PATIENT = 2_000
WORDS_OF_NOTE = 300
VOCABULARY = 20_000
TEXTS = 500
SUBJECT = "benchmark|reader"
QUERIES = ("w10 w11", '"w3 w5"', "w1999", "w7 -w8")

_PATIENTS = """
INSERT INTO patient (tenant_id, id, source, source_id, mrn)
SELECT CAST(:tenant_id AS uuid), gen_random_uuid(), 'bench', n::text, n::text
FROM generate_series(0, :patients) n
"""
_DOCUMENTS = """
INSERT INTO document (tenant_id, id, patient_id, source, source_type, source_id, at, page_count,
    search, content_hash)
SELECT patient.tenant_id, gen_random_uuid(), patient.id, 'bench', 'DocumentReference',
    patient.source_id || '-' || n, timestamptz '2020-01-01Z' + n * interval '1 day', 1,
    note.search, ''
FROM tenant.patient,
    generate_series(1, CASE patient.source_id WHEN '0' THEN {heavy} ELSE {each} END) n
JOIN note ON note.number = (n * 7919) % {texts}
"""
_PAGES = """
INSERT INTO document_page (tenant_id, id, document_id, number, content, search)
SELECT document.tenant_id, gen_random_uuid(), document.id, 1, note.content, note.search
FROM tenant.document JOIN note
    ON note.number = (split_part(document.source_id, '-', 2)::int * 7919) % {texts}
"""
_PLANNED = (
    "EXPLAIN SELECT id FROM document WHERE tenant_id = :tenant_id AND patient_id = :patient_id"
    " AND search @@ CAST('''w10'':* & ''w11''' AS tsquery)"
)


def main() -> None:
    parser = make_parser(__spec__.name, rounds=200, seconds=60)
    parser.add_argument("--documents", type=int, default=200_000, help="default: %(default)s")
    options = parser.parse_args()
    with installation() as installed:
        app = installed.app
        with app.app_context():
            tenants = [
                create_tenant(f"pooled-{number}", "Pooled", tier=Tier.POOLED_ROWS)
                for number in range(TENANTS)
            ]
            patients = options.documents // TENANTS - DOCUMENTS_OF_HEAVY_PATIENT
            for tenant in tenants:
                with tenant_context(tenant.slug), transaction():
                    db.session.execute(
                        text(_PATIENTS),
                        {"tenant_id": str(tenant.id), "patients": patients // DOCUMENTS_OF_PATIENT},
                    )
            stored = _fill(tenants[0])
            ids, plan = _look_up(tenants[1])
        ask = _reader(app, tenants[1])
        samples = {
            f"{name} {query}": _measure(ask, patient_id, query, options.rounds, options.seconds)
            for name, patient_id in ids.items()
            for query in QUERIES
        }
    line = f"documents, {stored:,} in pooled tables: " + ", ".join(
        f"{name} {statistics.median(taken):.1f} / {_p95(taken):.1f} ms"
        for name, taken in samples.items()
    )
    print_outcome(f"{line} (p50 / p95)", {"plan": plan, "samples": samples}, as_json=options.json)


def _fill(tenant: Tenant) -> int:
    """Insert documents for the patients of all tenants; policies do not bind the administrator."""
    dice = random.Random(1)
    notes = []
    for number in range(TEXTS):
        # Words are as frequent as in natural language: the n-th has a share of about 1/n.
        words = [f"w{int(VOCABULARY ** dice.random())}" for _ in range(WORDS_OF_NOTE)]
        content = " ".join(words)
        notes.append((number, content, to_vector([content])))
    with server_access().administer(tenant.placement.database) as raw:
        execute(
            raw, "CREATE TEMP TABLE note (number int PRIMARY KEY, content text, search tsvector)"
        )
        execute(raw, f"SET search_path = {tenant.placement.schema}, pg_temp")
        with raw.cursor() as cursor:
            execute_values(cursor, "INSERT INTO note VALUES %s", notes)
        numbers = {
            "heavy": DOCUMENTS_OF_HEAVY_PATIENT,
            "each": DOCUMENTS_OF_PATIENT,
            "texts": TEXTS,
        }
        execute(raw, _DOCUMENTS.format(**numbers))
        execute(raw, _PAGES.format(**numbers))
        execute(raw, "VACUUM ANALYZE document")
        execute(raw, "VACUUM ANALYZE document_page")
        ((count,),) = execute(raw, "SELECT count(*) FROM document")
    return int(count)


def _look_up(tenant: Tenant) -> tuple[dict[str, str], str]:
    """Return the ids of a usual and a heavy patient, and the plan of a search."""
    with tenant_context(tenant.slug):
        ids = {
            f"{number:,} documents": str(
                db.session.execute(
                    text("SELECT id FROM patient WHERE source_id = :source_id"),
                    {"source_id": source_id},
                ).scalar_one()
            )
            for number, source_id in (
                (DOCUMENTS_OF_PATIENT, "7"),
                (DOCUMENTS_OF_HEAVY_PATIENT, "0"),
            )
        }
        lines = db.session.scalars(
            text(_PLANNED), {"tenant_id": str(tenant.id), "patient_id": next(iter(ids.values()))}
        ).all()
    plan = "\n".join(lines)
    if "patient_id =" not in plan or "Seq Scan" in plan:
        raise SystemExit(f"The plan does not find the patient's documents by an index:\n{plan}")
    return ids, plan


def _reader(app: Flask, tenant: Tenant) -> Callable[[str, str], Any]:
    with app.app_context(), tenant_context(tenant.slug):
        add_member(SUBJECT, Role.OWNER)
    token = state_of(app).dev_issuer.issue_token(subject=SUBJECT, tenant=tenant.slug)
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}

    def ask(patient_id: str, query: str) -> Any:
        answer = client.get(
            f"/api/v1/patients/{patient_id}/documents", query_string={"q": query}, headers=headers
        )
        if answer.status_code != 200:
            raise SystemExit(f"The search was answered with {answer.status_code}: {answer.text}")
        return answer.json

    return ask


def _measure(
    ask: Callable[[str, str], Any], patient_id: str, query: str, rounds: int, seconds: float
) -> list[float]:
    taken: list[float] = []
    deadline = time.monotonic() + seconds
    while len(taken) < rounds and time.monotonic() < deadline:
        began = time.perf_counter()
        ask(patient_id, query)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _p95(taken: list[float]) -> float:
    return sorted(taken)[int(len(taken) * 0.95)]


if __name__ == "__main__":
    main()
