"""Add the procedures that an age or an illness calls for."""

from dataclasses import dataclass

from trially.demo.chart import Chart
from trially.demo.codes import Coding, snomed, to_concept


@dataclass(frozen=True)
class Occasion:
    """A procedure, who qualifies for it, and the share of those who had it."""

    coding: Coding
    share: float
    illness: str | None = None
    sex: str | None = None
    from_age: int = 0


OCCASIONS = (
    Occasion(snomed("73761001", "Colonoscopy"), 0.3, from_age=50),
    Occasion(snomed("73761001", "Colonoscopy"), 0.9, illness="ulcerative colitis"),
    Occasion(snomed("24623002", "Screening mammography"), 0.45, sex="female", from_age=45),
    Occasion(snomed("171207006", "Depression screening"), 0.2),
    Occasion(snomed("430193006", "Medication reconciliation"), 0.3, from_age=65),
    Occasion(snomed("127783003", "Spirometry"), 0.9, illness="obstructive lung disease"),
    Occasion(snomed("127783003", "Spirometry"), 0.5, illness="asthma"),
    Occasion(snomed("433236007", "Transthoracic echocardiography"), 0.9, illness="heart failure"),
    Occasion(snomed("180325003", "Electrical cardioversion"), 0.3, illness="atrial fibrillation"),
    Occasion(snomed("392021009", "Lumpectomy of breast"), 0.6, illness="breast cancer"),
    Occasion(snomed("65575008", "Biopsy of prostate"), 0.9, illness="prostate cancer"),
    Occasion(snomed("90470006", "Prostatectomy"), 0.4, illness="prostate cancer"),
    Occasion(
        snomed("703423002", "Combined chemotherapy and radiation therapy"),
        0.5,
        illness="lung cancer",
    ),
    Occasion(
        snomed("609588000", "Total knee replacement"), 0.12, illness="osteoarthritis", from_age=55
    ),
    Occasion(snomed("169230002", "Ultrasound scan for fetal viability"), 0.9, illness="pregnancy"),
)


def write_procedures(chart: Chart) -> None:
    """Add procedures for which the patient qualifies, each at one of the visits."""
    for occasion in OCCASIONS:
        if qualifies(occasion, chart) and chart.dice.chance(occasion.share):
            # A present pregnancy begins shortly before the last visit: only that visit can see it.
            expecting = occasion.illness == "pregnancy"
            visit = chart.visits[-1] if expecting else chart.dice.choose(chart.visits)
            chart.add(
                "Procedure",
                status="completed",
                code=to_concept(occasion.coding),
                subject=chart.subject,
                encounter=visit.encounter,
                performedDateTime=visit.moment,
            )


def qualifies(occasion: Occasion, chart: Chart) -> bool:
    """Return whether the patient qualifies for the procedure."""
    person = chart.person
    return (
        occasion.illness in (None, *person.illnesses)
        and occasion.sex in (None, person.sex)
        and person.age_on(chart.visits[0].day) >= occasion.from_age
    )
