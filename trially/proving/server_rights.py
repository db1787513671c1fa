"""Ask each server which roles may connect to a tenant's database, or hold privileges of others.

One statement asks for all roles at once. So every pair of tenants on a server is covered, and also
tenants in different databases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection

from trially.config import current_settings
from trially.proving.attempts import Party
from trially.proving.sweeps.results import Sweep
from trially.proving.sweeps.sweeping import Place
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role, reader_role

CONNECT, MEMBER, GRANT = "connect with any role", "set any role", "privileges of any role"

_CONNECTING = """
SELECT rolname FROM pg_roles
WHERE rolname = ANY(%s) AND rolcanlogin AND NOT rolsuper
AND has_database_privilege(oid, current_database(), 'CONNECT')
"""

_MEMBERS = """
WITH RECURSIVE reach (member, role) AS (
    SELECT member, roleid FROM pg_auth_members
    UNION SELECT reach.member, roleid FROM reach
        JOIN pg_auth_members ON pg_auth_members.member = reach.role
)
SELECT own.rolname, other.rolname FROM reach
JOIN pg_roles AS own ON own.oid = reach.member
JOIN pg_roles AS other ON other.oid = reach.role
WHERE own.rolname = ANY(%s) AND other.rolname = ANY(%s) AND own.oid <> other.oid
"""

_GRANTS = """
WITH allowed (schema, role) AS (SELECT * FROM unnest(%s::name[], %s::name[])),
objects (schema, label, owner, acl) AS (
    SELECT nspname, nspname::text, nspowner, nspacl FROM pg_namespace
    WHERE nspname IN (SELECT schema FROM allowed)
    UNION ALL
    SELECT nspname, nspname || '.' || relname, relowner, relacl
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname IN (SELECT schema FROM allowed) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT nspname, nspname || '.' || relname || '.' || attname, relowner, attacl
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname IN (SELECT schema FROM allowed) AND attacl IS NOT NULL
)
SELECT DISTINCT schema, label, coalesce(grantee.rolname, 'PUBLIC'),
    (SELECT array_agg(rolname::text ORDER BY rolname) FROM pg_roles WHERE rolname = ANY(%s)
        AND CASE WHEN granted.grantee = 0 THEN true
            ELSE pg_has_role(oid, granted.grantee, 'MEMBER') END)
FROM objects CROSS JOIN LATERAL aclexplode(acl) AS granted
LEFT JOIN pg_roles AS grantee ON grantee.oid = granted.grantee
WHERE granted.grantee <> owner AND grantee.rolsuper IS NOT TRUE
AND (schema, coalesce(grantee.rolname, '')) NOT IN (SELECT schema, role FROM allowed)
"""
"""Selects privileges that are granted to others than the owner and the schema's own role."""


@dataclass(frozen=True)
class Roles:
    """The roles of the installation on one server."""

    of_tenants: Mapping[str, Party]
    """A tenant of each role: its login role and the role that its transactions set."""

    @property
    def all(self) -> list[str]:
        """The names, with the roles that belong to no tenant."""
        settings = current_settings()
        return [*self.of_tenants, reader_role(settings), owner_role(settings)]


def roles_of(parties: Sequence[Party]) -> Roles:
    """Return the roles of some tenants."""
    return Roles({role: party for party in parties for role in _own_roles(party)})


def look_at_rights(place: Place, victims: Sequence[Party], roles: Roles, sweep: Sweep) -> None:
    """Record every role that may reach a victim in a database, and is not the victim's."""
    try:
        with server_access(place.server).administer(place.database) as raw:
            _look_at_connect(raw, victims, roles, sweep)
            _look_at_members(raw, victims, roles, sweep)
            _look_at_grants(raw, victims, roles, sweep)
    except psycopg2.Error as error:
        sweep.doubt_all(f"the privileges could not be read ({type(error).__name__})")


def _look_at_connect(raw: connection, victims: Sequence[Party], roles: Roles, sweep: Sweep) -> None:
    allowed = {party.login_role for party in victims}
    connecting = {name for (name,) in execute(raw, _CONNECTING, roles.all)}
    for role in sorted(connecting - allowed):
        for victim in victims:
            what = f"{role} may connect to {victim.record.database}"
            remedy = f"REVOKE CONNECT ON DATABASE {victim.record.database} FROM {role}, PUBLIC;"
            sweep.breach(victim.slug, roles.of_tenants.get(role), CONNECT, what, remedy)
    sweep.hold(CONNECT, "CONNECT", len(roles.all) - len(connecting - allowed))


def _look_at_members(raw: connection, victims: Sequence[Party], roles: Roles, sweep: Sweep) -> None:
    """Look for roles that may become a victim's role or the owner of the tables."""
    targets: dict[str, Party] = {role: victim for victim in victims for role in _own_roles(victim)}
    owner = owner_role(current_settings())
    reached = 0
    for member, role in execute(raw, _MEMBERS, roles.all, [*targets, owner]):
        target = targets.get(role)
        if target is not None and member in _own_roles(target):
            continue
        reached += 1
        remedy = f"REVOKE {role} FROM {member};"
        for victim in [target] if target else victims:
            what = f"{member} may become {role}"
            sweep.breach(victim.slug, roles.of_tenants.get(member), MEMBER, what, remedy)
    sweep.hold(MEMBER, "no membership of the role", len(roles.all) - reached)


def _look_at_grants(raw: connection, victims: Sequence[Party], roles: Roles, sweep: Sweep) -> None:
    by_schema: dict[str, list[Party]] = {}
    for victim in victims:
        by_schema.setdefault(victim.record.schema, []).append(victim)
    own = [_acting_role(owners[0]) for owners in by_schema.values()]
    for schema, label, grantee, members in execute(raw, _GRANTS, list(by_schema), own, roles.all):
        if not members:
            continue
        what = f"{grantee} has a privilege on {label}"
        remedy = f"Revoke the privileges of {grantee} on {label}."
        for victim in by_schema[schema]:
            attacker = roles.of_tenants.get(members[0])
            sweep.breach(victim.slug, attacker, GRANT, what, remedy)
    sweep.hold(GRANT, "grants to its own role only", len(by_schema))


def _own_roles(party: Party) -> tuple[str, ...]:
    return tuple(filter(None, (party.login_role, party.placement.role)))


def _acting_role(party: Party) -> str:
    return party.placement.role or party.login_role
