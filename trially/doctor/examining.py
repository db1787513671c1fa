"""Examine the installation, every server, and every database that holds tenants."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import psycopg2
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from trially.doctor import CONNECTIONS
from trially.doctor.audit_logs import AUDIT_LOG_CHECKS
from trially.doctor.base_backups import BASE_BACKUP_CHECKS
from trially.doctor.catalog_database import CATALOG_CHECKS, ExaminedCatalog
from trially.doctor.comparing.snapshots import prepare_session
from trially.doctor.comparison import COMPARISON_CHECKS
from trially.doctor.consistency import CONSISTENCY_CHECKS
from trially.doctor.databases import opened
from trially.doctor.examined_server import ExaminedServer
from trially.doctor.findings import Check, Finding, Level, describe_failure, run_checks
from trially.doctor.fleet import Fleet, TenantDatabase, read_again, read_fleet
from trially.doctor.installation import INSTALLATION_CHECKS
from trially.doctor.logins import DATABASE_LOGIN_CHECKS, INSTALLATION_LOGIN_CHECKS
from trially.doctor.references import ServerReferences, references_on
from trially.doctor.roles import ROLE_CHECKS
from trially.doctor.server_state import SERVER_STATE_CHECKS
from trially.doctor.servers import SERVER_CHECKS
from trially.doctor.template_checks import TEMPLATE_CHECKS
from trially.errors import OperatorError
from trially.tenancy.servers.access import FIRST_SERVER, server_access

ALL_INSTALLATION_CHECKS = (*INSTALLATION_CHECKS, *INSTALLATION_LOGIN_CHECKS)
ALL_SERVER_CHECKS = (
    *SERVER_CHECKS,
    *SERVER_STATE_CHECKS,
    *BASE_BACKUP_CHECKS,
    *ROLE_CHECKS,
)
DATABASE_CHECKS = (
    *CONSISTENCY_CHECKS,
    *AUDIT_LOG_CHECKS,
    *COMPARISON_CHECKS,
    *DATABASE_LOGIN_CHECKS,
)


Examination = Callable[[], list[Finding]]

Failure = (OperatorError, psycopg2.Error, SQLAlchemyError)
"""What may go wrong at one place without stopping the examination of others."""


@dataclass(frozen=True)
class Doctor:
    """The fleet, and the references with which it is compared."""

    fleet: Fleet
    references: Mapping[str, ServerReferences | Exception]
    """By server: its references, or why they cannot be built."""

    def examinations(self) -> Sequence[Examination]:
        """Return one callable for each place to examine, so that a caller can show progress."""
        return [
            self.examine_installation,
            self.examine_catalog,
            *(partial(self.examine_template, name) for name in self.fleet.servers),
            *(partial(self.examine_server, name) for name in self.fleet.servers),
            *(partial(self.examine_database, database) for database in self.fleet.databases),
        ]

    def examine_installation(self) -> list[Finding]:
        """Examine the settings and the operations."""
        return self._run(ALL_INSTALLATION_CHECKS, self.fleet, "installation")

    def examine_catalog(self) -> list[Finding]:
        """Examine the catalog's database."""
        where = "catalog"
        try:
            references = self._references_on(FIRST_SERVER)
            with server_access().administer(self.fleet.settings.catalog_database) as raw:
                prepare_session(raw)
                return self._run(CATALOG_CHECKS, ExaminedCatalog(raw, references), where)
        except Failure as failure:
            return [_not_examined(where, failure)]

    def examine_template(self, name: str) -> list[Finding]:
        """Examine what new tenants of a server are made from.

        The examination of the server says why its references cannot be built.
        """
        if isinstance(self.references[name], Exception):
            return []
        return self._examine_on_server(name, TEMPLATE_CHECKS, self.fleet)

    def examine_server(self, name: str) -> list[Finding]:
        """Examine a server's settings, roles and databases.

        What a command creates meanwhile is no problem. So if the catalog has changed, a server
        with problems is examined once more.
        """
        findings = self._examine_on_server(name, ALL_SERVER_CHECKS, self.fleet)
        if _has_problems(findings):
            current = read_fleet()
            if _states(current, name) != _states(self.fleet, name):
                return self._examine_on_server(name, ALL_SERVER_CHECKS, current)
        return findings

    def examine_database(self, expected: TenantDatabase) -> list[Finding]:
        """Examine a database that holds tenants, also once more if its tenants have changed."""
        findings = self._examine_database(expected)
        if _has_problems(findings):
            current = read_again(expected)
            if current.state != expected.state:
                return self._examine_database(current)
        return findings

    def _examine_on_server(
        self, name: str, checks: Sequence[Check[ExaminedServer]], fleet: Fleet
    ) -> list[Finding]:
        try:
            references = self._references_on(name)
            with server_access(name).administer() as raw:
                server = ExaminedServer(name, raw, fleet, references)
                return self._run(checks, server, name)
        except Failure as failure:
            return [_not_examined(name, failure)]

    def _examine_database(self, expected: TenantDatabase) -> list[Finding]:
        """Examine a database. A check of the server reports a missing one."""
        where = f"{expected.server}/{expected.name}"
        try:
            references = self._references_on(expected.server)
            if expected.name not in references.databases:
                return []
            with opened(expected, self.fleet, references) as database:
                return self._run(DATABASE_CHECKS, database, where)
        except Failure as failure:
            return [_not_examined(where, failure, expected.only_slug)]

    def _run(
        self, checks: Sequence[Callable[..., object]], subject: object, where: str
    ) -> list[Finding]:
        in_development = self.fleet.settings.development
        return list(run_checks(checks, subject, where, in_development=in_development))  # type: ignore[arg-type]

    def _references_on(self, server: str) -> ServerReferences:
        references = self.references[server]
        if isinstance(references, Exception):
            raise references
        return references


def _has_problems(findings: Sequence[Finding]) -> bool:
    return any(finding.level is not Level.OK for finding in findings)


def _states(fleet: Fleet, server: str) -> Mapping[str, object]:
    databases = fleet.databases_by_server.get(server, ())
    return {database.name: database.state for database in databases}


@contextmanager
def doctor_of(fleet: Fleet) -> Iterator[Doctor]:
    """Yield the doctor of a fleet, and drop its references when the block ends."""
    with ExitStack() as stack:
        references: dict[str, ServerReferences | Exception] = {}
        for name in fleet.servers:
            try:
                references[name] = stack.enter_context(references_on(server_access(name)))
            except Failure as failure:
                references[name] = failure
        yield Doctor(fleet, references)


def run_in_parallel(
    examinations: Sequence[Examination], connections: int = CONNECTIONS
) -> Iterator[list[Finding]]:
    """Run examinations with several connections at a time, and yield the findings of each.

    If the caller stops early, examinations that have not begun are left out.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def run(examination: Examination) -> list[Finding]:
        with app.app_context():
            return examination()

    executor = ThreadPoolExecutor(connections, thread_name_prefix="doctor")
    try:
        pending = [executor.submit(run, examination) for examination in examinations]
        for future in as_completed(pending):
            yield future.result()
    finally:
        executor.shutdown(cancel_futures=True)


def _not_examined(where: str, failure: Exception, tenant: str | None = None) -> Finding:
    what = f"the examination failed: {describe_failure(failure)}"
    remedy = "Check that the server runs, and that its administrator can log in and read catalogs."
    return Finding(Level.ERROR, "every place can be examined", where, what, remedy, tenant)
