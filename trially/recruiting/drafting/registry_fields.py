"""Proposals from the structured fields of a registry's study record: ages and sex."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.reading.elements import Json

_AGE = re.compile(r"(\d{1,5}) (Year|Month|Week|Day|Hour|Minute)s?", re.ASCII)
_UNITS = {"Year": "a", "Month": "mo", "Week": "wk", "Day": "d"}


@dataclass(frozen=True, slots=True)
class FieldProposal:
    """A criterion that a structured field proposes, or why it proposes none."""

    field: str
    """Name of the field, as ClinicalTrials.gov's API (v2) has it."""
    value: str
    kind: Kind
    criterion: Json | None
    reason: str | None
    """Why there is no criterion."""


def propose_from_fields(eligibility: Mapping[str, Any]) -> Iterator[FieldProposal]:
    """Yield the proposals of an `eligibilityModule`. A missing bound means that there is none.

    Both bounds of the age belong to the range: `65 Years` as maximum includes 65 completed years.
    """
    for field, bound in (("minimumAge", "gte"), ("maximumAge", "lte")):
        value = eligibility.get(field)
        if isinstance(value, str) and value.strip() and value.strip() != "N/A":
            yield _age(field, value.strip(), bound)
    sex = eligibility.get("sex")
    if sex in ("FEMALE", "MALE"):
        criterion: Json = {"sex": {"in": [sex.lower()]}}
        yield FieldProposal("sex", sex, Kind.SEX, criterion, None)


def _age(field: str, value: str, bound: str) -> FieldProposal:
    match = _AGE.fullmatch(value)
    unit = _UNITS.get(match[2]) if match else None
    if match is None or unit is None:
        reason = "The age is not in years, months, weeks or days."
        return FieldProposal(field, value, Kind.AGE, None, reason)
    if int(match[1]) > 60_000 or (unit == "a" and int(match[1]) > 120):
        return FieldProposal(field, value, Kind.AGE, None, "No patient has this age.")
    age: Json = {bound: int(match[1])}
    return FieldProposal(
        field, value, Kind.AGE, {"age": age if unit == "a" else {**age, "unit": unit}}, None
    )
