"""Examine the installation, every server, and every database that holds tenants."""

from collections.abc import Callable
from functools import partial

import psycopg2

from trially.doctor.consistency import CONSISTENCY_CHECKS
from trially.doctor.databases import ExaminedDatabase
from trially.doctor.findings import Finding, Level, run_checks
from trially.doctor.fleet import Fleet, TenantDatabase
from trially.doctor.installation import INSTALLATION_CHECKS
from trially.doctor.objects import OBJECT_CHECKS
from trially.doctor.privileges import PRIVILEGE_CHECKS
from trially.doctor.roles import ROLE_CHECKS
from trially.doctor.servers import SERVER_CHECKS, ExaminedServer
from trially.doctor.tables import TABLE_CHECKS
from trially.tenancy.schema.databases import database_exists
from trially.tenancy.servers.access import NoServerError, server_access

DATABASE_CHECKS = (*CONSISTENCY_CHECKS, *TABLE_CHECKS, *PRIVILEGE_CHECKS, *OBJECT_CHECKS)

Examination = Callable[[], list[Finding]]


def examinations(fleet: Fleet) -> list[Examination]:
    """Return one callable for each place to examine, so that a caller can show progress."""
    return [
        partial(_examine_installation, fleet),
        *(partial(_examine_server, fleet, name) for name in fleet.servers),
        *(partial(_examine_database, fleet, database) for database in fleet.databases),
    ]


def _examine_installation(fleet: Fleet) -> list[Finding]:
    in_development = fleet.settings.development
    return list(
        run_checks(INSTALLATION_CHECKS, fleet, "installation", in_development=in_development)
    )


def _examine_server(fleet: Fleet, name: str) -> list[Finding]:
    checks, in_development = (*SERVER_CHECKS, *ROLE_CHECKS), fleet.settings.development
    try:
        with server_access(name).administer() as raw:
            server = ExaminedServer(name, raw, fleet)
            return list(run_checks(checks, server, name, in_development=in_development))
    except (NoServerError, psycopg2.Error) as failure:
        return [_not_examined(name, failure)]


def _examine_database(fleet: Fleet, expected: TenantDatabase) -> list[Finding]:
    where, in_development = f"{expected.server}/{expected.name}", fleet.settings.development
    try:
        if not _exists(expected):
            # A check of the server reports a missing database, if it should exist.
            return []
        with server_access(expected.server).administer(expected.name) as raw:
            database = ExaminedDatabase(expected, raw, fleet)
            return list(run_checks(DATABASE_CHECKS, database, where, in_development=in_development))
    except (NoServerError, psycopg2.Error) as failure:
        return [_not_examined(where, failure)]


def _exists(database: TenantDatabase) -> bool:
    with server_access(database.server).administer() as raw:
        return database_exists(raw, database.name)


def _not_examined(where: str, failure: Exception) -> Finding:
    what = f"the examination failed with {type(failure).__name__}"
    remedy = "Check that the server runs, and that its administrator can log in and read catalogs."
    return Finding(Level.ERROR, "every place can be examined", where, what, remedy)
