"""Register PostgreSQL servers, change their options, and remove them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection
from sqlalchemy import URL, delete, exists, select
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.model import length_of
from trially.errors import OperatorError
from trially.keys import current_keys
from trially.tenancy.catalog import PlacementRecord, Server, ServerPassword, SharedDatabase, Tenant
from trially.tenancy.catalog_choices import UNCLAIMED, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.names import check_line
from trially.tenancy.servers.access import (
    FIRST_SERVER,
    NoServerError,
    ServerAccess,
    access_to,
    forget_server,
    server_access,
)
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import prepare_server
from trially.tenancy.servers.probing import UnsuitableServerError, probe_replica, probe_server
from trially.tenancy.servers.sealing import seal_password

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
"""The form of a server's name, which is part of bind keys and of derived passwords."""


class ServerInUseError(OperatorError):
    """The change is refused, because the server holds the catalog or tenants."""


@dataclass(frozen=True)
class ServerOptions:
    """The options of a server. None leaves an option unchanged."""

    url: URL | None = None
    pooler_url: URL | None = None
    replica_urls: tuple[URL, ...] | None = None
    region: str | None = None
    capacity: int | None = None
    tiers: tuple[Tier, ...] | None = None
    backup: str | None = None
    """The tool that backs the server up, and its name there: `barman:main`. Empty: none."""


def add_server(name: str, url: URL, options: ServerOptions) -> Server:
    """Check a server, prepare it for tenants, and register it.

    Raises `UnsuitableServerError` or `UnsafeTextError` before anything is changed.
    """
    _check_region(options)
    with catalog_transaction() as session:
        if session.scalar(select(exists().where(Server.name == name))):
            raise UnsuitableServerError(
                f"The server name {name!r} is already taken. Choose another one."
            )
    identifier = _probe(name, url, options.replica_urls or ())
    _refuse_registered(identifier)
    access = ServerAccess(name, url, current_keys())
    with access.administer() as raw:
        _refuse_other_installation(name, raw)
        prepare_server(access, raw)
    server = Server(name=name, system_identifier=identifier)
    _apply_options(server, options)
    with catalog_transaction() as session:
        session.add(server)
        session.flush()
        _store_url(session, server, url)
        session.refresh(server)
    return server


def change_server(name: str, options: ServerOptions) -> Server:
    """Change the options of a server. No tenant is moved.

    Raises `NoServerError`, `UnsuitableServerError` for the URL of another server, and
    `ServerInUseError` for a region that contradicts that of a tenant on the server. Raises
    `UnsafeTextError` for a region that people could misread.
    """
    _check_region(options)
    if name == FIRST_SERVER and (options.url or options.pooler_url):
        raise UnsuitableServerError(
            f"The URLs of the server {FIRST_SERVER!r} are settings. Change TRIALLY_DATABASE_URL or"
            " TRIALLY_POOLER_URL."
        )
    registered = get_server(name)
    if options.url or options.replica_urls:
        url = options.url or access_to(registered).administrator_url()
        identifier = _probe(name, url, options.replica_urls or ())
        if registered.system_identifier not in (None, identifier):
            raise UnsuitableServerError(
                f"The URL leads to a server other than {name!r}. Register it with"
                " `flask servers add`."
            )
    with catalog_transaction() as session:
        server = _find(session, name)
        _refuse_other_region(session, server, options.region)
        _apply_options(server, options)
        if options.url is not None:
            _store_url(session, server, options.url)
    forget_server(name)
    return server


def drain_server(name: str, *, is_draining: bool) -> Server:
    """Stop placing tenants on a server, or start again. Tenants on it stay."""
    with catalog_transaction() as session:
        server = _find(session, name)
        server.is_draining = is_draining
    return server


