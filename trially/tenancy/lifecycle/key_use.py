"""Find out which secret key each password and stored value of the installation derives from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg2
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from trially.config import current_settings
from trially.errors import OperatorError
from trially.keys import SecretKeys, current_keys
from trially.tenancy.catalog import (
    PlacementRecord,
    RecordedKey,
    Server,
    ServerPassword,
    SharedDatabase,
)
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.servers.access import access_to
from trially.tenancy.servers.preparing import reader_role
from trially.tenancy.servers.role_keys import KeyOfRole, find_keys
from trially.tenancy.servers.sealing import find_sealing_key


@dataclass(frozen=True)
class LoginRole:
    """A role that logs in with a derived password, and the tenants that it serves."""

    name: str
    database: str
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerKeys:
    """The keys that a server's passwords derive from, as the server itself shows them."""

    server: Server
    listed: Sequence[LoginRole]
    roles: Mapping[LoginRole, str | KeyOfRole] = field(default_factory=dict)
    """The key of each listed role's password. Empty if the server could not be asked."""

    sealed_with: str | KeyOfRole = KeyOfRole.MISSING
    """The key that seals the stored password of the administrator, if one is stored."""

    error: str | None = None
    """Why the server could not be asked."""

    def counts(self, keys: SecretKeys) -> dict[str, int]:
        """Return the number of roles by the key of their password."""
        counts = Counter(_word_for(key, keys) for key in self.roles.values())
        return {word: counts[word] for word in ("new", "previous", "unknown", "missing")}

    def remaining(self, newest: str) -> list[LoginRole]:
        """Return the roles whose password does not derive from the newest key, or may not."""
        if self.error is not None:
            return list(self.listed)
        done = (newest, KeyOfRole.MISSING)
        return [role for role, key in self.roles.items() if key not in done]

    def is_done(self, newest: str) -> bool:
        """Return whether nothing on the server needs another key than the newest one."""
        is_sealed_anew = self.sealed_with in (newest, KeyOfRole.MISSING)
        return self.error is None and is_sealed_anew and not self.remaining(newest)


def recorded_keys() -> dict[str, bool]:
    """Return the recorded fingerprints, and whether each is the current key's."""
    with catalog_transaction() as session:
        rows = session.execute(select(RecordedKey.fingerprint, RecordedKey.is_current))
        return {row.fingerprint: row.is_current for row in rows}


class KeyIsChangingError(OperatorError):
    """The command needs to know each role's password, and the secret key is being changed."""


def refuse_while_changing() -> None:
    """Raise `KeyIsChangingError` unless `TRIALLY_SECRET_KEY` is the only recorded key."""
    if set(recorded_keys()) != {current_keys().newest}:
        raise KeyIsChangingError(
            "The secret key is being changed, so the roles' passwords differ. Run this command"
            " after `flask keys rotate` has succeeded."
        )


def all_login_roles() -> list[tuple[Server, list[LoginRole]]]:
    """Return the login roles of each server: the catalog's reader, and those of all placements."""
    reader, catalog = reader_role(current_settings()), current_settings().catalog_database
    with catalog_transaction() as session:
        servers = session.scalars(select(Server).order_by(Server.created_at)).all()
        shared = session.scalars(select(SharedDatabase)).all()
        records = session.scalars(
            select(PlacementRecord)
            .options(joinedload(PlacementRecord.tenant))
            .order_by(PlacementRecord.created_at)
        ).all()
    tenants: dict[tuple[str, str], list[str]] = {
        (database.server.name, database.name): [] for database in shared
    }
    for record in records:
        # In every tier the login role has the name of the database.
        slugs = tenants.setdefault((record.server.name, record.database), [])
        slugs.append(record.tenant.slug)
    return [
        (
            server,
            [
                LoginRole(reader, catalog),
                *(
                    LoginRole(database, database, tuple(slugs))
                    for (name, database), slugs in tenants.items()
                    if name == server.name
                ),
            ],
        )
        for server in servers
    ]


def examine(server: Server, roles: Sequence[LoginRole]) -> ServerKeys:
    """Ask a server for the keys of its roles' passwords. An error is part of the result."""
    sealed_with = _sealing_key(server)
    if sealed_with is KeyOfRole.UNKNOWN:
        return ServerKeys(server, roles, sealed_with=sealed_with, error=_undecryptable(server.name))
    access = access_to(server)
    try:
        with access.administer() as raw:
            found = find_keys(access, raw, {role.name: role.database for role in roles})
    except psycopg2.Error as error:
        what = f"The server {server.name} cannot be examined ({type(error).__name__})."
        return ServerKeys(server, roles, sealed_with=sealed_with, error=what)
    except OperatorError as error:
        return ServerKeys(server, roles, sealed_with=sealed_with, error=str(error))
    keys = {role: found[role.name] for role in roles}
    return ServerKeys(server, roles, keys, sealed_with)


def stored_password(server: Server) -> bytes | None:
    """Return the sealed password of a server's administrator, None if none is stored."""
    with catalog_transaction() as session:
        return session.scalar(
            select(ServerPassword.sealed).where(ServerPassword.server_id == server.id)
        )


def _sealing_key(server: Server) -> str | KeyOfRole:
    sealed = stored_password(server)
    if sealed is None:
        return KeyOfRole.MISSING
    return find_sealing_key(current_keys(), server.name, bytes(sealed)) or KeyOfRole.UNKNOWN


def _undecryptable(name: str) -> str:
    return (
        f"The stored password of the server {name} cannot be decrypted. Store it again:"
        f" `flask servers change {name} --url …`."
    )


def _word_for(key: str | KeyOfRole, keys: SecretKeys) -> str:
    if isinstance(key, KeyOfRole):
        return "missing" if key is KeyOfRole.MISSING else "unknown"
    return "new" if key == keys.newest else "previous"
