"""Check the expressions of criteria, and hand criteria to those who evaluate them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import case, select

from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.recruiting.criteria.language.criteria import (
    MOST_CRITERIA,
    SCHEMA_VERSION,
    Criteria,
    Side,
    dump_expression,
    parse_criteria,
    parse_expression,
)
from trially.recruiting.criteria.language.nodes import MOST_NODES
from trially.recruiting.criteria.language.parts import Source
from trially.recruiting.criteria.language.problems import CriteriaError
from trially.recruiting.protocols.versions.model import Criterion

Finding = dict[str, str]
"""A `pointer` and a `detail`."""


def canonical(expression: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return an expression as the language writes it: equal ones are written equally.

    Raises `CriteriaError`.
    """
    return dump_expression(parse_expression(expression, Side(kind)))


def errors_of(criteria: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield what is wrong with the expressions of a list of criteria."""
    for position, criterion in enumerate(criteria):
        if criterion["expression"] is None:
            continue
        try:
            canonical(criterion["expression"], criterion["kind"])
        except CriteriaError as error:
            for pointer, detail in error.problems:
                where = f"/criteria/{position}/expression{pointer}"
                yield {"pointer": where, "detail": detail}


def excess_of(criteria: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield which limits of the language the list as a whole exceeds."""
    if len(criteria) > MOST_CRITERIA:
        detail = f"There are {len(criteria)} criteria. At most {MOST_CRITERIA} can be evaluated."
        yield {"pointer": "/criteria", "detail": detail}
    trees = [
        parse_expression(each["expression"], Side(each["kind"]))
        for each in criteria
        if each["expression"] is not None
    ]
    nodes = sum(1 for tree in trees for _ in tree.walk())
    if nodes > MOST_NODES:
        detail = f"There are {nodes} nodes. At most {MOST_NODES} can be evaluated."
        yield {"pointer": "/criteria", "detail": detail}


def criteria_of(version_ids: Sequence[UUID]) -> dict[UUID, Criteria]:
    """Return the criteria of versions as the language has them. Their ids are their `key`s.

    A criterion without an expression is one that a person decides, and has its statement as source.
    Raises `CriteriaError` if a version exceeds the language: no version that was activated does.
    """
    if not version_ids:
        return {}
    columns = table_of(Criterion).c
    rows = fetch_items(
        select(
            *(
                columns.protocol_version_id,
                columns.key,
                columns.kind,
                columns.expression,
                columns.is_hard,
                columns.weight,
            ),
            case((columns.expression.is_(None), columns.statement)).label("statement"),
        )
        .where(of_current_tenant(Criterion), columns.protocol_version_id.in_(version_ids))
        .order_by(columns.position)
    )
    by_version: dict[UUID, list[Item]] = {each: [] for each in version_ids}
    for row in rows:
        by_version[row["protocol_version_id"]].append(row)
    return {each: _parse(found) for each, found in by_version.items()}


def _parse(rows: Sequence[Item]) -> Criteria:
    parsed = parse_criteria({"schema": SCHEMA_VERSION, "criteria": [_written(row) for row in rows]})
    criteria = (
        each if row["statement"] is None else replace(each, source=Source(text=row["statement"]))
        for each, row in zip(parsed.criteria, rows, strict=True)
    )
    return replace(parsed, criteria=tuple(criteria))


def _written(row: Item) -> dict[str, Any]:
    written = {
        "id": str(row["key"]),
        "kind": row["kind"],
        "hard": row["is_hard"],
        "weight": row["weight"],
    }
    return written if row["expression"] is None else {**written, "expression": row["expression"]}
