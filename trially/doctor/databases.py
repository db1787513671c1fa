"""A database of tenants, read from PostgreSQL's catalogs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from psycopg2.extensions import connection

from trially.doctor.fleet import Fleet, TenantDatabase
from trially.tenancy.catalog import Tier
from trially.tenancy.schema.templates import TENANT_SCHEMA
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers.blank_schema import BLANK_SCHEMA

REVISION_TABLE = "alembic_version"
_OURS = "nspname !~ '^pg_' AND nspname <> 'information_schema'"


class Relation(NamedTuple):
    """A table, view or the like."""

    schema: str
    name: str
    kind: str
    """As in `pg_class.relkind`."""

    owner: str
    has_tenant_id: bool
    is_secured: bool
    is_forced: bool
    is_child: bool
    options: Sequence[str]

    @property
    def full_name(self) -> str:
        """The name with its schema."""
        return f"{self.schema}.{self.name}"


class Policy(NamedTuple):
    """A row security policy."""

    schema: str
    table: str
    name: str
    is_permissive: bool
    command: str
    is_for_all: bool
    condition: str | None
    check: str | None


class Grant(NamedTuple):
    """What somebody who does not own something may do with it."""

    schema: str
    what: str
    grantee: str
    privilege: str


class Function(NamedTuple):
    """A function that is not an extension's."""

    name: str
    owner: str
    runs_as_owner: bool
    settings: Sequence[str]


@dataclass(frozen=True)
class ExaminedDatabase:
    """A database, and a connection of its administrator."""

    place: TenantDatabase
    raw: connection
    fleet: Fleet

    @property
    def schemas(self) -> Collection[str]:
        """The schemas with tables of tenants, the blank one among them."""
        if self.place.tier is Tier.OWN_SCHEMA:
            return {*self.place.schemas, BLANK_SCHEMA}
        return {TENANT_SCHEMA, *self.place.schemas}

    @property
    def role_by_schema(self) -> Mapping[str, str]:
        """The role that may read and write the rows of each schema."""
        if self.place.tier is Tier.POOLED_ROWS:
            return {TENANT_SCHEMA: self.place.login_role}
        return self.place.schemas

    @cached_property
    def relations(self) -> list[Relation]:
        """Whatever holds or shows rows."""
        return [
            Relation(*row)
            for row in self.rows(
                "SELECT nspname, relname, relkind::text, pg_get_userbyid(relowner),"
                " EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid"
                "  AND attname = 'tenant_id' AND NOT attisdropped),"
                " relrowsecurity, relforcerowsecurity,"
                " EXISTS (SELECT FROM pg_inherits WHERE inhrelid = pg_class.oid),"
                " coalesce(reloptions, '{}')"
                " FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
                f" WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND {_OURS} ORDER BY 1, 2"
            )
        ]

    @property
    def tenant_tables(self) -> Iterator[Relation]:
        """The tables of tenants, those of the blank schema among them."""
        for relation in self.relations:
            if (
                relation.schema in self.schemas
                and relation.kind in ("r", "p")
                and relation.name != REVISION_TABLE
            ):
                yield relation

    @cached_property
    def policies(self) -> Mapping[tuple[str, str], list[Policy]]:
        """The policies of each table."""
        found: dict[tuple[str, str], list[Policy]] = {}
        for row in self.rows(
            "SELECT nspname, relname, polname, polpermissive, polcmd::text, polroles = '{0}',"
            " pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)"
            " FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        ):
            policy = Policy(*row)
            found.setdefault((policy.schema, policy.table), []).append(policy)
        return found

    @cached_property
    def table_grants(self) -> list[Grant]:
        """What others than owners may do with tables, views, sequences and columns."""
        return self._grants(
            "SELECT nspname, relname, grantee, privilege_type FROM pg_class"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            f" CROSS JOIN aclexplode(relacl) WHERE {_OURS} AND grantee <> relowner"
            " UNION ALL"
            " SELECT nspname, relname || '.' || attname, grantee, privilege_type FROM pg_attribute"
            " JOIN pg_class ON pg_class.oid = attrelid"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            f" CROSS JOIN aclexplode(attacl) WHERE {_OURS} AND grantee <> relowner"
        )

    @cached_property
    def schema_grants(self) -> list[Grant]:
        """What others than owners may do with schemas."""
        return self._grants(
            "SELECT nspname, '', grantee, privilege_type FROM pg_namespace"
            " CROSS JOIN aclexplode(coalesce(nspacl, acldefault('n', nspowner)))"
            f" WHERE {_OURS} AND grantee <> nspowner"
        )

    @cached_property
    def function_grants(self) -> list[Grant]:
        """Who else than owners may call which functions."""
        return self._grants(
            "SELECT nspname, proname, grantee, privilege_type FROM pg_proc"
            " JOIN pg_namespace ON pg_namespace.oid = pronamespace"
            " CROSS JOIN aclexplode(coalesce(proacl, acldefault('f', proowner)))"
            f" WHERE {_OURS} AND grantee <> proowner AND {_NOT_OF_AN_EXTENSION}"
        )

    @cached_property
    def functions(self) -> list[Function]:
        """The functions in our schemas."""
        return [
            Function(*row)
            for row in self.rows(
                "SELECT nspname || '.' || proname, pg_get_userbyid(proowner), prosecdef,"
                " coalesce(proconfig, '{}') FROM pg_proc"
                " JOIN pg_namespace ON pg_namespace.oid = pronamespace"
                f" WHERE {_OURS} AND {_NOT_OF_AN_EXTENSION} ORDER BY 1"
            )
        ]

    def rows(self, statement: str, *parameters: Any) -> list[Any]:
        """Ask the database."""
        return execute(self.raw, statement, *parameters)

    def _grants(self, statement: str) -> list[Grant]:
        return [
            Grant(*row)
            for row in self.rows(
                "SELECT nspname, relname, coalesce(rolname, 'PUBLIC'), privilege_type"
                f" FROM ({statement}) granted (nspname, relname, grantee, privilege_type)"
                " LEFT JOIN pg_roles ON pg_roles.oid = grantee"
                " WHERE NOT coalesce(rolsuper, false) ORDER BY 1, 2, 3, 4"
            )
        ]


_NOT_OF_AN_EXTENSION = (
    "NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass"
    " AND objid = pg_proc.oid AND deptype = 'e')"
)
