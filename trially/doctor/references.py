"""Build reference placements: what a new tenant of a tier has at a revision, on the same server.

They are built from the migrations, by the code that creates tenants. The server's template is not
used, because it may be damaged too. All are dropped at the end. Those that a killed process left
behind are dropped by the next one: the advisory lock of their process is free.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import count
from threading import RLock
from uuid import uuid4

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from trially.doctor.comparing.names import Names, Unit
from trially.doctor.comparing.snapshots import Reader, Snapshot, prepare_session, reader_of
from trially.doctor.leftovers import administering, drop_leftovers, drop_run, reference_prefix
from trially.doctor.reference_databases import Reference
from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.migrating.clones import drop_dead_clones
from trially.tenancy.schema.databases import (
    as_owner,
    create_closed_database,
    drop_database,
    open_database,
)
from trially.tenancy.schema.installing import build_catalog
from trially.tenancy.schema.templates import TENANT_SCHEMA, create_tables
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import create_role
from trially.tenancy.servers.scram import scram_verifier
from trially.tenancy.tiers import PlacementTier
from trially.tenancy.tiers.shared_databases import existing_databases

_building = RLock()
"""Alembic runs one command at a time in a process."""


class ServerReferences:
    """The references on one server. Each is built when it is first needed."""

    access: ServerAccess

    def __init__(self, access: ServerAccess, prefix: str) -> None:
        self.access = access
        self._prefix = prefix
        self._stack = ExitStack()
        self._templates: dict[str, str] = {}
        self._references: dict[tuple[str, str], Reference | Exception] = {}
        self._numbers = count()

    @cached_property
    def reader(self) -> Reader:
        """The statements that read this server's databases."""
        with self.administer() as raw:
            return reader_of(raw)

    @cached_property
    def databases(self) -> frozenset[str]:
        """The names of the server's databases when it was first asked."""
        with self.administer() as raw:
            rows = execute(raw, "SELECT datname FROM pg_database")
        return frozenset(name for (name,) in rows)

    @contextmanager
    def administer(self) -> Iterator[connection]:
        """Connect to the server. No connection is kept: one that is lost must not end the run."""
        with administering(self.access) as raw:
            yield raw

    def of_tier(self, tier: PlacementTier, revision: str) -> Reference:
        """Return the reference of a tier at a revision of the tenants' migrations."""
        return self._built(
            (str(tier.tier), revision), lambda: self._build_placement(tier, revision)
        )

    def of_catalog(self) -> Reference:
        """Return the reference of the catalog's database, at the head revision."""
        return self._built(("catalog", "head"), self._build_catalog)

    def _built(self, key: tuple[str, str], build: Callable[[], Reference]) -> Reference:
        """Return a reference. If it could not be built, the same error is raised again."""
        with _building:
            if key not in self._references:
                try:
                    self._references[key] = _with_two_attempts(build)
                except Exception as error:  # noqa: BLE001
                    self._references[key] = error
            reference = self._references[key]
            if isinstance(reference, Exception):
                raise reference
            return reference

    def _build_catalog(self) -> Reference:
        name = self._name("c")
        with self.administer() as raw:
            build_catalog(raw, self.access, name)
        return self._open(name, Names(login=""))

    def of_template(self, revision: str) -> Reference:
        """Return what the server's template should be at a revision."""
        return self._built(("template", revision), lambda: self._build_template(revision))

    @contextmanager
    def copied(self, template: str) -> Iterator[Snapshot]:
        """Yield the rows of a copy of a template, which takes no connections itself."""
        with _building:
            name = self._copy(template, "p")
        try:
            with self.access.administer(name) as raw:
                prepare_session(raw)
                yield Snapshot(raw, self.reader, Names(login=name))
        finally:
            with self.administer() as raw:
                drop_database(raw, name)

    def _build_template(self, revision: str) -> Reference:
        name = self._copy(self._template(revision), "e")
        return self._open(name, Names(login=name))

    def _copy(self, template: str, kind: str) -> str:
        name = self._name(kind)
        with self.administer() as raw:
            create_closed_database(raw, name, template)
            open_database(raw, name)
        return name

    def of_roles(self) -> tuple[str, str]:
        """Create roles like the owner's and the reader's, and return their names."""
        owner, reader = f"{self._prefix}_owner", f"{self._prefix}_reader"
        password = sql.Literal(scram_verifier(self.access.role_password(reader)))
        set_password = sql.SQL("ALTER ROLE {} PASSWORD {}")
        with self.administer() as raw:
            create_role(raw, owner, "NOLOGIN")
            create_role(raw, reader, "LOGIN")
            execute(raw, set_password.format(sql.Identifier(reader), password))
        return owner, reader

    def close(self) -> None:
        """Close the connections to the references."""
        self._stack.close()

    def _name(self, kind: str) -> str:
        return f"{self._prefix}_{next(self._numbers)}{kind}"

    def _template(self, revision: str) -> str:
        """Return the name of a database with the tables at a revision; build it if needed."""
        if revision not in self._templates:
            name = self._copy("template0", "t")
            with as_owner(self.access, name) as owned:
                create_tables(owned, revision)
            self._templates[revision] = name
        return self._templates[revision]

    def _build_placement(self, tier: PlacementTier, revision: str) -> Reference:
        database = role = self._name("d")
        schema, unit = TENANT_SCHEMA, None
        tenant_id = uuid4()
        if tier.switches_roles:
            schema = role = self._name("s")
            unit = Unit(schema, role, str(tenant_id))
        record = PlacementRecord(
            tier=tier.tier, database=database, schema=schema, role=role, epoch=1
        )
        record.tenant_id = tenant_id
        record.server = Server(name=self.access.name)
        template = self._template(revision)
        try:
            tier.create_role(record, template)
            tier.create_storage(record, template)
            tier.grant_access(record)
        finally:
            existing_databases().discard(database)
        names = Names(
            login=database,
            tenant_id="" if tier.shares_database else str(tenant_id),
            units=(unit,) if unit else (),
        )
        return self._open(database, names, unit)

    def _open(self, database: str, names: Names, unit: Unit | None = None) -> Reference:
        raw = self._stack.enter_context(self.access.administer(database))
        prepare_session(raw)
        return Reference(database, Snapshot(raw, self.reader, names), unit)


def _with_two_attempts(build: Callable[[], Reference]) -> Reference:
    """Build a reference, and once more under other names if a connection was lost."""
    try:
        return build()
    except psycopg2.OperationalError:
        return build()


@contextmanager
def references_on(access: ServerAccess) -> Iterator[ServerReferences]:
    """Yield the references on a server, and drop them when the block ends."""
    prefix = f"{reference_prefix()}{secrets.token_hex(3)}"
    with administering(access) as raw:
        drop_leftovers(raw)
        drop_dead_clones(raw)
        execute(raw, "SELECT pg_advisory_lock(hashtextextended(%s, 0))", prefix)
        references = ServerReferences(access, prefix)
        try:
            yield references
        finally:
            references.close()
            with administering(access) as dropping:
                drop_run(dropping, prefix)