def remove_server(name: str) -> Server:
    """Remove a server without tenants. Its roles and databases stay on it.

    Raises `NoServerError` or `ServerInUseError`.
    """
    if name == FIRST_SERVER:
        raise ServerInUseError(
            f"The server {FIRST_SERVER!r} cannot be removed, because it holds the catalog."
        )
    with catalog_transaction() as session:
        server = _find(session, name)
        placed = exists().where(
            PlacementRecord.server_id == server.id, PlacementRecord.tenant_id == Tenant.id
        )
        if session.scalar(select(placed.where(Tenant.status.not_in(UNCLAIMED)))):
            raise ServerInUseError(
                f"The server {name!r} cannot be removed, because tenants are placed on it."
            )
        if session.scalar(select(placed)):
            raise ServerInUseError(
                f"The server {name!r} cannot be removed, because tenants are kept ready on it."
                f" Run `flask servers drain {name}` and `flask tenants ready`, which removes them."
            )
        session.execute(delete(SharedDatabase).where(SharedDatabase.server_id == server.id))
        session.execute(delete(Server).where(Server.id == server.id))
    forget_server(name)
    return server


def get_server(name: str) -> Server:
    """Return a server's row in the catalog, or raise `NoServerError`."""
    with catalog_transaction() as session:
        return _found(session.scalar(select(Server).where(Server.name == name)), name)


def all_servers() -> Sequence[Server]:
    """Return all servers, oldest first."""
    with catalog_transaction() as session:
        return session.scalars(select(Server).order_by(Server.created_at)).all()


def _find(session: Session, name: str) -> Server:
    """Return a server's row, locked until the end of the transaction."""
    return _found(session.scalar(select(Server).where(Server.name == name).with_for_update()), name)


def _found(server: Server | None, name: str) -> Server:
    if server is None:
        raise NoServerError(name)
    return server


def _probe(name: str, url: URL, replica_urls: tuple[URL, ...]) -> str:
    """Check a server and its replicas, and return their system identifier."""
    identifier = probe_server(name, url)
    for replica_url in replica_urls:
        probe_replica(replica_url.set(username=url.username, password=url.password), identifier)
    return identifier


def _refuse_registered(identifier: str) -> None:
    """Raise `UnsuitableServerError` if the server is already registered under any name."""
    for server in all_servers():
        registered = server.system_identifier
        if registered is None:
            registered = probe_server(server.name, server_access(server.name).administrator_url())
        if registered == identifier:
            raise UnsuitableServerError(
                f"This server is already registered as {server.name!r}. Change it with"
                f" `flask servers change {server.name}`."
            )


def _refuse_other_installation(name: str, raw: connection) -> None:
    """Raise `UnsuitableServerError` if a catalog of the same name is on the server.

    Preparing the server would set the password of that catalog's reader.
    """
    catalog = current_settings().catalog_database
    if execute(raw, "SELECT 1 FROM pg_database WHERE datname = %s", catalog):
        raise UnsuitableServerError(
            f"The server {name!r} has a database {catalog}, so it holds the catalog of another"
            " installation. Choose another server, or another TRIALLY_CATALOG_DATABASE for a new"
            " installation."
        )


def _check_region(options: ServerOptions) -> None:
    if options.region is not None:
        check_line(options.region, "The region", length_of(Server.region))


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
            f"The region of {server.name!r} cannot become {region!r}, because the tenant {bound!r}"
            " on it must stay in another region."
        )


def _apply_options(server: Server, options: ServerOptions) -> None:
    """Write the options, except the server's own URL, into its row."""
    values: dict[str, Any] = {
        "pooler_url": options.pooler_url and _without_password(options.pooler_url),
        "replica_urls": None
        if options.replica_urls is None
        else [_without_password(url) for url in options.replica_urls],
        "region": options.region,
        "capacity": options.capacity,
        "tiers": None if options.tiers is None else list(options.tiers),
    }
    for name, value in values.items():
        if value is not None:
            setattr(server, name, value)
    if options.backup is not None:
        server.backup = options.backup or None


def _store_url(session: Session, server: Server, url: URL) -> None:
    """Write a server's URL into its row, and the encrypted password into a table of its own."""
    server.url = _without_password(url)
    session.execute(delete(ServerPassword).where(ServerPassword.server_id == server.id))
    if url.password is not None:
        sealed = seal_password(current_keys(), server.name, str(url.password))
        session.add(ServerPassword(server_id=server.id, sealed=sealed))


def _without_password(url: URL) -> str:
    return url._replace(password=None).render_as_string(hide_password=False)
