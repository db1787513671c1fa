"""Elements that FHIR R4 does not have, and how R4 says the same.

A wrong translation of a negation would turn a record into its opposite, so each Boolean that
negates must be readable: otherwise the resource is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import ResourceError
from trially.recruiting.imports.fhir.values import read_object, read_objects, require_flag

DSTU2, STU3, R5 = "DSTU2", "STU3", "R5"
FLAGS = frozenset({"wasNotGiven", "notGiven", "notPerformed", "notDone", "wasNotTaken", "taken"})
"""Elements that negate. They are translated last, because reasons are compared with them."""

Resource = dict[str, Any]
Translate = Callable[[Resource, str], None]


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


def _renamed(new: str) -> Translate:
    """Return the change of a name. What R4's element says stays, if it is there too."""

    def change(resource: Resource, name: str) -> None:
        value = resource.pop(name)
        if resource.get(new) is None:
            resource[new] = value

    return change


def _dropped(resource: Resource, name: str) -> None:
    """Leave the element out: R4 has none like it, and nothing else depends on it."""
    del resource[name]


def _kept(_resource: Resource, _name: str) -> None:
    """Leave the element as it is, because it is read in this form as well."""


def _negates(status: str) -> Translate:
    """Return the change for a Boolean that says that something was not done."""

    def change(resource: Resource, name: str) -> None:
        value = resource.pop(name)
        if require_flag(value, f"{resource['resourceType']}.{name}", Reading()):
            _set_negative(resource, status)

    return change


def _refused(new: str, status: str) -> Translate:
    """Return the change for the reason why something was not done: so it was not done.

    Raises `ResourceError` if the resource says that it was done.
    """

    def change(resource: Resource, name: str) -> None:
        reason = resource[name]
        _renamed(new)(resource, name)
        if reason not in ([], {}):
            if any(resource.get(flag) in (False, "false", "y") for flag in FLAGS):
                kind = resource["resourceType"]
                raise ResourceError(f"{kind}.{name}", "contradicts that it was done")
            _set_negative(resource, status)

    return change


def _set_negative(resource: Resource, status: str) -> None:
    if resource.get("status") != "entered-in-error":
        resource["status"] = status


def _taken(resource: Resource, name: str) -> None:
    """STU3 says by a code whether a medication was taken: y, n, unk or na."""
    taken = resource.pop(name)
    if taken == "n":
        _set_negative(resource, "not-taken")
    elif taken == "unk":
        _set_negative(resource, "unknown")
    elif taken not in ("y", "na"):
        raise ResourceError("MedicationStatement.taken", "is not one of y, n, unk, na")


def _adherence(resource: Resource, name: str) -> None:
    """R5 says by a code whether a medication is taken."""
    concept = read_object(read_object(resource.pop(name)).get("code"))
    codes = [str(coding.get("code")) for coding in read_objects(concept.get("coding"))]
    code = codes[0] if codes else "unknown"
    if not code.startswith("taking"):
        known = {"not-taking": "not-taken"} | {
            f"{stem}{end}": stem
            for stem in ("on-hold", "stopped")
            for end in ("", "-as-directed", "-not-as-directed")
        }
        _set_negative(resource, known.get(code, "unknown"))


def _code_reference(code: str, reference: str, *, is_list: bool = False) -> Translate:
    """Return the change of R5's CodeableReference into a concept and a reference."""

    def change(resource: Resource, name: str) -> None:
        items = read_objects(resource.pop(name))
        concepts = [item["concept"] for item in items if item.get("concept") is not None]
        links = [item["reference"] for item in items if item.get("reference") is not None]
        if concepts and resource.get(code) is None:
            resource[code] = concepts if is_list else concepts[0]
        if links and resource.get(reference) is None:
            resource[reference] = links if is_list else links[0]

    return change


def _encounter_reasons(resource: Resource, name: str) -> None:
    """R5 groups the reasons of an encounter: `reason[].value[]`. STU3 has plain concepts."""
    concepts = []
    for reason in read_objects(resource.pop(name)):
        values = read_objects(reason.get("value"))
        concepts += [item["concept"] for item in values if item.get("concept") is not None]
        if "coding" in reason or "text" in reason:
            concepts.append(reason)
    if concepts and resource.get("reasonCode") is None:
        resource["reasonCode"] = concepts


def _class_code(resource: Resource, name: str) -> None:
    """DSTU2's class is a code."""
    resource[name] = {"code": resource[name]}


