"""The catalog's log: what is recorded, that nothing is changed, and who may read it."""

import re
from contextlib import closing

import click
import psycopg2
import pytest
from tenant_databases import access_of

from tools.command_table import all_commands
from trially.database.connecting import connect
from trially.tenancy.catalog import Tenant, TokenCutOff, catalog_transaction
from trially.tenancy.operators.recording import Action, recorded
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role, reader_role
from trially.terminal import NOTHING, command


@pytest.fixture
def records(app):
    """Return the records since the start of the test, as dictionaries, oldest first."""
    columns = (
        "id",
        "stage",
        "started",
        "action",
        "actor",
        "target",
        "reason",
        "outcome",
        "details",
        "written_by",
        "tenant_id",
    )
    with access_of(app).administer(app.extensions["trially"].settings.catalog_database) as raw:
        [(began,)] = execute(raw, "SELECT clock_timestamp()")

        def read():
            rows = execute(
                raw,
                f"SELECT {', '.join(columns)} FROM operator_action WHERE at >= %s"
                " ORDER BY transaction_id, id",
                began,
            )
            return [dict(zip(columns, row, strict=True)) for row in rows]

        yield read


def test_a_command_is_recorded_with_its_result(run_command, tenant, records):
    run_command("tenants", "suspend", tenant.slug, "--yes", "--reason", "non-payment")

    start, *changes, end = records()
    assert (start["stage"], start["action"], start["target"]) == (
        "started",
        "tenants suspend",
        tenant.slug,
    )
    assert start["reason"] == end["reason"] == "non-payment"
    assert (end["stage"], end["outcome"], end["started"]) == ("finished", "done", start["id"])
    assert {each["started"] for each in changes} == {start["id"]}
    [suspended] = [each for each in changes if each["action"] == "tenant update"]
    assert suspended["details"] == {"old": {"status": "active"}, "new": {"status": "suspended"}}
    assert suspended["tenant_id"] == str(tenant.id)
    run_command("tenants", "resume", tenant.slug)
