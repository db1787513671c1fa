"""What precedes a run: its lock, the templates of new tenants, and clones that were left behind."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import text

from trially.errors import OperatorError
from trially.tenancy.advisory_locks import MIGRATION_LOCK
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.migrating.clones import drop_dead_clones
from trially.tenancy.migrating.migration_failures import answers
from trially.tenancy.migrating.pacing import is_lost_server
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.schema.templates import template_database
from trially.tenancy.servers.access import server_access


class TemplateFailedError(OperatorError):
    """The migrations fail on an empty database already."""


def prepare_servers(servers: Iterable[str], *, is_head: bool) -> None:
    """Build the template of each server that answers, which tries the migrations before a tenant.

    Clones that a killed rehearsal left behind are dropped. Raises `TemplateFailedError`.
    """
    for server in sorted(servers):
        try:
            with server_access(server).administer() as raw:
                drop_dead_clones(raw)
            if is_head:
                template_database(server_access(server))
        except Exception as error:
            if is_lost_server(error) and not answers(server):
                continue
            raise TemplateFailedError(
                f"The migrations fail on an empty database of the server {server}, so no tenant was"
                f" migrated. {describe_failure(error)}"
            ) from error


@contextmanager
def one_at_a_time(wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of migrations. It is released when the process dies."""
    with control_engine().connect() as catalog:
        key = {"key": MIGRATION_LOCK}
        if not catalog.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
            wait()
            catalog.execute(text("SELECT pg_advisory_lock(:key)"), key)
        catalog.commit()
        try:
            yield
        finally:
            catalog.execute(text("SELECT pg_advisory_unlock(:key)"), key)
            catalog.commit()
