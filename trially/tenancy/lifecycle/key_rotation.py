"""Change the secret key of the installation while it serves.

The catalog first records both keys. From then on all processes set passwords and sign with the new
one, and accept both. Then the password of each role is set anew, role by role. The servers
themselves show what remains, so a run that was killed is continued by the next one.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg2
from psycopg2 import sql
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.connecting import connect
from trially.errors import OperatorError
from trially.keys import current_keys
from trially.tenancy.advisory_locks import KEY_ROTATION_LOCK
from trially.tenancy.catalog import CATALOG_SCHEMA, RecordedKey, Server, ServerPassword
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.lifecycle.key_use import (
    LoginRole,
    ServerKeys,
    all_login_roles,
    examine,
    recorded_keys,
    stored_password,
)
from trially.tenancy.recorded_keys import short_name
from trially.tenancy.servers.access import ServerAccess, access_to, server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import reader_role
from trially.tenancy.servers.scram import scram_verifier
from trially.tenancy.servers.sealing import seal_password, unseal_password


class RotationRefusedError(OperatorError):
    """The secret key cannot be changed now. The message says why, and what to do."""


class Rotation:
    """A rotation whose keys are recorded: `run` sets the passwords, `finish` ends it if all are."""

    def __init__(self, *, ends_sessions: bool) -> None:
        self._servers = all_login_roles()
        self._sessions_before = dt.datetime.now(dt.UTC) if ends_sessions else None
        self.problems: list[str] = []
        """What failed, as sentences."""

    @property
    def total(self) -> int:
        """The number of roles that `run` visits."""
        return sum(len(roles) for _, roles in self._servers)

    def run(self) -> Iterator[LoginRole]:
        """Set the passwords that do not derive from the newest key; yield each visited role.

        Neither a server that cannot be reached nor a role that cannot be changed stops the others.
        """
        newest = current_keys().newest
        for server, roles in self._servers:
            state = examine(server, roles)
            if isinstance(state.sealed_with, str) and state.sealed_with != newest:
                _reseal(server)
            remaining = set(state.remaining(newest))
            for role in roles:
                if state.error is None:
                    self._visit(server, role, is_remaining=role in remaining)
                yield role

    def finish(self) -> list[ServerKeys]:
        """Return the state of each server; forget the previous key if no password needs it.

        Roles are listed again, because a tenant may have been created in the meantime.
        """
        states = [examine(server, roles) for server, roles in all_login_roles()]
        if all(state.is_done(current_keys().newest) for state in states):
            with catalog_transaction() as session:
                session.execute(delete(RecordedKey).where(~RecordedKey.is_current))
        return states

    def _visit(self, server: Server, role: LoginRole, *, is_remaining: bool) -> None:
        access = access_to(server)
        try:
            if is_remaining:
                _set_password(access, role)
            if self._sessions_before is not None:
                _end_sessions(access, role, self._sessions_before)
        except psycopg2.Error as error:
            self.problems.append(
                f"The role {role.name} on the server {server.name} failed with"
                f" {type(error).__name__}."
            )


@contextmanager
def begin_rotation(*, is_forced: bool = False, ends_sessions: bool = False) -> Iterator[Rotation]:
    """Record both keys, and return the rotation, which no other process can run meanwhile.

    Raises `RotationRefusedError` before anything is changed.
    """
    with _exclusively():
        _refuse_processes_without_new_key(is_forced=is_forced)
        _record_newest()
        yield Rotation(ends_sessions=ends_sessions)


def adopt_key_without_previous() -> None:
    """Record the newest key as the only one, because the previous key is lost.

    Afterwards a rotation sets every password. Until then roles with their old password cannot
    log in.
    """
    table = sql.Identifier(CATALOG_SCHEMA, RecordedKey.__tablename__)
    catalog = current_settings().catalog_database
    with server_access().administer(catalog) as raw:
        execute(
            raw,
            sql.SQL(
                "BEGIN; DELETE FROM {table};"
                "INSERT INTO {table} (fingerprint, is_current) VALUES ({newest}, true); COMMIT"
            ).format(table=table, newest=sql.Literal(current_keys().newest)),
        )


@contextmanager
def _exclusively() -> Iterator[None]:
    """Hold the lock of the rotation. Raises `RotationRefusedError` if another process has it."""
    with control_engine().connect() as catalog:
        if not catalog.scalar(select(func.pg_try_advisory_lock(KEY_ROTATION_LOCK))):
            raise RotationRefusedError(
                "Another process is changing the secret key. Wait until it has ended."
            )
        catalog.commit()
        try:
            yield
        finally:
            catalog.scalar(select(func.pg_advisory_unlock(KEY_ROTATION_LOCK)))


def _refuse_processes_without_new_key(*, is_forced: bool) -> None:
    """Raise `RotationRefusedError` if a server process is connected that lacks the newest key.

    Its `application_name` as the catalog's reader shows its keys.
    """
    with server_access().administer() as raw:
        rows = execute(
            raw,
            "SELECT pid, coalesce(host(client_addr), 'local'), application_name"
            " FROM pg_stat_activity WHERE usename = %s AND strpos(application_name, %s) = 0"
            " AND application_name NOT LIKE 'trially-%%' ORDER BY pid",
            reader_role(current_settings()),
            short_name(current_keys().newest),
        )
    if rows and not is_forced:
        sessions = ", ".join(f"{host} (pid {pid})" for pid, host, _ in rows[:5])
        raise RotationRefusedError(
            f"{len(rows)} sessions of processes without the new key read the catalog: {sessions}."
            " Restart these processes with TRIALLY_SECRET_KEY set to the new key and"
            " TRIALLY_PREVIOUS_SECRET_KEY to the previous one. --force ignores them."
        )


def _record_newest() -> None:
    """Record the newest key as the current one, and the one before as being replaced."""
    keys = current_keys()
    recorded = recorded_keys()
    if not recorded.get(keys.newest):
        with catalog_transaction() as session:
            session.execute(delete(RecordedKey).where(RecordedKey.fingerprint == keys.newest))
            session.execute(
                update(RecordedKey).where(RecordedKey.is_current).values(is_current=False)
            )
            session.add(RecordedKey(fingerprint=keys.newest, is_current=True))
    keys.use(keys.newest)


def _set_password(access: ServerAccess, role: LoginRole) -> None:
    password = access.role_password(role.name)
    with access.administer() as raw:
        execute(
            raw,
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(role.name), sql.Literal(scram_verifier(password))
            ),
        )
    if access.pooler_url is None:
        return
    # PgBouncer logs in to the server with what the last login of a client has shown to it.
    url = access.pooler_url.set(username=role.name, password=password, database=role.database)
    with suppress(psycopg2.Error), closing(connect(url, application_name="trially-keys")) as pooled:
        execute(pooled, "SELECT 1")


def _end_sessions(access: ServerAccess, role: LoginRole, begun_before: dt.datetime) -> None:
    """End the sessions of a role that may have been opened with the previous key."""
    with access.administer() as raw:
        execute(
            raw,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = %s AND backend_start < %s AND pid <> pg_backend_pid()",
            role.name,
            begun_before,
        )


def _reseal(server: Server) -> None:
    """Encrypt the stored password of a server's administrator with the key in use."""
    keys, sealed = current_keys(), stored_password(server)
    if sealed is None:
        return
    password = unseal_password(keys, server.name, bytes(sealed))
    with catalog_transaction() as session:
        _store(session, server, seal_password(keys, server.name, password), sealed)


def _store(session: Session, server: Server, resealed: bytes, before: bytes) -> None:
    """Store the password, unless it was changed in the meantime."""
    session.execute(
        update(ServerPassword)
        .where(ServerPassword.server_id == server.id, ServerPassword.sealed == before)
        .values(sealed=resealed)
    )
