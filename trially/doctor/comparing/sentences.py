"""Describe differences in sentences, each with the statement or command that mends it."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from trially.doctor.comparing.differences import Difference, is_owner
from trially.doctor.comparing.privileges import OWNER
from trially.doctor.comparing.sentence import Sentence
from trially.doctor.comparing.server_sentences import (
    FIELDS,
    describe_membership,
    describe_settings,
)
from trially.doctor.comparing.snapshots import ObjectName

LONGEST_VALUE = 120
"""Longer values are not printed."""

_KEYWORDS = {
    "composite type": "TYPE",
    "foreign-data wrapper": "FOREIGN DATA WRAPPER",
    "function of access method": "",
    "operator of access method": "",
    "policy": "POLICY",
    "statistics object": "STATISTICS",
}
"""The words of DROP and ALTER for a kind of object, if they are not the kind in capitals."""

_WITH_CONTENTS = frozenset({"database", "foreign table", "materialized view", "schema", "table"})
"""Objects that hold rows, so that dropping them may lose data."""

_GRANT_KEYWORDS = {
    "aggregate": "FUNCTION",
    "foreign table": "TABLE",
    "foreign-data wrapper": "FOREIGN DATA WRAPPER",
    "materialized view": "TABLE",
    "server": "FOREIGN SERVER",
    "view": "TABLE",
}

_BY_COMMAND = "Run `flask db upgrade`, which writes it again. If it stays, restore its tenant."


def describe(difference: Difference) -> Iterator[Sentence]:
    """Yield the sentences of a difference."""
    name = difference.object
    if name.kind == "settings":
        yield from describe_settings(name.identity, *_values(difference, "setconfig"))
    elif difference.is_extra and name.kind == "membership":
        yield describe_membership(name.identity)
    elif difference.is_extra:
        yield Sentence(f"unexpected {_text(name)}", _drop(name))
    elif difference.is_missing:
        remedy = difference.definition or _BY_COMMAND
        yield Sentence(f"missing {_text(name)}", remedy)
    else:
        yield from _describe_changes(difference)
        yield from _describe_privileges(difference)


def _values(difference: Difference, label: str) -> tuple[Any, Any]:
    """Return a field's value and the expected one; None where the object does not exist."""
    if label in difference.changed:
        return difference.changed[label]
    fields = difference.fields.get(label)
    return (fields, None) if difference.is_extra else (None, fields)


def _describe_changes(difference: Difference) -> Iterator[Sentence]:
    name, changed = difference.object, dict(difference.changed)
    for label in list(changed):
        special = _SPECIAL.get(label)
        if special is not None or is_owner(label):
            found, expected = changed.pop(label)
            yield special(name, found, expected) if special else _owner(name, found, expected)
    if changed:
        values = ", ".join(_describe_value(label, *pair) for label, pair in changed.items())
        yield Sentence(f"{_text(name)} differs: {values}", _replace(difference))


def _describe_value(label: str, found: Any, expected: Any) -> str:
    texts = [json.dumps(value, ensure_ascii=False) for value in (found, expected)]
    if max(map(len, texts)) > LONGEST_VALUE:
        return label
    return f"{label} is {texts[0]}, not {texts[1]}"


def _describe_privileges(difference: Difference) -> Iterator[Sentence]:
    name = difference.object
    for verb, privileges in (("has", difference.granted), ("lacks", difference.revoked)):
        by_grantee: dict[tuple[str, bool, str], list[str]] = defaultdict(list)
        for privilege in privileges:
            key = (privilege.grantee, privilege.is_grantable, privilege.grantor)
            by_grantee[key].append(privilege.name)
        for (grantee, is_grantable, grantor), names in by_grantee.items():
            option = " WITH GRANT OPTION" if is_grantable else ""
            by = "" if grantor == OWNER else f", granted by {grantor}"
            what = f"{grantee} {verb} {', '.join(names)}{option} on {_text(name)}{by}"
            role = difference.owner if grantee == OWNER else grantee
            if verb == "lacks":
                yield Sentence(what, f"GRANT {_on(name, names)} TO {role}{option};")
            else:
                yield Sentence(what, f"REVOKE {_on(name, names)} FROM {role};")


