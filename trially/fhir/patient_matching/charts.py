"""Make the chart of a patient of another system from resources. Nothing is stored."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from trially.fhir.patient_matching.lifetimes import problem_of
from trially.fhir.patient_matching.received import Received
from trially.http.problems import validation_failed
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.facts import Fact, Person
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import (
    FactRow,
    IgnoredResource,
    MedicationRow,
    PatientRow,
    ResourceError,
    Translated,
)
from trially.recruiting.imports.fhir.translating import translate
from trially.recruiting.matching.charts import place_of

_TIMES = ("start_at", "end_at", "recorded_at")
_NUMBERS = ("value_number", "reference_low", "reference_high")
_OF_MEDICATION = ("code_system", "code", "other_codings")
_READ = tuple(
    name for name in Fact._fields if name not in {"id", "source", "created_at", "withdrawn_at"}
)


@dataclass(frozen=True)
class ReceivedChart:
    """A chart, and how many of the resources are not in it."""

    chart: Chart
    unreadable: int
    """Resources that could not be read, as a whole or in part, or that refer to an absent one."""
    ignored: int
    """Resources of types that no criterion reads."""
    foreign: int
    """Records about other patients."""


class _Rows:
    """The rows that resources are translated to, by what they are about."""

    def __init__(self) -> None:
        self.patients: list[PatientRow] = []
        self.medications: dict[str, MedicationRow] = {}
        self.facts: list[FactRow] = []
        self.unreadable = 0
        self.ignored = 0

    def add(self, resource: dict[str, Any], reading: Reading) -> None:
        """Translate a resource, and add its rows."""
        try:
            translated = translate(resource, reading)
        except ResourceError:
            self.unreadable += 1
            return
        self.unreadable += bool(reading.faults)
        self._sort_in(translated, str(resource["resourceType"]))

    def _sort_in(self, translated: Translated, kind: str) -> None:
        if isinstance(translated, IgnoredResource):
            self.ignored += 1
        elif isinstance(translated, list):
            facts: Any = [row for row in translated if "type" in row]
            self.facts += facts
            self.ignored += not facts
        elif kind == "Patient":
            patient: Any = translated
            self.patients.append(patient)
        elif kind == "Medication":
            medication: Any = translated
            self.medications[medication["source_id"]] = medication
        else:
            self.ignored += 1


def chart_of(received: Received, moment: Moment, zone: str) -> ReceivedChart:
    """Return the chart of the one patient of a body.

    Times without a UTC offset are in the IANA zone `zone`. Answers 422 unless there is exactly one
    Patient.
    """
    rows = _Rows()
    today = dt.date.fromordinal(moment.today)
    for resource in received.resources:
        rows.add(resource, Reading(ZoneInfo(zone), today))
    if len(rows.patients) != 1:
        detail = f"Must have one Patient that can be read. {len(rows.patients)} were found."
        raise validation_failed([{"pointer": "", "detail": detail}])
    [patient] = rows.patients
    own = [row for row in rows.facts if row["patient_source_id"] == patient["source_id"]]
    facts = [_fact_of(row, patient, rows.medications) for row in own]
    named = [row.get("medication_source_id") for row in own]
    unknown = sum(name is not None and name not in rows.medications for name in named)
    return ReceivedChart(
        Chart(_person_of(patient), facts, moment.days),
        rows.unreadable + received.unread + unknown,
        rows.ignored,
        len(rows.facts) - len(own),
    )


def _person_of(row: PatientRow) -> Person:
    """Return the person. In which studies the patient takes part is not known."""
    return Person(
        uuid4(),
        _date(row["birth_date"]),
        row["birth_date_precision"],
        row["sex"],
        row["deceased"],
        _instant(row["deceased_at"]),
        _date(row["deceased_on"]),
        row["deceased_precision"],
        enrollments=None,
        place=place_of(row["address"]),
    )


def _fact_of(row: FactRow, patient: PatientRow, medications: Mapping[str, MedicationRow]) -> Fact:
    values: dict[str, Any] = {name: row.get(name) for name in _READ if name in row}
    medication: Any = medications.get(row.get("medication_source_id") or "")
    if medication is not None:
        values |= {name: medication[name] for name in _OF_MEDICATION}
    values["date_problem"] = row.get("date_problem") or problem_of(row, patient)
    values |= {name: _instant(values.get(name)) for name in _TIMES}
    values |= {name: _number(values.get(name)) for name in _NUMBERS}
    return Fact(uuid4(), **values)


def _instant(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)


def _date(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def _number(number: float | str | Decimal | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def issues_of(found: ReceivedChart, preferences: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return what was not used of a body, as issues of an OperationOutcome."""
    texts = (
        (
            found.unreadable,
            "warning",
            "invalid",
            "could not be read wholly, or refer to a missing one",
        ),
        (found.foreign, "warning", "not-supported", "are about another patient, and not used"),
        (found.ignored, "information", "not-supported", "are of types that no criterion reads"),
    )
    issues = [
        (severity, code, f"{number} of the resources or records {text}.")
        for number, severity, code, text in texts
        if number
    ]
    if preferences:
        names = ", ".join(sorted(preferences))
        issues.append(("information", "not-supported", f"These parameters are not used: {names}."))
    return issues