def _class_concepts(resource: Resource, name: str) -> None:
    """R5's class is a list of concepts."""
    codings = [
        coding
        for concept in resource[name]
        for coding in read_objects(read_object(concept).get("coding"))
    ]
    resource[name] = codings[0] if codings else None


_ALLERGY_CLINICAL = frozenset({"active", "inactive", "resolved"})
_ALLERGY_VERIFICATION = frozenset({"unconfirmed", "confirmed", "refuted", "entered-in-error"})
_CRITICALITIES = {"CRITL": "low", "CRITH": "high", "CRITU": "unable-to-assess"}


def _allergy_status(resource: Resource, name: str) -> None:
    """DSTU2 has one status, with the codes of two."""
    status = resource.pop(name)
    known = status if type(status) is str else ""
    if known in _ALLERGY_CLINICAL:
        resource.setdefault("clinicalStatus", known)
    elif known in _ALLERGY_VERIFICATION:
        resource.setdefault("verificationStatus", known)
    else:
        raise ResourceError("AllergyIntolerance.status", "is not a status of FHIR DSTU2")


def _criticality(resource: Resource, name: str) -> None:
    resource[name] = _CRITICALITIES[resource[name]]


def _listed(resource: Resource, name: str) -> None:
    resource[name] = [resource[name]]


def _explanation(resource: Resource, name: str) -> None:
    """Before R4, reasons for and against an immunization are in one element."""
    explanation = read_object(resource.pop(name))
    reasons, refusals = explanation.get("reason"), explanation.get("reasonNotGiven")
    if reasons is not None:
        resource.setdefault("reasonCode", reasons)
    if refusals is not None:
        resource["reasonNotGiven"] = refusals
        _refused("statusReason", "not-done")(resource, "reasonNotGiven")


def _order_intent(resource: Resource, name: str) -> None:
    """DSTU2's MedicationOrder is an order, and has no element for that."""
    _renamed("authoredOn")(resource, name)
    resource.setdefault("intent", "order")


def _order_end(resource: Resource, name: str) -> None:
    request = dict(read_object(resource.get("dispenseRequest")))
    end = resource.pop(name)
    if request.get("validityPeriod") is None:
        resource["dispenseRequest"] = {**request, "validityPeriod": {"end": end}}


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _is_list(value: Any) -> bool:
    return type(value) is list


def _is_old_criticality(value: Any) -> bool:
    return value in _CRITICALITIES if type(value) is str else False


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
_CONTEXT = ("context", STU3, _renamed("encounter"))
_PATIENT = ("patient", DSTU2, _renamed("subject"))
_MEDICATION = (
    "medication",
    R5,
    _code_reference("medicationCodeableConcept", "medicationReference"),
)
_REASON = ("reason", R5, _code_reference("reasonCode", "reasonReference", is_list=True))
_CLINICAL = Versioned("clinicalStatus", _BOTH, _kept, _is_text)
_VERIFICATION = Versioned("verificationStatus", _BOTH, _kept, _is_text)