def _on(name: ObjectName, privileges: list[str]) -> str:
    kind, identity = name
    if kind.endswith(" column"):
        table, _, column = identity.rpartition(".")
        return f"{', '.join(f'{each} ({column})' for each in privileges)} ON {table}"
    keyword = _GRANT_KEYWORDS.get(kind, kind.upper())
    return f"{', '.join(privileges)} ON {keyword} {identity}"


def _owner(name: ObjectName, found: Any, expected: Any) -> Sentence:
    what = f"{_text(name)} belongs to {found}, not to {expected}"
    return Sentence(what, f"ALTER {_keyword(name)} {name.identity} OWNER TO {expected};")


def _row_security(name: ObjectName, found: Any, _expected: Any) -> Sentence:
    state, verb = ("enabled", "DISABLE") if found else ("not enabled", "ENABLE")
    what = f"row-level security of {_text(name)} is {state}"
    return Sentence(what, f"ALTER TABLE {name.identity} {verb} ROW LEVEL SECURITY;")


def _forced_row_security(name: ObjectName, found: Any, _expected: Any) -> Sentence:
    state, verb = ("forced", "NO FORCE") if found else ("not forced", "FORCE")
    what = f"row-level security of {_text(name)} is {state}"
    return Sentence(what, f"ALTER TABLE {name.identity} {verb} ROW LEVEL SECURITY;")


def _trigger_state(name: ObjectName, found: Any, _expected: Any) -> Sentence:
    states = {"O": "enabled", "D": "disabled", "R": "enabled on replicas only", "A": "always on"}
    trigger, _, table = name.identity.rpartition(" on ")
    which = "ALL" if " of " in trigger else trigger
    what = f"{_text(name)} is {states.get(found, found)}"
    return Sentence(what, f"ALTER TABLE {table} ENABLE TRIGGER {which};")


def _persistence(name: ObjectName, found: Any, _expected: Any) -> Sentence:
    state = {"u": "unlogged: a crash empties it", "t": "temporary"}.get(found, "logged")
    return Sentence(f"{_text(name)} is {state}", f"ALTER TABLE {name.identity} SET LOGGED;")


def _validated(name: ObjectName, found: Any, _expected: Any) -> Sentence:
    constraint, _, table = name.identity.rpartition(" on ")
    what = f"{_text(name)} is {'validated' if found else 'not validated: old rows may violate it'}"
    return Sentence(what, f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint};")


_SPECIAL = {
    **FIELDS,
    "relrowsecurity": _row_security,
    "relforcerowsecurity": _forced_row_security,
    "tgenabled": _trigger_state,
    "relpersistence": _persistence,
    "convalidated": _validated,
}
"""Fields with a sentence of their own."""


def _text(name: ObjectName) -> str:
    return f"{name.kind} {name.identity}"


def _keyword(name: ObjectName) -> str:
    return _KEYWORDS.get(name.kind, name.kind.upper())


def _drop(name: ObjectName) -> str:
    kind, identity = name
    part, _, whole = identity.rpartition(" on ")
    if kind in ("table constraint", "domain constraint"):
        return f"ALTER {kind.split()[0].upper()} {whole} DROP CONSTRAINT {part};"
    if kind.endswith(" column"):
        table, _, column = identity.rpartition(".")
        return f"ALTER TABLE {table} DROP COLUMN {column}; -- after checking its contents"
    if kind == "default value":
        table, _, column = identity.removeprefix("for ").rpartition(".")
        return f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT;"
    if kind == "default acl":
        return f"ALTER DEFAULT PRIVILEGES {identity.upper().partition(' ON ')[0]} REVOKE …;"
    if kind == "large object":
        return f"SELECT lo_unlink({identity}); -- after checking its contents"
    keyword = _keyword(name)
    advice = " -- after checking its contents" if kind in _WITH_CONTENTS else ""
    return f"DROP {keyword} {identity};{advice}" if keyword else f"Drop {kind} {identity}."


def _replace(difference: Difference) -> str:
    definition = difference.definition
    if definition is None:
        return _BY_COMMAND
    if definition.startswith("CREATE OR REPLACE"):
        return definition
    return f"{_drop(difference.object)} {definition}"
