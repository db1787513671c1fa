"""Add notes in free text, as clinicians write them at visits."""

import base64
from html import escape
from typing import Any

from trially.demo.chart import Chart, Visit
from trially.demo.codes import LOINC, Coding, to_concept
from trially.demo.dice import Dice

PROGRESS_NOTE = Coding(LOINC, "11506-3", "Progress note")
CONSULT_NOTE = Coding(LOINC, "11488-4", "Consult note")
CONSULT_SHARE = 0.4
CATEGORY = Coding(
    "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
    "clinical-note",
    "Clinical Note",
)
AUTHORS = ("Dr. Kim Lee", "Dr. Ana Suárez", "Dr. Tom O\u2019Neill", "Jo Becker, NP")
REMARKS = (
    "Lives with family, independent in daily activities.",
    "Denies chest pain, dyspnea and syncope.",
    "Former smoker, quit more than ten years ago.",
    "Never smoked. Drinks a glass of wine on weekends.",
    "Reports good adherence to medication.",
    "Has missed doses in the last month; counselled.",
    "Would consider taking part in a clinical trial.",
    "No history of malignancy, hepatitis or HIV.",
)


def write_notes(chart: Chart) -> None:
    """Add a progress note of the last visit and, to some charts, a consult note of the first."""
    _add_note(chart, chart.visits[-1], PROGRESS_NOTE, "text/plain", _write_text(chart, chart.dice))
    if chart.dice.chance(CONSULT_SHARE):
        text = _write_text(chart, chart.dice)
        lines = "".join(f"<p>{escape(line)}</p>" for line in text.split("\n"))
        html = f"<html><body><h1>Consultation</h1>{lines}</body></html>"
        _add_note(chart, chart.visits[0], CONSULT_NOTE, "text/html", html)


def _add_note(chart: Chart, visit: Visit, kind: Coding, content_type: str, text: str) -> None:
    data = base64.b64encode(text.encode()).decode()
    attachment = {
        "contentType": f"{content_type}; charset=utf-8",
        "data": data,
        "title": kind.display,
    }
    chart.add(
        "DocumentReference",
        status="current",
        docStatus="final",
        type=to_concept(kind),
        category=[to_concept(CATEGORY)],
        subject=chart.subject,
        date=visit.moment,
        author=[{"display": chart.dice.choose(AUTHORS)}],
        content=[{"attachment": attachment}],
        context={"encounter": [visit.encounter]},
    )


def _write_text(chart: Chart, dice: Dice) -> str:
    """Return a note with what the chart knows, and what only notes say."""
    lines = ["History: " + ("; ".join(_names(chart, "Condition", "code")) or "unremarkable") + "."]
    medicines = _names(chart, "MedicationRequest", "medicationCodeableConcept")
    lines.append("Medication: " + ("; ".join(medicines) or "none") + ".")
    allergies = _names(chart, "AllergyIntolerance", "code")
    lines.append("Allergies: " + ("; ".join(allergies) or "none known") + ".")
    first = dice.whole(0, len(REMARKS) - 1)
    lines += [REMARKS[first], REMARKS[(first + 3) % len(REMARKS)]]
    lines.append("Plan: continue as before, follow-up as scheduled.")
    return "\n".join(lines)


def _names(chart: Chart, resource_type: str, element: str) -> list[str]:
    names = (
        resource[element]["text"]
        for resource in chart.resources
        if resource["resourceType"] == resource_type
        and resource.get("status") != "entered-in-error"
        and _verification(resource) not in ("entered-in-error", "refuted")
        and "text" in resource.get(element, {})
    )
    return list(dict.fromkeys(names))


def _verification(resource: dict[str, Any]) -> str | None:
    codings = resource.get("verificationStatus", {}).get("coding", [{}])
    code: str | None = codings[0].get("code")
    return code
