"""Translate PV1, DG1, AL1 and PR1 segments to resources."""

from typing import Any

from trially.recruiting.column_mappings.code_systems import find_code_system
from trially.recruiting.imports.formats.hl7v2.data_types import (
    V2_TABLES,
    first_concept,
    identifier_of,
    without_empty,
)
from trially.recruiting.imports.formats.hl7v2.messages import Segment, written
from trially.recruiting.imports.formats.hl7v2.times import Clock
from trially.recruiting.imports.formats.resource_ids import fact_id_of

Json = dict[str, Any]

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_ACT_CODES = f"{_TERMINOLOGY}/v3-ActCode"
_CLASSES = {"I": "IMP", "O": "AMB", "E": "EMER", "P": "PRENC"}
_CANCELLING = frozenset({"A11", "A27", "A38"})
_PLANNED = frozenset({"A05", "A14"})
_ALLERGY_CATEGORIES = {
    "DA": "medication",
    "FA": "food",
    "EA": "environment",
    "LA": "environment",
    "PA": "environment",
    "AA": "environment",
}
_SEVERITIES = {"SV": "severe", "MO": "moderate", "MI": "mild"}
_CERTAINTIES = {"A": "provisional", "W": "provisional", "F": "confirmed"}


class SegmentReader:
    """Translates the segments of one message about one patient."""

    def __init__(self, patient_id: str, clock: Clock) -> None:
        self.patient_id = patient_id
        self.subject = {"reference": f"Patient/{patient_id}"}
        self.encounter: Json | None = None
        """The reference to the encounter of the message."""
        self.clock = clock
        self.faults: list[str] = []

    def time(self, segment: Segment, field: int) -> str | None:
        """Return the time in a field. What is no time is a fault."""
        text = segment.text(field)
        time = self.clock.read(text) if text else None
        if text and time is None:
            self.faults.append(f"{segment.name}-{field} is not a time.")
        return time

    def visit(self, pv1: Segment, event: str) -> Json | None:
        """Return the Encounter of a PV1 segment; None if nothing identifies the visit."""
        admitted, discharged = self.time(pv1, 44), self.time(pv1, 45)
        encounter_id = _visit_id(pv1, self.patient_id, admitted)
        if encounter_id is None:
            return None
        self.encounter = {"reference": f"Encounter/{encounter_id}"}
        if event == "A13":  # the discharge is cancelled
            discharged = None
        patient_class = pv1.text(2)
        kind = first_concept(pv1.repetitions(18)) or first_concept(pv1.repetitions(4))
        return without_empty(
            {
                "resourceType": "Encounter",
                "id": encounter_id,
                "status": _status(event, discharged),
                "class": _class_of(patient_class),
                "type": [kind] if kind else None,
                "subject": self.subject,
                "period": without_empty({"start": admitted, "end": discharged}),
            }
        )

    def diagnosis(self, dg1: Segment) -> Json | None:
        """Return the Condition of a DG1 segment; None if it has neither a code nor a text."""
        concept = first_concept(dg1.repetitions(3)) or {}
        if method := dg1.text(2):  # older versions name the code system here
            for coding in concept.get("coding", ()):
                coding.setdefault("system", find_code_system(method) or f"urn:id:{method}")
        text = concept.get("text") or dg1.text(4)
        concept = without_empty({**concept, "text": text})
        if not concept:
            return None
        certainty = _CERTAINTIES.get((dg1.text(6) or "").upper())
        if dg1.text(21) == "D":
            certainty = "entered-in-error"
        return self._fact(
            "Condition",
            dg1.text(20),
            [concept_key(concept), dg1.text(5)],
            {
                "code": concept,
                "verificationStatus": _coded("condition-ver-status", certainty),
                "onsetDateTime": self.time(dg1, 5),
                "recordedDate": self.time(dg1, 19),
                "subject": self.subject,
                "encounter": self.encounter,
            },
        )

    def allergy(self, al1: Segment) -> Json | None:
        """Return the AllergyIntolerance of an AL1 segment; None if it has no substance."""
        concept = first_concept(al1.repetitions(3))
        if concept is None:
            return None
        reactions = [{"text": text} for each in al1.repetitions(5) if (text := written(each))]
        severity = _SEVERITIES.get((al1.text(4) or "").upper())
        reaction = without_empty({"manifestation": reactions, "severity": severity})
        category = _ALLERGY_CATEGORIES.get((al1.text(2) or "").upper())
        return self._fact(
            "AllergyIntolerance",
            None,
            [concept_key(concept)],
            {
                "code": concept,
                "category": [category] if category else None,
                "reaction": [reaction] if reaction else None,
                "recordedDate": self.time(al1, 6),
                "patient": self.subject,
            },
        )

    def procedure(self, pr1: Segment) -> Json | None:
        """Return the Procedure of a PR1 segment; None if it has neither a code nor a text."""
        concept = without_empty({"text": pr1.text(4), **(first_concept(pr1.repetitions(3)) or {})})
        if not concept:
            return None
        is_deleted = pr1.text(20) == "D"
        return self._fact(
            "Procedure",
            pr1.text(19),
            [concept_key(concept), pr1.text(5)],
            {
                "status": "entered-in-error" if is_deleted else "unknown",
                "code": concept,
                "performedDateTime": self.time(pr1, 5),
                "subject": self.subject,
                "encounter": self.encounter,
            },
        )

    def _fact(
        self, kind: str, number: str | None, content: list[str | None], elements: Json
    ) -> Json:
        """Return a resource whose id depends on its number or else on its content."""
        key = ["number", number] if number else content
        fact_id = fact_id_of(kind.lower()[:20], [self.patient_id, *key])
        return without_empty({"resourceType": kind, "id": fact_id, **elements})


def concept_key(concept: Json) -> str:
    """Return the text that tells a concept apart: its first code, or else its text."""
    for coding in concept.get("coding", ()):
        return f"{coding.get('system')}|{coding['code']}"
    return str(concept.get("text"))


def _visit_id(pv1: Segment, patient_id: str, admitted: str | None) -> str | None:
    for field in (19, 50):
        for number in pv1.repetitions(field):
            identifier = identifier_of(number)
            if "value" in identifier:
                return fact_id_of("visit", [identifier.get("system"), identifier["value"]])
    return fact_id_of("visit", [patient_id, admitted]) if admitted else None


def _status(event: str, discharged: str | None) -> str:
    if event in _CANCELLING:
        return "cancelled"
    if event in _PLANNED:
        return "planned"
    return "finished" if discharged or event == "A03" else "in-progress"


def _class_of(code: str | None) -> Json | None:
    if code is None:
        return None
    if code in _CLASSES:
        return {"system": _ACT_CODES, "code": _CLASSES[code]}
    return {"system": f"{V2_TABLES}0004", "code": code}


def _coded(system: str, code: str | None) -> Json | None:
    return {"coding": [{"system": f"{_TERMINOLOGY}/{system}", "code": code}]} if code else None
