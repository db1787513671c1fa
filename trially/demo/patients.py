"""Generate the records of demo patients as FHIR R4 resources."""

from collections.abc import Iterator
from typing import Any

from trially.demo.chart import Chart, write_visits
from trially.demo.conditions import write_conditions
from trially.demo.demographics import write_patient
from trially.demo.dice import Dice
from trially.demo.laboratory import write_laboratory
from trially.demo.notes import write_notes
from trially.demo.people import draw_person
from trially.demo.precautions import write_allergies, write_immunizations
from trially.demo.prescriptions import write_prescriptions
from trially.demo.procedures import write_procedures
from trially.demo.vitals import write_vitals
from trially.tenancy.catalog_choices import TenantKind


def generate_records(seed: str, patients: int, kind: TenantKind) -> Iterator[dict[str, Any]]:
    """Yield the resources of fictitious patients; a Patient comes before its other resources.

    The same seed gives the same resources. A larger number of patients does not change the first
    ones.
    """
    for number in range(1, patients + 1):
        yield from generate_record(seed, number, kind)


def generate_record(seed: str, number: int, kind: TenantKind) -> list[dict[str, Any]]:
    """Return the resources of one patient."""
    dice = Dice(f"{seed}/{number}")
    chart = Chart(seed, draw_person(dice, seed, number, kind), dice)
    write_patient(chart)
    write_visits(chart)
    write_conditions(chart)
    write_vitals(chart)
    write_laboratory(chart)
    write_prescriptions(chart)
    write_procedures(chart)
    write_allergies(chart)
    write_immunizations(chart)
    write_notes(chart)
    return chart.resources
