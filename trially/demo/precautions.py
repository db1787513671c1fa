"""Add allergies and immunizations."""

from dataclasses import dataclass
from datetime import date

from trially.demo.chart import Chart
from trially.demo.codes import CVX, Coding, snomed, to_concept, to_status

ALLERGIC_SHARE = 0.25


@dataclass(frozen=True)
class Allergy:
    """An allergy and the category of its allergen."""

    coding: Coding
    category: str


ALLERGIES = (
    Allergy(snomed("91936005", "Allergy to penicillin"), "medication"),
    Allergy(snomed("300916003", "Latex allergy"), "environment"),
    Allergy(snomed("300913006", "Shellfish allergy"), "food"),
    Allergy(snomed("91935009", "Allergy to peanuts"), "food"),
    Allergy(snomed("418689008", "Allergy to grass pollen"), "environment"),
    Allergy(snomed("424213003", "Allergy to bee venom"), "environment"),
)

INFLUENZA = Coding(CVX, "140", "Influenza, seasonal, injectable, preservative free")
TETANUS = Coding(CVX, "113", "Td (adult) preservative free")
PNEUMOCOCCAL = Coding(CVX, "33", "pneumococcal polysaccharide vaccine, 23 valent")


def write_allergies(chart: Chart) -> None:
    """Add one or two allergies to a quarter of the patients."""
    if not chart.dice.chance(ALLERGIC_SHARE):
        return
    first = chart.dice.choose(ALLERGIES)
    second = chart.dice.choose(ALLERGIES)
    both = first is not second and chart.dice.chance(0.25)
    for allergy in (first, second) if both else (first,):
        chart.add(
            "AllergyIntolerance",
            clinicalStatus=to_status("allergyintolerance-clinical", "active"),
            verificationStatus=to_status("allergyintolerance-verification", "confirmed"),
            type="allergy",
            category=[allergy.category],
            criticality="high" if chart.dice.chance(0.2) else "low",
            code=to_concept(allergy.coding),
            patient=chart.subject,
            recordedDate=chart.visits[0].day.isoformat(),
        )


def write_immunizations(chart: Chart) -> None:
    """Add last autumn's influenza vaccine, pneumococcal vaccine from age 65 on, and tetanus."""
    dice, person = chart.dice, chart.person
    autumn = date(person.last_day.year - 1, 10, dice.whole(1, 31))
    if dice.chance(0.6):
        write_immunization(chart, INFLUENZA, autumn)
    first_visit = chart.visits[0].day
    if person.age_on(first_visit) >= 65 and dice.chance(0.7):
        write_immunization(chart, PNEUMOCOCCAL, first_visit)
    if dice.chance(0.15):
        write_immunization(chart, TETANUS, dice.before(first_visit, 0, 300))


def write_immunization(chart: Chart, vaccine: Coding, day: date) -> None:
    """Add one Immunization."""
    chart.add(
        "Immunization",
        status="completed",
        vaccineCode=to_concept(vaccine),
        patient=chart.subject,
        occurrenceDateTime=day.isoformat(),
        primarySource=True,
    )
