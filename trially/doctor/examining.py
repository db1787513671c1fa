"""Examine the installation, every server, and every database of tenants."""

from collections.abc import Callable
from functools import partial

import psycopg2

from trially.doctor.databases import ExaminedDatabase
from trially.doctor.findings import Finding, Level, find
from trially.doctor.fleet import Fleet, TenantDatabase
from trially.doctor.installation import INSTALLATION_CHECKS
from trially.doctor.roles import ROLE_CHECKS
from trially.doctor.servers import SERVER_CHECKS, ExaminedServer
from trially.doctor.walls import DATABASE_CHECKS
from trially.tenancy.schema.databases import database_exists
from trially.tenancy.servers.access import NoServerError, server_access

Examination = Callable[[], list[Finding]]


def examinations(fleet: Fleet) -> list[Examination]:
    """Return what is to be done, place by place: so one can show how far it is."""
    return [
        partial(_examine_installation, fleet),
        *(partial(_examine_server, fleet, name) for name in fleet.servers),
        *(partial(_examine_database, fleet, place) for place in fleet.places),
    ]


def _examine_installation(fleet: Fleet) -> list[Finding]:
    is_lenient = fleet.settings.development
    return list(find(INSTALLATION_CHECKS, fleet, "installation", is_lenient=is_lenient))


def _examine_server(fleet: Fleet, name: str) -> list[Finding]:
    try:
        with server_access(name).administer() as raw:
            server = ExaminedServer(name, raw, fleet)
            is_lenient = fleet.settings.development
            return list(find((*SERVER_CHECKS, *ROLE_CHECKS), server, name, is_lenient=is_lenient))
    except (NoServerError, psycopg2.Error) as failure:
        return [_unreachable(name, failure)]


def _examine_database(fleet: Fleet, place: TenantDatabase) -> list[Finding]:
    where = f"{place.server}/{place.name}"
    try:
        if not _is_there(place):
            # The server's examination tells, if anyone should live there.
            return []
        with server_access(place.server).administer(place.name) as raw:
            database = ExaminedDatabase(place, raw, fleet)
            is_lenient = fleet.settings.development
            return list(find(DATABASE_CHECKS, database, where, is_lenient=is_lenient))
    except (NoServerError, psycopg2.Error) as failure:
        return [_unreachable(where, failure)]


def _is_there(place: TenantDatabase) -> bool:
    with server_access(place.server).administer() as raw:
        return database_exists(raw, place.name)


def _unreachable(where: str, failure: Exception) -> Finding:
    what = f"could not be examined ({type(failure).__name__})"
    remedy = "See that the server runs, and that its administrator may log in and read catalogs."
    return Finding(Level.ERROR, "it can be examined", where, what, remedy)
