"""Facts as criteria read them: some columns of `clinical_fact`, and which facts count at all."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

REFUTED = "refuted"
IN_ERROR = "entered-in-error"

NOT_HAPPENED = frozenset(
    {
        *("not-done", "not-taken", "not-given", "declined", "cancelled", "in-error", IN_ERROR),
        *("preparation", "draft", "registered", "intended", "planned", "proposed"),
    }
)
"""Statuses of facts that did not happen, or not yet."""

VISITED = frozenset(
    {
        *("arrived", "triaged", "in-progress", "onleave", "on-hold", "finished"),
        *("completed", "discharged"),
    }
)
"""Statuses of encounters that took place: the `VISITED_STATUSES` of patients."""

SUGGESTED = frozenset({"proposal", "option"})
"""Intents of requests that nobody ordered."""


class Fact(NamedTuple):
    """One record of a patient. The fields are columns of `clinical_fact`, by the same names.

    So a loader selects `Fact._fields` and calls `Fact._make` for each row.
    """

    id: UUID
    type: str
    code_system: str | None = None
    code: str | None = None
    other_codings: Sequence[Mapping[str, Any]] | None = None
    category: str | None = None
    status: str | None = None
    clinical_status: str | None = None
    verification_status: str | None = None
    negated: bool = False
    intent: str | None = None
    focus: str | None = None
    start_at: dt.datetime | None = None
    start_precision: str | None = None
    end_at: dt.datetime | None = None
    end_precision: str | None = None
    date_problem: str | None = None
    recorded_at: dt.datetime | None = None
    created_at: dt.datetime | None = None
    value_number: Decimal | None = None
    value_code_system: str | None = None
    value_code: str | None = None
    value_text: str | None = None
    unit: str | None = None
    comparator: str | None = None
    reference_low: Decimal | None = None
    reference_high: Decimal | None = None
    source: str = ""
    source_type: str = ""
    entered_in_error: bool = False
    withdrawn_at: dt.datetime | None = None

    @property
    def is_used(self) -> bool:
        """Whether the fact may count as data, as evidence and as coverage.

        Withdrawn facts, those entered in error, with impossible dates, about somebody else, and of
        what did not happen never do. Refuted facts only contradict others: see `is_refuted`.
        """
        return (
            self.withdrawn_at is None
            and not self.entered_in_error
            and not self.negated
            and self.date_problem is None
            and self.focus is None
            and self.verification_status != IN_ERROR
            and self.intent not in SUGGESTED
            and (
                self.status in VISITED
                if self.type == "encounter"
                else self.status not in NOT_HAPPENED
            )
        )

    @property
    def is_refuted(self) -> bool:
        """Whether the fact says that a condition or allergy was found not to be there."""
        return self.verification_status == REFUTED

    def codings(self) -> list[tuple[str | None, str]]:
        """Return all codings of the fact, as pairs of system and code."""
        first = [] if self.code is None else [(self.code_system, self.code)]
        if not self.other_codings:
            return first
        others = [(each.get("system"), each.get("code")) for each in self.other_codings]
        return first + [(system, code) for system, code in others if code is not None]


class Enrollment(NamedTuple):
    """Participation of a patient in a study."""

    id: UUID
    study_id: UUID
    started_on: dt.date | None
    """Null if the day is unknown."""
    ended_on: dt.date | None = None
    """Null while it goes on."""


class Place(NamedTuple):
    """A place on earth, in degrees (WGS 84)."""

    latitude: float
    longitude: float


class Person(NamedTuple):
    """A patient, without records. The first fields are columns of `patient`, by the same names."""

    id: UUID
    birth_date: dt.date | None = None
    birth_date_precision: str | None = None
    sex: str | None = None
    deceased: bool = False
    deceased_at: dt.datetime | None = None
    deceased_on: dt.date | None = None
    deceased_precision: str | None = None
    record_status: str = "current"
    enrollments: tuple[Enrollment, ...] | None = ()
    """Participation in studies, or None if it is unknown."""
    place: Place | None = None
    """Where the patient lives."""
