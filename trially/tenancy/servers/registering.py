"""Take PostgreSQL servers into the installation, change what they take, and let them go."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, delete, exists, select
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.errors import OperatorError
from trially.tenancy.catalog import (
    PlacementRecord,
    Server,
    ServerPassword,
    SharedDatabase,
    Tenant,
    Tier,
    catalog_transaction,
)
from trially.tenancy.servers.access import (
    FIRST_SERVER,
    NoServerError,
    ServerAccess,
    access_to,
    forget_server,
    server_access,
)
from trially.tenancy.servers.preparing import prepare_server
from trially.tenancy.servers.probing import UnsuitableServerError, probe_replica, probe_server
from trially.tenancy.servers.sealing import seal_password

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
"""What a server may be called: bind keys and derived passwords are made of it."""


class ServerInUseError(OperatorError):
    """There is something on the server that stands against it."""


@dataclass(frozen=True)
class ServerOptions:
    """What an operator says of a server; None where nothing is said."""

    url: URL | None = None
    pooler_url: URL | None = None
    replica_urls: tuple[URL, ...] | None = None
    region: str | None = None
    capacity: int | None = None
    tiers: tuple[Tier, ...] | None = None


def add_server(name: str, url: URL, terms: ServerOptions) -> Server:
    """Take a server in: see that it can hold tenants, and make it ready.

    Raises `UnsuitableServerError` before anything is changed.
    """
    with catalog_transaction() as session:
        if session.scalar(select(exists().where(Server.name == name))):
            raise UnsuitableServerError(f"There is a server called {name!r} already.")
    identifier = _examine(name, url, terms.replica_urls or ())
    _refuse_known(identifier)
    access = ServerAccess(name, url, current_settings().secret_key)
    with access.administer() as raw:
        prepare_server(access, raw)
    server = Server(name=name, system_identifier=identifier)
    _lay_down(server, terms)
    with catalog_transaction() as session:
        session.add(server)
        session.flush()
        _keep_url(session, server, url)
        session.refresh(server)
    return server


def change_server(name: str, terms: ServerOptions) -> Server:
    """Change what is said of a server. Tenants stay where they are.

    Raises `NoServerError`, `UnsuitableServerError` for places that are not this server's, or
    `ServerInUseError` for a region that tenants on it must not be in.
    """
    if name == FIRST_SERVER and (terms.url or terms.pooler_url):
        raise UnsuitableServerError(
            "The first server's URL and its pooler's are settings: TRIALLY_DATABASE_URL and"
            " TRIALLY_POOLER_URL."
        )
    known = get_server(name)
    if terms.url or terms.replica_urls:
        url = terms.url or access_to(known).administrator_url()
        identifier = _examine(name, url, terms.replica_urls or ())
        if known.system_identifier not in (None, identifier):
            raise UnsuitableServerError("That is another server than before: add it as one.")
    with catalog_transaction() as session:
        server = _find(session, name)
        _refuse_other_region(session, server, terms.region)
        _lay_down(server, terms)
        if terms.url is not None:
            _keep_url(session, server, terms.url)
    forget_server(name)
    return server


def drain_server(name: str, *, is_draining: bool) -> Server:
    """TenantDatabase no more tenants on a server, or some again. Those on it stay."""
    with catalog_transaction() as session:
        server = _find(session, name)
        server.is_draining = is_draining
    return server


def remove_server(name: str) -> Server:
    """Forget a server on which no tenant is. What has been made on it stays there.

    Raises `NoServerError` or `ServerInUseError`.
    """
    if name == FIRST_SERVER:
        raise ServerInUseError("The first server holds the catalog.")
    with catalog_transaction() as session:
        server = _find(session, name)
        if session.scalar(select(exists().where(PlacementRecord.server_id == server.id))):
            raise ServerInUseError(f"There are tenants on the server {name!r}.")
        session.execute(delete(SharedDatabase).where(SharedDatabase.server_id == server.id))
        session.execute(delete(Server).where(Server.id == server.id))
    forget_server(name)
    return server


def get_server(name: str) -> Server:
    """Return what the catalog says of a server, or raise `NoServerError`."""
    with catalog_transaction() as session:
        return _find(session, name)


def all_servers() -> Sequence[Server]:
    """Return the servers, the first one first."""
    with catalog_transaction() as session:
        return session.scalars(select(Server).order_by(Server.created_at)).all()


def _find(session: Session, name: str) -> Server:
    server = session.scalar(select(Server).where(Server.name == name).with_for_update())
    if server is None:
        raise NoServerError(f"There is no server called {name!r}.")
    return server


def _examine(name: str, url: URL, replica_urls: tuple[URL, ...]) -> str:
    """See that a server and its replicas are fit, and return their system identifier."""
    identifier = probe_server(name, url)
    for replica_url in replica_urls:
        probe_replica(replica_url.set(username=url.username, password=url.password), identifier)
    return identifier


def _refuse_known(identifier: str) -> None:
    """Raise `UnsuitableServerError` if a server is one of ours, whatever it is called."""
    for server in all_servers():
        known = server.system_identifier
        if known is None:
            known = probe_server(server.name, server_access(server.name).administrator_url())
        if known == identifier:
            raise UnsuitableServerError(
                f"That is the server {server.name!r}: they are one and the same."
            )


def _refuse_other_region(session: Session, server: Server, region: str | None) -> None:
    if region is None:
        return
    bound = session.scalar(
        select(Tenant.slug)
        .join(PlacementRecord, PlacementRecord.tenant_id == Tenant.id)
        .where(PlacementRecord.server_id == server.id, Tenant.region != region)
        .limit(1)
    )
    if bound is not None:
        raise ServerInUseError(
            f"The rows of {bound!r}, among others, must stay in a region other than {region!r}."
        )


def _lay_down(server: Server, terms: ServerOptions) -> None:
    """Write what is said of a server into its row, but for its own URL."""
    said: dict[str, Any] = {
        "pooler_url": terms.pooler_url and _without_password(terms.pooler_url),
        "replica_urls": None
        if terms.replica_urls is None
        else [_without_password(url) for url in terms.replica_urls],
        "region": terms.region,
        "capacity": terms.capacity,
        "tiers": None if terms.tiers is None else list(terms.tiers),
    }
    for name, value in said.items():
        if value is not None:
            setattr(server, name, value)


def _keep_url(session: Session, server: Server, url: URL) -> None:
    """Write a server's URL into its row, and the password that is in it, sealed, elsewhere."""
    server.url = _without_password(url)
    session.execute(delete(ServerPassword).where(ServerPassword.server_id == server.id))
    if url.password is not None:
        sealed = seal_password(current_settings().secret_key, server.name, str(url.password))
        session.add(ServerPassword(server_id=server.id, sealed=sealed))


def _without_password(url: URL) -> str:
    return url._replace(password=None).render_as_string(hide_password=False)
