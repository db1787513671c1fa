"""Numbers of patients as the caller may see them.

Members of the PHI level `none` see no small numbers: a number below 10 is null, and others are
rounded to tens, so that differences of two numbers disclose no single patient either.
"""

from collections.abc import Mapping
from typing import Any

from trially.auth.identity import current_identity
from trially.auth.roles import PhiLevel
from trially.resources.scope import own_sites

SMALLEST = 10
"""Smaller numbers are hidden from members of the PHI level `none`."""


def shown_numbers(numbers: dict[str, Any]) -> dict[str, Any]:
    """Return numbers of patients as the caller may see them."""
    if current_identity().phi_level != PhiLevel.NONE:
        return numbers
    return {name: _coarse(value) for name, value in numbers.items()}


def shown_to_all_sites(numbers: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return numbers of all patients, None for a caller who does not see all sites."""
    return None if numbers is None or own_sites() is not None else shown_numbers(numbers)


def _coarse(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: each if name == "position" else _coarse(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_coarse(each) for each in value]
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    return None if value < SMALLEST else round(value, -1)
