"""Write numbers of patients as a MeasureReport."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from trially.exports.fhir.elements import Json, Row
from trially.fhir.definitions import COUNTS, urn_of

_MASKED = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "masked",
        }
    ]
}
"""Stands for a number that the caller may not see, because it is small."""

_VERDICTS = ("eligible", "potential", "ineligible")
_STEPS = ("passes", "fails", "undecided")


def write_report(
    study_id: UUID, version_id: UUID, numbers: Mapping[str, Any], criteria: Sequence[Row]
) -> Json:
    """Return the MeasureReport of a study: patients by verdict, and by criterion.

    `numbers` are those of `count_patients`. A number that is hidden from the caller is absent.
    """
    as_of: dt.date = numbers["as_of"]
    statements = {str(each["key"]): each["statement"] for each in criteria}
    counts = {name: numbers["counts"][name] for name in _VERDICTS}
    return {
        "resourceType": "MeasureReport",
        "id": str(study_id),
        "status": "complete",
        "type": "summary",
        "measure": urn_of(version_id),
        "date": as_of.isoformat(),
        "period": {"start": as_of.isoformat(), "end": as_of.isoformat()},
        "group": [
            _group("study", "All criteria", {"patients": numbers["patients"], **counts}),
            *(
                _group(
                    each["key"],
                    f"{each['kind']}: {statements.get(each['key']) or each['key']}",
                    {name: each[name] for name in _STEPS},
                )
                for each in numbers["criteria"]
            ),
        ],
    }


def _group(key: str, text: str, counts: Mapping[str, int | None]) -> Json:
    return {
        "id": key,
        "code": {"text": text},
        "population": [_population(name, count) for name, count in counts.items()],
    }


def _population(name: str, count: int | None) -> Json:
    code = {"coding": [{"system": COUNTS, "code": name}]}
    return {"code": code, "_count": _MASKED} if count is None else {"code": code, "count": count}
