"""Elements that FHIR R4 does not have, and how R4 says the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trially.recruiting.imports.fhir.version_changes import (
    Resource,
    Translate,
    adherence,
    allergy_status,
    class_code,
    class_concepts,
    code_reference,
    criticality,
    dropped,
    encounter_reasons,
    explanation,
    is_list,
    is_object,
    is_old_criticality,
    is_text,
    kept,
    listed,
    negates,
    order_end,
    order_intent,
    refused,
    renamed,
    taken,
)

DSTU2, STU3, R5 = "DSTU2", "STU3", "R5"


@dataclass(frozen=True)
class Versioned:
    """An element of some versions of FHIR, but not of R4 in this form."""

    name: str
    versions: frozenset[str]
    change: Translate
    """Changes a resource into the form of R4, given the element's name."""

    has_form: Callable[[Any], bool] = lambda _: True
    """Whether a value has the form that only these versions have."""

    def is_present(self, resource: Resource) -> bool:
        """Return whether a resource has the element in the form of these versions."""
        value = resource.get(self.name)
        return value is not None and self.has_form(value)

    def translate(self, resource: Resource) -> None:
        """Bring the element into the form of R4."""
        self.change(resource, self.name)


def _elements(
    *elements: tuple[str, str, Translate] | Versioned,
) -> Mapping[str, Sequence[Versioned]]:
    """Return elements by name, which may have several forms. Blanks separate their versions."""
    by_name: dict[str, list[Versioned]] = {}
    for element in elements:
        if not isinstance(element, Versioned):
            element = Versioned(element[0], frozenset(element[1].split()), element[2])
        by_name.setdefault(element.name, []).append(element)
    return by_name


_OLD = f"{DSTU2} {STU3}"
_BOTH = frozenset({DSTU2, STU3})
_CONTEXT = ("context", STU3, renamed("encounter"))
_PATIENT = ("patient", DSTU2, renamed("subject"))
_MEDICATION = (
    "medication",
    R5,
    code_reference("medicationCodeableConcept", "medicationReference"),
)
_REASON = ("reason", R5, code_reference("reasonCode", "reasonReference", is_list=True))
_CLINICAL = Versioned("clinicalStatus", _BOTH, kept, is_text)
_VERIFICATION = Versioned("verificationStatus", _BOTH, kept, is_text)

