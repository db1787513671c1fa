"""Add a patient's prescriptions."""

from datetime import date, timedelta
from typing import Any

from trially.demo.chart import Chart
from trially.demo.codes import Coding, to_concept
from trially.demo.medicines import AS_NEEDED, MEDICINES, Medicine
from trially.demo.people import Episode

STOPPED_SHARE = 0.12
"""Share of permanent prescriptions that were stopped."""

RECENT_SHARE = 0.3
"""Share of permanent prescriptions that start at any visit; others start as early as possible."""


def write_prescriptions(chart: Chart) -> None:
    """Add prescriptions: each product at most once, and none that is unsafe in pregnancy."""
    pregnant = "pregnancy" in chart.person.illnesses
    written: set[Coding] = set()
    for episode in chart.person.episodes:
        for medicine in MEDICINES.get(episode.illness.name, ()):
            suitable = medicine.suits_pregnancy or not pregnant
            redundant = {medicine.coding, medicine.unless} & written
            if suitable and not redundant and chart.dice.chance(medicine.share):
                written.add(medicine.coding)
                write_prescription(chart, episode, medicine)


def write_prescription(chart: Chart, episode: Episode, medicine: Medicine) -> None:
    """Add one prescription; it has a visit unless the illness ended before the first visit."""
    visit = chart.visit_on_or_after(episode.began)
    lasting = episode.ended is None and medicine.course_days is None
    if lasting and chart.dice.chance(RECENT_SHARE):
        visit = chart.dice.choose(chart.visits)
    over = episode.ended is not None and episode.ended < visit.day
    started = episode.began if over else visit.day
    status, ended = draw_end(chart, episode, medicine, started)
    chart.add(
        "MedicationRequest",
        status=status,
        intent="order",
        medicationCodeableConcept=to_concept(medicine.coding),
        subject=chart.subject,
        **({} if over else {"encounter": visit.encounter}),
        authoredOn=started.isoformat(),
        requester={"display": "Dr. Example Prescriber"},
        dosageInstruction=[
            {"text": medicine.directions, "asNeededBoolean": medicine.directions == AS_NEEDED}
        ],
        dispenseRequest={"validityPeriod": to_period(started, ended)},
    )


def draw_end(
    chart: Chart, episode: Episode, medicine: Medicine, started: date
) -> tuple[str, date | None]:
    """Return the status of a prescription and its end, None if it is active."""
    if medicine.course_days is not None:
        status, ended = "completed", started + timedelta(days=medicine.course_days)
    elif episode.ended is not None:
        status, ended = "completed", episode.ended
    elif chart.dice.chance(STOPPED_SHARE):
        status, ended = "stopped", started + timedelta(days=chart.dice.whole(20, 400))
    else:
        return "active", None
    return (status, ended) if ended <= chart.person.last_day else ("active", None)


def to_period(started: date, ended: date | None) -> dict[str, Any]:
    """Return a FHIR Period; it has no `end` if `ended` is None."""
    period = {"start": started.isoformat()}
    return period if ended is None else {**period, "end": ended.isoformat()}
