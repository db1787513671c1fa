"""Create value sets, change them, and expand them again when what they depend on has changed."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import (
    Item,
    fetch_items,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.session import db
from trially.recruiting.criteria.language.problems import CriteriaError, Problem
from trially.recruiting.sources.locking import lock_until_commit
from trially.recruiting.valuesets.composing import (
    Composition,
    dump_composition,
    parse_composition,
)
from trially.recruiting.valuesets.expanding import (
    Expander,
    ExpansionTooLargeError,
    Outcome,
    UnknownValueSetError,
)
from trially.recruiting.valuesets.library import value_set_library
from trially.recruiting.valuesets.model import ValueSet, ValueSetExpansion, ValueSetVersion
from trially.recruiting.valuesets.starter_sets import starter_sets

_EXPANDED = ("digest", "gaps", "terminologies")


def lock_value_sets() -> None:
    """Let one transaction at a time change value sets of the tenant, until this one ends.

    Else two changes that include each other's sets could make a circle.
    """
    lock_until_commit(f"value sets {current_placement().tenant_id}")


def read_composition(body: Any, key: str | None) -> Composition:
    """Return the composition of a body, for the value set with a key.

    Raises `CriteriaError` if it is not valid, if it names unknown value sets, or if it would
    include itself.
    """
    composition = parse_composition(body, "/compose")
    stored = {row["key"]: parse_composition(row["compose"]) for row in _all_value_sets()}
    problems = [
        Problem(f"/compose{pointer}", detail)
        for pointer, name in composition.names()
        if (detail := _problem_of(name, key, stored))
    ]
    if problems:
        raise CriteriaError(problems)
    return composition


def expand_composition(composition: Composition, library: Expander) -> Outcome:
    """Expand a composition. Raises `CriteriaError` if it comes down to too many codes."""
    try:
        return library.compose(composition)
    except (ExpansionTooLargeError, UnknownValueSetError) as error:
        raise CriteriaError([Problem("/compose", str(error))]) from error


def expanded_values(outcome: Outcome) -> dict[str, Any]:
    """Return the columns of a value set that follow from its expansion."""
    return {
        "digest": outcome.digest,
        "code_count": len(outcome.expansion.codes),
        "range_count": len(outcome.expansion.ranges),
        "gaps": list(outcome.gaps),
        "terminologies": dict(outcome.terminologies),
        "expanded_at": dt.datetime.now(dt.UTC),
    }


def store_version(value_set_id: UUID, number: int, composition: Composition) -> None:
    """Store a version."""
    _insert(
        ValueSetVersion,
        value_set_id=value_set_id,
        number=number,
        compose=dump_composition(composition),
    )


def store_expansion(value_set_id: UUID, number: int, outcome: Outcome) -> None:
    """Store the expansion of a version."""
    _insert(
        ValueSetExpansion,
        value_set_id=value_set_id,
        number=number,
        digest=outcome.digest,
        content=outcome.expansion.as_json(),
        terminologies=dict(outcome.terminologies),
    )


def expand_again(changed: str | None = None) -> list[str]:
    """Expand the tenant's value sets again, and return the keys of those that came out different.

    With `changed`, only those are expanded that include the set with this key, directly or through
    others. A set is expanded after those that it includes. A set that has become too large keeps
    its expansion, and its gaps say so.
    """
    lock_value_sets()
    rows = {row["key"]: row for row in _all_value_sets()}
    parts = {key: parse_composition(row["compose"]) for key, row in rows.items()}
    order = list(_in_order(parts))
    affected = set(rows) if changed is None else _above(changed, parts)
    different = []
    with value_set_library() as library:
        for key in order:
            if key in affected and _expand_row(rows[key], parts[key], library):
                different.append(key)
                library.forget(key)
    return different


def _expand_row(row: Item, composition: Composition, library: Expander) -> bool:
    """Expand the newest version of a set, and return whether its codes have changed."""
    try:
        outcome = library.compose(composition)
    except ExpansionTooLargeError as error:
        gaps = [f"It could not be expanded again. {error}"]
        if gaps != row["gaps"]:
            update_item(ValueSet, row["id"], {"gaps": gaps}, ("id",))
        return False
    values = expanded_values(outcome)
    if all(values[name] == row[name] for name in _EXPANDED):
        return False
    update_item(ValueSet, row["id"], values, ("id",))
    store_expansion(row["id"], row["number"], outcome)
    return bool(outcome.digest != row["digest"])


def _all_value_sets() -> list[Item]:
    columns = table_of(ValueSet).c
    names = ("id", "key", "compose", "number", *_EXPANDED)
    return fetch_items(
        select(*(columns[name] for name in names))
        .where(of_current_tenant(ValueSet))
        .order_by(columns.id)
    )


def _problem_of(name: str, key: str | None, stored: Mapping[str, Composition]) -> str | None:
    """Return what is wrong with a value set that includes another by its name."""
    if name == key:
        return "A value set cannot include itself."
    if name not in stored:
        return None if name in starter_sets() else f"There is no value set '{name}'."
    if key is not None and name in _above(key, stored):
        return f"'{name}' includes '{key}', so '{key}' cannot include it."
    return None


def _above(key: str, parts: Mapping[str, Composition]) -> set[str]:
    """Return the keys of the sets that include a set, directly or through others."""
    found: set[str] = set()
    reached = {key}
    while reached:
        reached = {
            other
            for other, composition in parts.items()
            if other not in found and reached & {name for _, name in composition.names()}
        }
        found |= reached
    return found


def _in_order(parts: Mapping[str, Composition]) -> Iterator[str]:
    """Yield the keys so that each comes after those of the sets that it includes."""
    done: set[str] = set()
    for key in parts:
        yield from _before(key, parts, done)


def _before(key: str, parts: Mapping[str, Composition], done: set[str]) -> Sequence[str]:
    if key in done or key not in parts:
        return []
    done.add(key)
    included = [name for _, name in parts[key].names()]
    return [*(each for name in included for each in _before(name, parts, done)), key]


def _insert(model: type[ValueSetVersion | ValueSetExpansion], **values: Any) -> None:
    db.session.execute(
        insert(table_of(model)).values(
            id=uuid7(), tenant_id=current_placement().tenant_id, **values
        )
    )
