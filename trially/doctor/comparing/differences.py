"""Find what differs between the rows of a database and those of its reference."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trially.doctor.comparing.privileges import Privilege, read_privileges
from trially.doctor.comparing.snapshots import ACL, ObjectName, Row


@dataclass(frozen=True)
class Difference:
    """One object that differs from the reference, with placeholders for the placement's names."""

    object: ObjectName

    is_extra: bool = False
    is_missing: bool = False
    changed: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Each changed field with its value and the expected one."""

    granted: Collection[Privilege] = ()
    """Privileges that the reference does not grant."""

    revoked: Collection[Privilege] = ()
    """Privileges that only the reference grants."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    """The fields of an extra or missing object."""

    owner: str | None = None
    """The owner of an object whose privileges differ."""

    definition: str | None = None
    """The statement that creates the reference's object, if it is known."""


def find_differences(found: Iterable[Row], expected: Iterable[Row]) -> Iterator[Difference]:
    """Yield each object that differs, but not the parts of an object that is extra or missing."""
    found_rows, expected_rows = _by_object(found), _by_object(expected)
    extra = found_rows.keys() - expected_rows.keys()
    missing = expected_rows.keys() - found_rows.keys()
    for name in sorted(extra):
        if _has_grants_only(found_rows[name]):
            rows = found_rows[name]
            yield Difference(name, granted=sorted(_privileges(rows)), owner=_owner(rows))
        elif not _is_part_of(found_rows[name], extra):
            yield Difference(name, is_extra=True, fields=found_rows[name][0].fields)
    for name in sorted(missing):
        if _has_grants_only(expected_rows[name]):
            rows = expected_rows[name]
            yield Difference(name, revoked=sorted(_privileges(rows)), owner=_owner(rows))
        elif not _is_part_of(expected_rows[name], missing):
            definition = _definition(expected_rows[name])
            fields = expected_rows[name][0].fields
            yield Difference(name, is_missing=True, fields=fields, definition=definition)
    # Almost all objects are equal, and comparing whole rows is much faster than comparing fields.
    unequal = [
        name
        for name in sorted(found_rows.keys() & expected_rows.keys())
        if found_rows[name] != expected_rows[name]
    ]
    owners = {
        name
        for name in unequal
        if any(map(is_owner, _changed_fields(found_rows[name], expected_rows[name])))
    }
    for name in unequal:
        follows_parent = _is_part_of(found_rows[name], owners)
        difference = _compare(
            name, found_rows[name], expected_rows[name], ignores_owner=follows_parent
        )
        if difference is not None:
            yield difference


def _by_object(rows: Iterable[Row]) -> dict[ObjectName, list[Row]]:
    by_object: dict[ObjectName, list[Row]] = defaultdict(list)
    for row in rows:
        by_object[row.object].append(row)
    return by_object


def _is_part_of(rows: Sequence[Row], objects: Collection[ObjectName]) -> bool:
    """Return True if the rows' object is dropped together with one of `objects`."""
    return any(row.parent in objects and row.parent != row.object for row in rows)


def _has_grants_only(rows: Sequence[Row]) -> bool:
    """Return True if the rows are grants on an object that is not compared itself."""
    return all(row.catalog == ACL for row in rows)


def _definition(rows: Sequence[Row]) -> str | None:
    return next((row.definition for row in rows if row.definition), None)


def _compare(
    name: ObjectName, found: Sequence[Row], expected: Sequence[Row], *, ignores_owner: bool
) -> Difference | None:
    changed = {
        label: values
        for label, values in _changed_fields(found, expected).items()
        if not (ignores_owner and is_owner(label))
    }
    privileges, expected_privileges = _privileges(found), _privileges(expected)
    granted, revoked = privileges - expected_privileges, expected_privileges - privileges
    if not (changed or granted or revoked):
        return None
    return Difference(
        name,
        changed=changed,
        granted=sorted(granted),
        revoked=sorted(revoked),
        owner=_owner(expected),
        definition=_definition(expected),
    )


def _changed_fields(found: Sequence[Row], expected: Sequence[Row]) -> dict[str, tuple[Any, Any]]:
    """Return the fields that differ, by name; of several rows of one catalog, all rows."""
    changed: dict[str, tuple[Any, Any]] = {}
    for catalog in sorted({row.catalog for row in (*found, *expected)} - {ACL}):
        here = [row.fields for row in found if row.catalog == catalog]
        there = [row.fields for row in expected if row.catalog == catalog]
        if len(here) == len(there) == 1:
            [one], [other] = here, there
            for label in {**one, **other}:
                if one.get(label) != other.get(label):
                    changed[label] = (one.get(label), other.get(label))
        elif _texts(here) != _texts(there):
            changed[catalog] = (_texts(here), _texts(there))
    return changed


def _texts(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def _owner(rows: Iterable[Row]) -> str | None:
    return next((row.fields["owner"] for row in rows if row.catalog == ACL), None)


def _privileges(rows: Iterable[Row]) -> frozenset[Privilege]:
    return read_privileges(row.fields for row in rows if row.catalog == ACL)


def is_owner(label: str) -> bool:
    """Return whether a field holds the owner of an object."""
    return label.endswith("owner") or label == "datdba"
