"""Filters of lists as conditions of SQL: RFC 7644, section 3.4.2.2.

Only what identity providers ask is understood: comparisons for equality, and their combinations.
"""

from collections.abc import Callable, Mapping
from typing import Any

from scim2_models import InvalidFilterException, ScimFilter
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    ValuePath,
)
from sqlalchemy import ColumnElement, and_, or_

from trially.http.problems import Problem
from trially.scim.problems import refused

MOST_LEVELS = 5
MOST_COMPARISONS = 20

Compare = Callable[[Any], ColumnElement[bool]]
"""Returns the condition that an attribute has a value."""


def condition_of(text: str, attributes: Mapping[str, Compare]) -> ColumnElement[bool]:
    """Return the condition of a filter. `attributes` are the comparable ones, in lower case.

    Answers 400 with `invalidFilter` for another attribute, operator or combination.
    """
    if text.count("(") + text.count("[") > MOST_COMPARISONS:
        raise _invalid(f"A filter may have at most {MOST_COMPARISONS} parentheses and brackets.")
    try:
        parsed = ScimFilter[Any](text).ast
    except InvalidFilterException as error:
        raise _invalid(f"The filter cannot be read: {error}.") from None
    return _Translation(attributes).translate(parsed, 0)


class _Translation:
    """Translates one filter, and counts its comparisons."""

    def __init__(self, attributes: Mapping[str, Compare]) -> None:
        self._attributes = attributes
        self._comparisons = 0

    def translate(self, node: FilterNode, level: int, prefix: str = "") -> ColumnElement[bool]:
        """Return the condition of a part of the filter."""
        if level > MOST_LEVELS:
            raise _invalid(f"A filter may be nested in at most {MOST_LEVELS} levels.")
        if isinstance(node, LogicalExpr):
            conditions = [self.translate(each, level + 1, prefix) for each in node.terms]
            return or_(*conditions) if node.op is LogicalOperator.or_ else and_(*conditions)
        if isinstance(node, ValuePath) and isinstance(node.val_filter, Comparison):
            return self.translate(node.val_filter, level + 1, f"{_name_of(node.attr_path)}.")
        if not isinstance(node, Comparison) or node.op is not CompareOperator.eq:
            raise _invalid("Filters compare with eq, and are combined with and, and or.")
        self._comparisons += 1
        if self._comparisons > MOST_COMPARISONS:
            raise _invalid(f"A filter may have at most {MOST_COMPARISONS} comparisons.")
        compare = self._attributes.get(prefix + _name_of(node.attr_path))
        if compare is None:
            known = ", ".join(sorted(self._attributes))
            raise _invalid(f"Filters compare these attributes: {known}.")
        return compare(node.value)


def _name_of(path: AttrPath) -> str:
    """Return an attribute's name in lower case: SCIM ignores case, and schemas may precede it."""
    name = path.attr if path.sub_attr is None else f"{path.attr}.{path.sub_attr}"
    return name.lower()


def _invalid(detail: str) -> Problem:
    return refused("invalidFilter", detail)
