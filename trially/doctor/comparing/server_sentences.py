"""Describe differences of roles, memberships and settings."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trially.doctor.comparing.sentence import Sentence
from trially.doctor.comparing.snapshots import ObjectName

_ATTRIBUTES = {
    "rolsuper": "SUPERUSER",
    "rolinherit": "INHERIT",
    "rolcreaterole": "CREATEROLE",
    "rolcreatedb": "CREATEDB",
    "rolcanlogin": "LOGIN",
    "rolreplication": "REPLICATION",
    "rolbypassrls": "BYPASSRLS",
}

LIMITS = frozenset(
    {"statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout", "work_mem"}
)
"""Settings that limit resources; `rolconnlimit` does as well."""


def describe_membership(identity: str) -> Sentence:
    """Return the sentence for a membership, written `member in role`."""
    member, _, role = identity.partition(" in ")
    return Sentence(f"{member} is a member of {role}", f"REVOKE {role} FROM {member};")


def describe_settings(
    scope: str, found: list[str] | None, expected: list[str] | None
) -> Iterator[Sentence]:
    """Yield a sentence for each setting of ALTER ROLE or ALTER DATABASE that differs."""
    here, there = _by_name(found), _by_name(expected)
    for name in sorted(here.keys() | there.keys()):
        if here.get(name) == there.get(name):
            continue
        is_limit = name in LIMITS
        if name not in there:
            what = f"ALTER {scope} sets {name} = {here[name]}"
            yield Sentence(what, f"ALTER {scope} RESET {name};", is_limit)
        else:
            state = f"is {here[name]}" if name in here else "is not set"
            what = f"{name} of ALTER {scope} {state}, not {there[name]}"
            yield Sentence(what, f"ALTER {scope} SET {name} = {there[name]};", is_limit)


def _by_name(settings: list[str] | None) -> Mapping[str, str]:
    pairs = (setting.partition("=") for setting in settings or ())
    return {name: value for name, _, value in pairs}


def _attribute(label: str) -> Callable[[ObjectName, Any, Any], Sentence]:
    attribute = _ATTRIBUTES[label]

    def describe(name: ObjectName, found: Any, _expected: Any) -> Sentence:
        role = name.identity
        if found:
            return Sentence(f"{role} has {attribute}", f"ALTER ROLE {role} NO{attribute};")
        return Sentence(f"{role} lacks {attribute}", f"ALTER ROLE {role} {attribute};")

    return describe


def _connection_limit(name: ObjectName, found: Any, expected: Any) -> Sentence:
    limit = "no connection limit" if found < 0 else f"the connection limit {found}"
    remedy = f"ALTER {name.kind.upper()} {name.identity} CONNECTION LIMIT {expected};"
    # A limit of 0 refuses every connection.
    return Sentence(f"{name.identity} has {limit}, not {expected}", remedy, is_limit=found != 0)


def _valid_until(name: ObjectName, found: Any, _expected: Any) -> Sentence:
    what = f"the password of {name.identity} expires on {found}"
    return Sentence(what, f"ALTER ROLE {name.identity} VALID UNTIL 'infinity';")


def _password(name: ObjectName, found: Any, expected: Any) -> Sentence:
    what = f"the password of {name.identity} is stored as {found}, not as {expected}"
    return Sentence(what, "Set the password again: see docs/operations.md.")


FIELDS: Mapping[str, Callable[[ObjectName, Any, Any], Sentence]] = {
    **{label: _attribute(label) for label in _ATTRIBUTES},
    "rolconnlimit": _connection_limit,
    "datconnlimit": _connection_limit,
    "rolvaliduntil": _valid_until,
    "rolpassword": _password,
}
"""Fields of roles and databases with a sentence of their own."""
