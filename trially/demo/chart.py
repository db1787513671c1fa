"""The chart of one patient: the resources that the other modules add to it."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from trially.demo.codes import HL7, snomed, to_concept
from trially.demo.dice import Dice
from trially.demo.people import Person

NAMESPACE = uuid5(NAMESPACE_URL, "https://demo.trially.example/")

MISTAKEN_SHARE = 0.02
"""Share of records that were entered in error."""

MAY_BE_MISTAKEN = frozenset({"Observation", "MedicationRequest", "Procedure", "Immunization"})
"""Types whose `status` can be `entered-in-error`.

Conditions use `verificationStatus` instead. Encounters stay valid, because others refer to them.
"""

ACT_CODE = f"{HL7}/v3-ActCode"
CHECK_UP = snomed("185349003", "Encounter for check up")
FOLLOW_UP = snomed("390906007", "Follow-up encounter")


@dataclass(frozen=True)
class Visit:
    """A visit, and the reference to its Encounter in the chart."""

    day: date
    moment: str
    encounter: dict[str, str]


@dataclass
class Chart:
    """One patient's resources, in the order they were added."""

    seed: str
    person: Person
    dice: Dice
    resources: list[dict[str, Any]] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.subject = {"reference": f"Patient/{self.make_id('Patient', 0)}"}

    def make_id(self, resource_type: str, ordinal: int) -> str:
        """Return the id of a resource: the same in every run."""
        return str(uuid5(NAMESPACE, f"{self.seed}/{self.person.number}/{resource_type}/{ordinal}"))

    def add(self, resource_type: str, **elements: Any) -> dict[str, Any]:
        """Add a resource, and return it; a few are marked as entered in error."""
        resource = {
            "resourceType": resource_type,
            "id": self.make_id(resource_type, len(self.resources)),
            **elements,
        }
        if resource_type in MAY_BE_MISTAKEN and self.dice.chance(MISTAKEN_SHARE):
            resource["status"] = "entered-in-error"
            slip_decimal_point(resource)
        self.resources.append(resource)
        return resource

    def visit_on_or_after(self, day: date) -> Visit:
        """Return the first visit on or after a day, or the last visit if none is."""
        return next((visit for visit in self.visits if visit.day >= day), self.visits[-1])


def slip_decimal_point(resource: dict[str, Any]) -> None:
    """Multiply the value by ten, so that a query that fails to exclude mistakes is noticed."""
    quantity = resource.get("valueQuantity")
    if quantity is not None:
        quantity["value"] = round(quantity["value"] * 10, 2)


def write_visits(chart: Chart) -> None:
    """Add an Encounter for each visit."""
    for day in chart.person.visits:
        hour, minute = chart.dice.whole(14, 21), chart.dice.choose((0, 15, 30))
        first = not chart.visits
        encounter = chart.add(
            "Encounter",
            status="finished",
            **{"class": {"system": ACT_CODE, "code": "AMB", "display": "ambulatory"}},
            type=[to_concept(CHECK_UP if first else FOLLOW_UP)],
            subject=chart.subject,
            period={
                "start": f"{day}T{hour}:{minute:02}:00Z",
                "end": f"{day}T{hour}:{minute + chart.dice.whole(10, 25)}:00Z",
            },
        )
        reference = {"reference": f"Encounter/{encounter['id']}"}
        chart.visits.append(Visit(day, encounter["period"]["start"], reference))
