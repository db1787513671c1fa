"""Read what a whole server has: roles, databases, memberships, settings, tablespaces, grants.

Their catalogs are shared by all databases. A row is about one role or database, or about several:
those are its subjects.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection

from trially.doctor.comparing.row_rules import WRITTEN
from trially.doctor.comparing.row_texts import RowText
from trially.doctor.comparing.snapshots import ACL, ObjectName, Row
from trially.tenancy.servers.connections import execute

EVERYONE = "-"
"""How PostgreSQL prints a role or database that is 0: it stands for all of them."""

_OBJECTS = {
    "pg_authid": ("role", "{rolname}"),
    "pg_auth_members": ("membership", "{member} in {roleid}"),
    "pg_database": ("database", "{datname}"),
    "pg_db_role_setting": ("settings", "{setrole} {setdatabase}"),
    "pg_parameter_acl": ("parameter", "{parname}"),
    "pg_replication_origin": ("replication origin", "{roname}"),
    "pg_shseclabel": ("security label", "{provider} {classoid} {objoid}"),
    "pg_subscription": ("subscription", "{subname}"),
    "pg_tablespace": ("tablespace", "{spcname}"),
}
"""The kind and name of the object of a row, by catalog. Rows of other catalogs are unknown."""

_SUBJECTS = {
    "pg_authid": ("rolname",),
    "pg_auth_members": ("roleid", "member"),
    "pg_database": ("datname", "datdba"),
    "pg_db_role_setting": ("setrole", "setdatabase"),
    "pg_replication_origin": (),
    "pg_shseclabel": (),
    "pg_subscription": ("subdbid", "subowner"),
    "pg_tablespace": (),
}

_LEFT_OUT = {"pg_auth_members": {"grantor"}, "pg_subscription": {"subconninfo", "subskiplsn"}}
"""The administrator grants a role; a later administrator is no difference. No secret is read."""


@dataclass(frozen=True)
class ServerRow:
    """A row of a shared catalog, or a grant on what it describes."""

    catalog: str
    fields: Mapping[str, Any]
    object: ObjectName
    subjects: frozenset[str]
    """The roles and databases that the row is about."""

    def as_row(self, placeholders: Sequence[tuple[str, str]]) -> Row:
        """Return the row with placeholders for names, to compare it with a reference's."""

        def canonical(text: str) -> str:
            for name, placeholder in placeholders:
                text = text.replace(name, placeholder)
            return text

        kind, identity = self.object
        return Row(
            self.catalog,
            json.loads(canonical(json.dumps(self.fields))),
            ObjectName(kind, canonical(identity)),
            None,
            None,
        )


def read_server_rows(raw: connection, texts: Mapping[str, RowText]) -> list[ServerRow]:
    """Return the rows of all shared catalogs."""
    rows: list[ServerRow] = []
    for name, text in sorted(texts.items()):
        if text.catalog.is_shared:
            rows += _read_catalog(raw, name, text)
    return rows


def _read_catalog(raw: connection, name: str, text: RowText) -> Iterator[ServerRow]:
    source, columns = text.source, text.fields
    if name == "pg_authid" and not columns:
        # Every role may read this view, which shows no password.
        source = "pg_catalog.pg_roles"
        readable = [each for each in text.catalog.unreadable if each not in ("oid", "rolpassword")]
        written = WRITTEN[name]
        columns = {label: written.get(label, f"t.{label}") for label in readable}
    if not columns:
        return
    fields = ", ".join(
        f"'{label}', {value}"
        for label, value in columns.items()
        if label not in _LEFT_OUT.get(name, ())
    )
    for (values,) in execute(raw, f"SELECT json_build_object({fields}) FROM {source} t"):
        yield ServerRow(name, values, _object(name, values), _subjects(name, values))
    if text.acl:
        statement = (
            f"SELECT json_build_object({fields}), item::text,"
            f" ({text.owner})::oid::regrole::text, grantee::regrole::text"
            f" FROM {source} t CROSS JOIN unnest({text.acl}) AS item"
            " CROSS JOIN LATERAL (SELECT DISTINCT grantee FROM aclexplode(ARRAY[item])) exploded"
        )
        for values, item, owner, grantee in execute(raw, statement):
            of_object = _subjects(name, values) if name == "pg_database" else frozenset()
            subjects = of_object - {owner} | ({grantee} - {owner, EVERYONE})
            fields_of_grant = {"item": item, "owner": owner}
            yield ServerRow(ACL, fields_of_grant, _object(name, values), subjects)


def _object(catalog: str, fields: Mapping[str, Any]) -> ObjectName:
    kind, identity = _OBJECTS.get(catalog, (f"row of {catalog}", ""))
    if catalog == "pg_db_role_setting":
        return ObjectName(kind, _scope_of_settings(fields))
    return ObjectName(kind, identity.format(**fields) if identity else json.dumps(fields))


def _subjects(catalog: str, fields: Mapping[str, Any]) -> frozenset[str]:
    named = (fields[label] for label in _SUBJECTS.get(catalog, ()) if label in fields)
    return frozenset(name for name in named if name not in (EVERYONE, None))


def _scope_of_settings(fields: Mapping[str, Any]) -> str:
    """Return the words of ALTER for a row of settings."""
    role = "ALL" if fields["setrole"] == EVERYONE else fields["setrole"]
    database = fields["setdatabase"]
    if database is None:
        return f"ROLE {role}"
    return f"DATABASE {database}" if role == "ALL" else f"ROLE {role} IN DATABASE {database}"


def read_roles_of_everything(raw: connection) -> Collection[str]:
    """Return the superusers and the role of this session, which may do everything anyway."""
    rows = execute(raw, "SELECT rolname FROM pg_roles WHERE rolsuper OR rolname = current_user")
    return {name for (name,) in rows}
