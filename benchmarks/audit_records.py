"""Audit records in bulk, for measurements: one tenant, written with COPY."""

import io
import random
import uuid
from collections.abc import Iterator
from itertools import islice

from psycopg2.extensions import connection
from uuid_utils.compat import uuid7

from trially.audit.forms import Action, Form, Purpose
from trially.audit.subjects import pack
from trially.tenancy.catalog import Tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

FORM = Form("GET /api/v1/patients", Action.SEARCH, Purpose.RESEARCH, "full", ("name", "sex"))
LIST_SHARE, LIST_LENGTH = 0.2, 50
"""One of five records is of a list of 50 patients, the others are of one patient."""

_START_MS = 1_790_000_000_000
_AT_ONCE = 100_000


def write_records(tenant: Tenant, records: int, patients: int, *, seed: int = 1) -> None:
    """Write records of finished transactions, ten a second, about random patients."""
    with server_access().administer(tenant.placement.database) as raw:
        execute(raw, f"SET search_path = {tenant.placement.schema}")
        _write_form(raw, tenant)
        lines = _lines(tenant, records, patients, random.Random(seed))
        with raw.cursor() as cursor:
            while part := "".join(islice(lines, _AT_ONCE)):
                cursor.copy_expert(
                    "COPY audit_record (tenant_id, id, at, epoch, transaction_id, form_id,"
                    " member_id, outcome, subjects) FROM STDIN",
                    io.StringIO(part),
                )
        execute(raw, "VACUUM (ANALYZE) audit_record")


def write_tail(tenant: Tenant, records: int, patients: int) -> None:
    """Write records of the current epoch, which no index has yet."""
    with server_access().administer(tenant.placement.database) as raw:
        execute(raw, f"SET search_path = {tenant.placement.schema}")
        generator = random.Random(2)
        with raw.cursor() as cursor:
            cursor.copy_expert(
                "COPY audit_record (tenant_id, id, epoch, form_id, outcome, subjects) FROM STDIN",
                io.StringIO(
                    "".join(
                        f"{tenant.id}\t{uuid7()}\t{tenant.placement.epoch}\t{FORM.id}"
                        f"\t200\t\\\\x{_subjects(patients, generator)}\n"
                        for number in range(records)
                    )
                ),
            )


def _write_form(raw: connection, tenant: Tenant) -> None:
    execute(
        raw,
        "INSERT INTO audit_form (tenant_id, id, route, action, purpose, phi_level, fields)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        *(str(tenant.id), str(FORM.id), FORM.route, FORM.action.value, FORM.purpose.value),
        *(FORM.phi_level, FORM.fields_json),
    )


def _lines(tenant: Tenant, records: int, patients: int, generator: random.Random) -> Iterator[str]:
    member = uuid.UUID(int=generator.getrandbits(128))
    for number in range(records):
        yield (
            f"{tenant.id}\t{_id(number)}\t2026-09-21 12:00:00+00\t0\t{number + 1}\t{FORM.id}"
            f"\t{member}\t200\t\\\\x{_subjects(patients, generator)}\n"
        )


def _id(number: int) -> uuid.UUID:
    """Return a UUID of version 7, a tenth of a second after the one before."""
    rest = (0x7 << 76) | (0x2 << 62) | number
    return uuid.UUID(int=(_START_MS + number * 100) << 80 | rest)


def _subjects(patients: int, generator: random.Random) -> str:
    length = LIST_LENGTH if generator.random() < LIST_SHARE else 1
    return pack(generator.randrange(1, patients + 1) for _ in range(length)).hex()
