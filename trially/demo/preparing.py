"""Bring an installation to the state that the demo needs: migrated, and with the demo tenants."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.extensions import connection

from trially.demo.adding_servers import record_local_urls
from trially.demo.former_issuers import record_present_issuer, tenants_with_former_issuers
from trially.demo.organisations import DEMO_ORGANISATIONS
from trially.demo.seeding import Report, seed_organisation
from trially.dev_issuer import DevIssuer
from trially.errors import OperatorError
from trially.observability import slow_statements
from trially.observability.logs import requests_log
from trially.tenancy.advisory_locks import DEMO_LOCK
from trially.tenancy.lifecycle.attempts import OperationBusyError
from trially.tenancy.lifecycle.operations import (
    run_operation,
    unfinished_operations,
)
from trially.tenancy.migrating.tenants_behind import recording_failure, upgrade_tenants_behind
from trially.tenancy.schema.catalog_revision import CatalogBehindError, check_catalog
from trially.tenancy.schema.installing import install
from trially.tenancy.schema.stepping import UnknownRevisionError
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

POLL_SECONDS = 0.2
SLUGS = tuple(organisation.slug for organisation in DEMO_ORGANISATIONS)


class NewerCatalogError(OperatorError):
    """The catalog cannot be migrated to this version's revision."""


def prepare(issuer: DevIssuer, report: Report) -> dict[str, str]:
    """Migrate the catalog and all tenants that are behind, and create what the demo lacks.

    `report` gets a sentence for each step that takes long. Returns the reason of each failure by
    the tenant's slug: the other tenants can be served. Repeating it changes nothing.
    """
    with _one_at_a_time(report), _quiet_logs():
        _migrate_catalog(report)
        record_local_urls()
        _finish_creating()
        failures = upgrade_tenants_behind(report)
        for slug, former in tenants_with_former_issuers(issuer.recorded_as).items():
            with recording_failure(failures, slug):
                record_present_issuer(slug, former, issuer.recorded_as)
        for organisation in DEMO_ORGANISATIONS:
            if organisation.slug not in failures:
                with recording_failure(failures, organisation.slug):
                    seed_organisation(organisation, issuer, report)
    return failures


def _migrate_catalog(report: Report) -> None:
    try:
        check_catalog()
    except CatalogBehindError:
        report("Migrating the catalog …")
        try:
            install()
        except UnknownRevisionError as error:
            raise NewerCatalogError(
                f"The catalog cannot be migrated to this version. {error} Use"
                " that version, or start again with `flask demo reset`."
            ) from None


def _finish_creating() -> None:
    """Finish the demo tenants whose creation was interrupted."""
    for operation in unfinished_operations():
        if operation.tenant_slug in SLUGS:
            try:
                run_operation(operation.id)
            except OperationBusyError:
                continue


@contextmanager
def _one_at_a_time(report: Report) -> Iterator[None]:
    """Wait until no other process prepares the demo. The lock ends with the process."""
    with server_access().administer() as raw:
        if not _take_lock(raw):
            report("Another process is preparing the demo. Waiting for it …")
            while not _take_lock(raw):
                time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            if not raw.closed:
                execute(raw, "SELECT pg_advisory_unlock(%s)", DEMO_LOCK)


def _take_lock(raw: connection) -> bool:
    return bool(execute(raw, "SELECT 1 WHERE pg_try_advisory_lock(%s)", DEMO_LOCK))


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Log neither steps of migrations nor slow statements, which a first import has, nor requests.

    The requests are those that set up the demo's studies.
    """
    loggers = (logging.getLogger("alembic"), slow_statements.log, requests_log)
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