VERSIONED: Mapping[str, Mapping[str, Sequence[Versioned]]] = {
    "AllergyIntolerance": _elements(
        ("substance", DSTU2, _renamed("code")),
        ("status", DSTU2, _allergy_status),
        ("onset", DSTU2, _renamed("onsetDateTime")),
        ("reporter", DSTU2, _dropped),
        ("lastOccurence", DSTU2, _renamed("lastOccurrence")),
        ("assertedDate", STU3, _renamed("recordedDate")),
        ("participant", R5, _dropped),
        Versioned("criticality", frozenset({DSTU2}), _criticality, _is_old_criticality),
        Versioned("category", frozenset({DSTU2}), _listed, _is_text),
        Versioned("type", frozenset({R5}), _kept, _is_object),
        _CLINICAL,
        _VERIFICATION,
    ),
    "Condition": _elements(
        _PATIENT,
        _CONTEXT,
        ("dateRecorded", DSTU2, _renamed("recordedDate")),
        ("assertedDate", STU3, _renamed("recordedDate")),
        ("abatementBoolean", _OLD, _kept),
        ("notes", DSTU2, _renamed("note")),
        ("participant", R5, _dropped),
        Versioned("stage", _BOTH, _listed, _is_object),
        _CLINICAL,
        _VERIFICATION,
    ),
    "Encounter": _elements(
        _PATIENT,
        Versioned("class", frozenset({DSTU2}), _class_code, _is_text),
        Versioned("class", frozenset({R5}), _class_concepts, _is_list),
        ("actualPeriod", R5, _renamed("period")),
        ("admission", R5, _renamed("hospitalization")),
        ("incomingReferral", _OLD, _dropped),
        ("reason", f"{_OLD} {R5}", _encounter_reasons),
    ),
    "Immunization": _elements(
        ("wasNotGiven", DSTU2, _negates("not-done")),
        ("notGiven", STU3, _negates("not-done")),
        ("date", _OLD, _renamed("occurrenceDateTime")),
        ("explanation", _OLD, _explanation),
        ("reported", DSTU2, _dropped),
        ("requester", DSTU2, _dropped),
        ("practitioner", STU3, _dropped),
        ("vaccinationProtocol", _OLD, _dropped),
        _REASON,
    ),
    "MedicationAdministration": _elements(
        _PATIENT,
        _MEDICATION,
        _REASON,
        ("wasNotGiven", DSTU2, _negates("not-done")),
        ("notGiven", STU3, _negates("not-done")),
        ("reasonNotGiven", _OLD, _refused("statusReason", "not-done")),
        ("reasonGiven", DSTU2, _renamed("reasonCode")),
        ("prescription", _OLD, _dropped),
        ("effectiveTimeDateTime", DSTU2, _renamed("effectiveDateTime")),
        ("effectiveTimePeriod", DSTU2, _renamed("effectivePeriod")),
        ("occurenceDateTime", R5, _renamed("effectiveDateTime")),
        ("occurencePeriod", R5, _renamed("effectivePeriod")),
        ("occurenceTiming", R5, _renamed("effectiveTiming")),
    ),
    "MedicationDispense": _elements(
        _PATIENT,
        _MEDICATION,
        ("notDone", STU3, _negates("declined")),
        ("notDoneReasonCodeableConcept", STU3, _refused("statusReasonCodeableConcept", "declined")),
        ("notDoneReasonReference", STU3, _refused("statusReasonReference", "declined")),
        ("notPerformedReason", R5, _code_reference("statusReasonCodeableConcept", "_unused")),
        ("recorded", R5, _kept),
    ),
    "MedicationOrder": _elements(
        _PATIENT,
        ("dateWritten", DSTU2, _order_intent),
        ("dateEnded", DSTU2, _order_end),
        ("reasonEnded", DSTU2, _renamed("statusReason")),
        ("reasonCodeableConcept", DSTU2, _renamed("reasonCode")),
        ("prescriber", DSTU2, _dropped),
    ),
    "MedicationRequest": _elements(
        _CONTEXT,
        _MEDICATION,
        _REASON,
        ("definition", STU3, _dropped),
        ("reported", R5, _renamed("reportedBoolean")),
        ("effectiveDosePeriod", R5, _kept),
    ),
    "MedicationStatement": _elements(
        _PATIENT,
        _MEDICATION,
        _REASON,
        ("wasNotTaken", DSTU2, _negates("not-taken")),
        ("taken", STU3, _taken),
        ("adherence", R5, _adherence),
        ("reasonNotTaken", _OLD, _refused("statusReason", "not-taken")),
        ("reasonForUseCodeableConcept", DSTU2, _renamed("reasonCode")),
    ),
    "Observation": _elements(
        _CONTEXT,
        ("comments", DSTU2, _renamed("note")),
        ("comment", STU3, _renamed("note")),
        ("related", _OLD, _dropped),
        ("triggeredBy", R5, _dropped),
    ),
    "Patient": _elements(
        ("careProvider", DSTU2, _renamed("generalPractitioner")),
        ("animal", _OLD, _dropped),
    ),
    "Procedure": _elements(
        _CONTEXT,
        ("notPerformed", DSTU2, _negates("not-done")),
        ("notDone", STU3, _negates("not-done")),
        ("reasonNotPerformed", DSTU2, _refused("statusReason", "not-done")),
        ("notDoneReason", STU3, _refused("statusReason", "not-done")),
        ("reasonCodeableConcept", DSTU2, _renamed("reasonCode")),
        ("notes", DSTU2, _renamed("note")),
        ("definition", STU3, _dropped),
        ("request", DSTU2, _dropped),
        _REASON,
        ("occurrenceDateTime", R5, _renamed("performedDateTime")),
        ("occurrencePeriod", R5, _renamed("performedPeriod")),
        ("occurrenceString", R5, _renamed("performedString")),
        ("occurrenceAge", R5, _renamed("performedAge")),
        ("occurrenceRange", R5, _renamed("performedRange")),
        ("recorded", R5, _kept),
    ),
}
"""By type and name: the elements that R4 does not have in this form."""
