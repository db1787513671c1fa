"""Add a patient's conditions, including refuted and mistaken ones."""

from datetime import date
from typing import Any

from trially.demo.chart import Chart
from trially.demo.codes import to_concept, to_status
from trially.demo.illnesses import CHRONIC_ILLNESSES, Illness
from trially.demo.people import Episode

REFUTED_SHARE = 0.06
MISTAKEN_SHARE = 0.05
"""Shares of patients. Of the conditions, each makes about two in a hundred."""

PROBLEM = [to_status("condition-category", "problem-list-item")]


def write_conditions(chart: Chart) -> None:
    """Add the patient's present and past conditions, and for a few a refuted or mistaken one."""
    for episode in chart.person.episodes:
        write_condition(chart, episode.illness, episode.began, **status_of(chart, episode))
    if chart.dice.chance(REFUTED_SHARE):
        refuted = {
            "clinicalStatus": to_status("condition-clinical", "inactive"),
            "verificationStatus": to_status("condition-ver-status", "refuted"),
        }
        write_absent_condition(chart, refuted)
    if chart.dice.chance(MISTAKEN_SHARE):
        # FHIR forbids a clinical status beside this verification status (con-5).
        mistaken = {"verificationStatus": to_status("condition-ver-status", "entered-in-error")}
        write_absent_condition(chart, mistaken)


def status_of(chart: Chart, episode: Episode) -> dict[str, Any]:
    """Return the status elements of an episode: active, or resolved or in remission and when."""
    confirmed = {"verificationStatus": to_status("condition-ver-status", "confirmed")}
    if episode.ended is None:
        return {"clinicalStatus": to_status("condition-clinical", "active"), **confirmed}
    chronic = episode.illness in CHRONIC_ILLNESSES
    code = "remission" if chronic and chart.dice.chance(0.4) else "resolved"
    return {
        "clinicalStatus": to_status("condition-clinical", code),
        **confirmed,
        "abatementDateTime": episode.ended.isoformat(),
    }


def write_absent_condition(chart: Chart, statuses: dict[str, Any]) -> None:
    """Add a condition that the patient does not have."""
    had = {episode.illness.name for episode in chart.person.episodes}
    absent = [
        illness
        for illness in CHRONIC_ILLNESSES
        if illness.name not in had and illness.sex in (None, chart.person.sex)
    ]
    visit = chart.dice.choose(chart.visits)
    write_condition(chart, chart.dice.choose(absent), visit.day, **statuses)


def write_condition(chart: Chart, illness: Illness, began: date, **statuses: Any) -> None:
    """Add one condition, recorded at the first visit after its onset."""
    visit = chart.visit_on_or_after(began)
    chart.add(
        "Condition",
        **statuses,
        category=PROBLEM,
        code=to_concept(chart.dice.choose(illness.snomed), illness.icd_10),
        subject=chart.subject,
        encounter=visit.encounter,
        onsetDateTime=began.isoformat(),
        recordedDate=visit.day.isoformat(),
    )
