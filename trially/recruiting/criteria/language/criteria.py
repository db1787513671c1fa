"""The criteria of a study: a list of inclusions and exclusions, each with its expression."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trially.recruiting.criteria.language.nodes import (
    MOST_DEPTH,
    MOST_NODES,
    NODE,
    Count,
    Node,
    Not,
    When,
)
from trially.recruiting.criteria.language.objects import Object, Part, key
from trially.recruiting.criteria.language.parts import Source
from trially.recruiting.criteria.language.problems import CriteriaError, Problem, refuse
from trially.recruiting.criteria.language.shapes import Choice, Flag, Json, Many, Text, Whole

SCHEMA_VERSION = 1
MOST_CRITERIA = 63
"""Criteria of a study: their results fit the bits of one PostgreSQL bigint."""
MOST_VALUES = 50_000
_DEEPEST_JSON = 64
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Side(StrEnum):
    """Whether a criterion must be met, or must not be."""

    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"


@dataclass(frozen=True, kw_only=True)
class Criterion(Part):
    """One inclusion or exclusion of a study."""

    id: str = key(Text(64), "Name of the criterion, unique in the study. It never changes.")
    kind: Side = key(Choice(Side), "Whether patients must meet it, or must not.")
    expression: Node | None = key(NODE, "What it asks. Left out: a person decides.", None)
    label: str | None = key(Text(500), "A short name for people.", None)
    source: Source | None = key(Object(Source), "The statement of the protocol.", None)
    hard: bool = key(Flag(), "Whether failing it makes a patient ineligible.", default=True)
    weight: int = key(Whole(1, 100), "Its share of the score.", 1)

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse ids that are no names, and trees that are too large or hard to read."""
        if not _ID.fullmatch(self.id):
            yield "/id", "An id has letters, digits, '.', '_' and '-', and begins with one of both."
        if self.expression is not None:
            yield from check_tree(self.expression, self.kind, "/expression")


CRITERION = Object(Criterion)


@dataclass(frozen=True, kw_only=True)
class Criteria(Part):
    """The criteria of one version of a study's protocol."""

    schema: int = key(Whole(SCHEMA_VERSION, SCHEMA_VERSION), "Version of the language.")
    criteria: tuple[Criterion, ...] = key(
        Many(CRITERION, least=0, most=MOST_CRITERIA), "Inclusions and exclusions, in their order."
    )

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse ids that occur twice, and too many nodes."""
        seen: dict[str, int] = {}
        for number, criterion in enumerate(self.criteria):
            if criterion.id in seen:
                detail = f"The criterion {seen[criterion.id]} has the id '{criterion.id}' too."
                yield f"/criteria/{number}/id", detail
            seen.setdefault(criterion.id, number)
        trees = [each.expression for each in self.criteria if each.expression is not None]
        nodes = sum(1 for tree in trees for _ in tree.walk())
        if nodes > MOST_NODES:
            yield "/criteria", f"There are {nodes} nodes, and at most {MOST_NODES} are allowed."


CRITERIA = Object(Criteria)


def check_tree(tree: Node, side: Side, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a tree as a whole.

    `when` and `then` are refused where a patient to whom they do not apply would be excluded by it:
    below `not` and `count`, and inside of exclusions except as the outermost node.
    """
    nodes = 0
    for place, depth, node in tree.walk(pointer):
        nodes += 1
        if depth == MOST_DEPTH + 1:
            yield place, f"Criteria are nested more than {MOST_DEPTH} deep."
        if isinstance(node.what, When) and depth > 1 and side == Side.EXCLUSION:
            detail = "'when' must be the outermost node of an exclusion. Inside, use 'all'."
            yield place, detail
        if isinstance(node.what, Not | Count):
            for inner, _, below in node.walk(place):
                if isinstance(below.what, When):
                    yield inner, f"'when' may not be below '{node.kind}'. Use 'all' or 'any'."
    if nodes > MOST_NODES:
        yield pointer, f"There are {nodes} nodes, and at most {MOST_NODES} are allowed."


def parse_criteria(value: Json) -> Criteria:
    """Return the criteria of a study from JSON values. Raises `CriteriaError` with all problems."""
    _refuse_large(value)
    return CRITERIA.parse(value, "")


def parse_expression(value: Json, side: Side = Side.INCLUSION) -> Node:
    """Return the tree of one criterion. Its root may name the version: `"schema": 1`."""
    _refuse_large(value)
    if isinstance(value, dict) and "schema" in value:
        if value["schema"] != SCHEMA_VERSION or isinstance(value["schema"], bool):
            raise refuse("/schema", f"The version of the language must be {SCHEMA_VERSION}.")
        value = {name: member for name, member in value.items() if name != "schema"}
    tree = NODE.parse(value, "")
    problems = [Problem(*found) for found in check_tree(tree, side)]
    if problems:
        raise CriteriaError(problems)
    return tree


def dump_criteria(criteria: Criteria) -> dict[str, Json]:
    """Return criteria as JSON values: canonical, so equal criteria are equal documents."""
    written: dict[str, Json] = CRITERIA.dump(criteria)
    return written


def dump_expression(tree: Node) -> dict[str, Json]:
    """Return a tree as JSON values."""
    written: dict[str, Json] = NODE.dump(tree)
    return written


def _refuse_large(value: Json) -> None:
    """Refuse documents that would take long to read, before they are."""
    values: list[tuple[Any, int]] = [(value, 0)]
    count = 0
    while values:
        each, depth = values.pop()
        count += 1
        if depth > _DEEPEST_JSON:
            raise refuse("", f"The document is nested more than {_DEEPEST_JSON} deep.")
        if count > MOST_VALUES:
            raise refuse("", f"The document has more than {MOST_VALUES} values.")
        if isinstance(each, dict | list):
            inner = each.values() if isinstance(each, dict) else each
            values += [(item, depth + 1) for item in inner]
