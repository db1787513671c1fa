"""Find roles, settings and grants of a server that belong to no tenant and can reach tenants' rows.

Other applications may use the same server. So a role or database of another owner is no problem by
itself. A role that can bypass CONNECT, grants or row-level security is, and so is a setting that
applies to every session.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trially.doctor.comparing.sentence import Sentence
from trially.doctor.comparing.server_rows import EVERYONE, ServerRow
from trially.doctor.comparing.server_sentences import describe_settings
from trially.doctor.comparing.snapshots import ACL
from trially.tenancy.servers.access import MAINTENANCE_DATABASES

_DANGEROUS = {
    "rolsuper": ("SUPERUSER", "reads and changes everything"),
    "rolbypassrls": ("BYPASSRLS", "is not bound by row-level security"),
    "rolreplication": ("REPLICATION", "can copy the whole server"),
    "rolcreaterole": ("CREATEROLE", "can change other roles"),
}

_OF_POSTGRESQL = "pg_"
"""Prefix of the predefined roles."""

_OF_TABLESPACES = ("pg_default", "pg_global")


@dataclass(frozen=True)
class Strangers:
    """The rows that are about no role or database of the installation."""

    rows: Collection[ServerRow]
    almighty: Collection[str]
    """The superusers and the administrator."""

    administrator: str
    bootstrap: str
    """The superuser that initdb created."""

    own_names: Collection[str]
    """The installation's roles and databases."""

    def problems(self) -> Iterator[Sentence]:
        """Yield each problem of a row that is about nobody of the installation."""
        for row in self.rows:
            find = _FINDERS.get(row.catalog, _unknown)
            yield from find(self, row.fields, row)


def _of_role(server: Strangers, fields: Mapping[str, Any], _row: ServerRow) -> Iterator[Sentence]:
    role = fields["rolname"]
    if role in (server.administrator, server.bootstrap) or role.startswith(_OF_POSTGRESQL):
        return
    for label, (attribute, effect) in _DANGEROUS.items():
        if fields.get(label):
            remedy = f"ALTER ROLE {role} NO{attribute};"
            yield Sentence(f"{role} has {attribute}: it {effect}", remedy)
            return


def _of_membership(
    server: Strangers, fields: Mapping[str, Any], _row: ServerRow
) -> Iterator[Sentence]:
    role, member = fields["roleid"], fields["member"]
    is_predefined = role.startswith(_OF_POSTGRESQL) and not member.startswith(_OF_POSTGRESQL)
    if (is_predefined or role in server.almighty) and member not in server.almighty:
        remedy = f"REVOKE {role} FROM {member};"
        yield Sentence(f"{member} is a member of {role}", remedy)


def _of_settings(
    server: Strangers, fields: Mapping[str, Any], row: ServerRow
) -> Iterator[Sentence]:
    role, database = fields["setrole"], fields["setdatabase"]
    applies_to_all = role == EVERYONE and database is None
    if (
        applies_to_all
        or role in server.almighty
        or database in ("template0", *MAINTENANCE_DATABASES)
    ):
        yield from describe_settings(row.object.identity, fields["setconfig"], None)


def _of_grant(server: Strangers, fields: Mapping[str, Any], row: ServerRow) -> Iterator[Sentence]:
    kind, identity = row.object
    grantee = fields["item"].partition("=")[0] or "PUBLIC"
    if kind in ("parameter", "tablespace") and grantee not in (*server.almighty, fields["owner"]):
        remedy = f"REVOKE ALL ON {kind.upper()} {identity} FROM {grantee};"
        yield Sentence(f"{grantee} has privileges on {kind} {identity}: {fields['item']}", remedy)


def _of_tablespace(
    server: Strangers, fields: Mapping[str, Any], _row: ServerRow
) -> Iterator[Sentence]:
    name, owner = fields["spcname"], fields["spcowner"]
    expected = server.bootstrap if name in _OF_TABLESPACES else None
    if owner != expected and (expected or owner not in server.almighty):
        what = f"tablespace {name} belongs to {owner}, which is no administrator"
        yield Sentence(what, f"ALTER TABLESPACE {name} OWNER TO {server.administrator};")


def _of_database(
    _server: Strangers, fields: Mapping[str, Any], _row: ServerRow
) -> Iterator[Sentence]:
    if fields["datname"] == "template0" and fields["datallowconn"]:
        what = "template0 allows connections: what is created there is in every new database"
        yield Sentence(what, "ALTER DATABASE template0 ALLOW_CONNECTIONS false;")


def _of_origin(
    _server: Strangers, fields: Mapping[str, Any], _row: ServerRow
) -> Iterator[Sentence]:
    name = fields["roname"]
    yield Sentence(
        f"unexpected replication origin {name}", f"SELECT pg_replication_origin_drop('{name}');"
    )


def _nothing(_server: Strangers, _fields: Mapping[str, Any], _row: ServerRow) -> Iterator[Sentence]:
    """Yield nothing: the row is about a database of another application."""
    yield from ()


def _unknown(_server: Strangers, _fields: Mapping[str, Any], row: ServerRow) -> Iterator[Sentence]:
    kind, identity = row.object
    yield Sentence(f"unexpected {kind} {identity}", "Remove it, or declare it, if it is intended.")


_FINDERS = {
    ACL: _of_grant,
    "pg_auth_members": _of_membership,
    "pg_authid": _of_role,
    "pg_database": _of_database,
    "pg_db_role_setting": _of_settings,
    "pg_parameter_acl": _nothing,
    "pg_replication_origin": _of_origin,
    "pg_subscription": _nothing,
    "pg_tablespace": _of_tablespace,
}
"""What to look for in the rows of each catalog. Rows of others are reported."""