VERSIONED: Mapping[str, Mapping[str, Sequence[Versioned]]] = {
    "AllergyIntolerance": _elements(
        ("substance", DSTU2, renamed("code")),
        ("status", DSTU2, allergy_status),
        ("onset", DSTU2, renamed("onsetDateTime")),
        ("reporter", DSTU2, dropped),
        ("lastOccurence", DSTU2, renamed("lastOccurrence")),
        ("assertedDate", STU3, renamed("recordedDate")),
        ("participant", R5, dropped),
        Versioned("criticality", frozenset({DSTU2}), criticality, is_old_criticality),
        Versioned("category", frozenset({DSTU2}), listed, is_text),
        Versioned("type", frozenset({R5}), kept, is_object),
        _CLINICAL,
        _VERIFICATION,
    ),
    "Condition": _elements(
        _PATIENT,
        _CONTEXT,
        ("dateRecorded", DSTU2, renamed("recordedDate")),
        ("assertedDate", STU3, renamed("recordedDate")),
        ("abatementBoolean", _OLD, kept),
        ("notes", DSTU2, renamed("note")),
        ("participant", R5, dropped),
        Versioned("stage", _BOTH, listed, is_object),
        _CLINICAL,
        _VERIFICATION,
    ),
    "Encounter": _elements(
        _PATIENT,
        Versioned("class", frozenset({DSTU2}), class_code, is_text),
        Versioned("class", frozenset({R5}), class_concepts, is_list),
        ("actualPeriod", R5, renamed("period")),
        ("admission", R5, renamed("hospitalization")),
        ("incomingReferral", _OLD, dropped),
        ("reason", f"{_OLD} {R5}", encounter_reasons),
    ),
    "Immunization": _elements(
        ("wasNotGiven", DSTU2, negates("not-done")),
        ("notGiven", STU3, negates("not-done")),
        ("date", _OLD, renamed("occurrenceDateTime")),
        ("explanation", _OLD, explanation),
        ("reported", DSTU2, dropped),
        ("requester", DSTU2, dropped),
        ("practitioner", STU3, dropped),
        ("vaccinationProtocol", _OLD, dropped),
        _REASON,
    ),
    "MedicationAdministration": _elements(
        _PATIENT,
        _MEDICATION,
        _REASON,
        ("wasNotGiven", DSTU2, negates("not-done")),
        ("notGiven", STU3, negates("not-done")),
        ("reasonNotGiven", _OLD, refused("statusReason", "not-done")),
        ("reasonGiven", DSTU2, renamed("reasonCode")),
        ("prescription", _OLD, dropped),
        ("effectiveTimeDateTime", DSTU2, renamed("effectiveDateTime")),
        ("effectiveTimePeriod", DSTU2, renamed("effectivePeriod")),
        ("occurenceDateTime", R5, renamed("effectiveDateTime")),
        ("occurencePeriod", R5, renamed("effectivePeriod")),
        ("occurenceTiming", R5, renamed("effectiveTiming")),
    ),
    "MedicationDispense": _elements(
        _PATIENT,
        _MEDICATION,
        ("notDone", STU3, negates("declined")),
        ("notDoneReasonCodeableConcept", STU3, refused("statusReasonCodeableConcept", "declined")),
        ("notDoneReasonReference", STU3, refused("statusReasonReference", "declined")),
        ("notPerformedReason", R5, code_reference("statusReasonCodeableConcept", "_unused")),
        ("recorded", R5, kept),
    ),
    "MedicationOrder": _elements(
        _PATIENT,
        ("dateWritten", DSTU2, order_intent),
        ("dateEnded", DSTU2, order_end),
        ("reasonEnded", DSTU2, renamed("statusReason")),
        ("reasonCodeableConcept", DSTU2, renamed("reasonCode")),
        ("prescriber", DSTU2, dropped),
    ),
    "MedicationRequest": _elements(
        _CONTEXT,
        _MEDICATION,
        _REASON,
        ("definition", STU3, dropped),
        ("reported", R5, renamed("reportedBoolean")),
        ("effectiveDosePeriod", R5, kept),
    ),
    "MedicationStatement": _elements(
        _PATIENT,
        _MEDICATION,
        _REASON,
        ("wasNotTaken", DSTU2, negates("not-taken")),
        ("taken", STU3, taken),
        ("adherence", R5, adherence),
        ("reasonNotTaken", _OLD, refused("statusReason", "not-taken")),
        ("reasonForUseCodeableConcept", DSTU2, renamed("reasonCode")),
    ),
    "Observation": _elements(
        _CONTEXT,
        ("comments", DSTU2, renamed("note")),
        ("comment", STU3, renamed("note")),
        ("related", _OLD, dropped),
        ("triggeredBy", R5, dropped),
    ),
    "Patient": _elements(
        ("careProvider", DSTU2, renamed("generalPractitioner")),
        ("animal", _OLD, dropped),
    ),
    "Procedure": _elements(
        _CONTEXT,
        ("notPerformed", DSTU2, negates("not-done")),
        ("notDone", STU3, negates("not-done")),
        ("reasonNotPerformed", DSTU2, refused("statusReason", "not-done")),
        ("notDoneReason", STU3, refused("statusReason", "not-done")),
        ("reasonCodeableConcept", DSTU2, renamed("reasonCode")),
        ("notes", DSTU2, renamed("note")),
        ("definition", STU3, dropped),
        ("request", DSTU2, dropped),
        _REASON,
        ("occurrenceDateTime", R5, renamed("performedDateTime")),
        ("occurrencePeriod", R5, renamed("performedPeriod")),
        ("occurrenceString", R5, renamed("performedString")),
        ("occurrenceAge", R5, renamed("performedAge")),
        ("occurrenceRange", R5, renamed("performedRange")),
        ("recorded", R5, kept),
    ),
}
"""By type and name: the elements that R4 does not have in this form."""
