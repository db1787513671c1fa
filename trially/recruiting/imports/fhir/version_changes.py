"""How a resource of another version of FHIR is changed into the form of R4, element by element.

A wrong translation of a negation would turn a record into its opposite, so each Boolean that
negates must be readable: otherwise the resource is refused.
"""

from collections.abc import Callable
from typing import Any

from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import ResourceError
from trially.recruiting.imports.fhir.values import read_object, read_objects, require_flag

Resource = dict[str, Any]
Translate = Callable[[Resource, str], None]
"""Changes a resource, given the name of the element."""

FLAGS = frozenset({"wasNotGiven", "notGiven", "notPerformed", "notDone", "wasNotTaken", "taken"})
"""Elements that negate. They are translated last, because reasons are compared with them."""


def renamed(new: str) -> Translate:
    """Return the change of a name. What R4's element says stays, if it is there too."""

    def change(resource: Resource, name: str) -> None:
        value = resource.pop(name)
        if resource.get(new) is None:
            resource[new] = value

    return change


def dropped(resource: Resource, name: str) -> None:
    """Leave the element out: R4 has none like it, and nothing else depends on it."""
    del resource[name]


def kept(_resource: Resource, _name: str) -> None:
    """Leave the element as it is, because it is read in this form as well."""


def negates(status: str) -> Translate:
    """Return the change for a Boolean that says that something was not done."""

    def change(resource: Resource, name: str) -> None:
        value = resource.pop(name)
        if require_flag(value, f"{resource['resourceType']}.{name}", Reading()):
            _set_negative(resource, status)

    return change


def refused(new: str, status: str) -> Translate:
    """Return the change for the reason why something was not done: so it was not done.

    Raises `ResourceError` if the resource says that it was done.
    """

    def change(resource: Resource, name: str) -> None:
        reason = resource[name]
        renamed(new)(resource, name)
        if reason not in ([], {}):
            if any(resource.get(flag) in (False, "false", "y") for flag in FLAGS):
                kind = resource["resourceType"]
                raise ResourceError(f"{kind}.{name}", "contradicts that it was done")
            _set_negative(resource, status)

    return change


def _set_negative(resource: Resource, status: str) -> None:
    if resource.get("status") != "entered-in-error":
        resource["status"] = status


def taken(resource: Resource, name: str) -> None:
    """STU3 says by a code whether a medication was taken: y, n, unk or na."""
    taken = resource.pop(name)
    if taken == "n":
        _set_negative(resource, "not-taken")
    elif taken == "unk":
        _set_negative(resource, "unknown")
    elif taken not in ("y", "na"):
        raise ResourceError("MedicationStatement.taken", "is not one of y, n, unk, na")


def adherence(resource: Resource, name: str) -> None:
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


def code_reference(code: str, reference: str, *, is_list: bool = False) -> Translate:
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


def encounter_reasons(resource: Resource, name: str) -> None:
    """R5 groups the reasons of an encounter: `reason[].value[]`. STU3 has plain concepts."""
    concepts = []
    for reason in read_objects(resource.pop(name)):
        values = read_objects(reason.get("value"))
        concepts += [item["concept"] for item in values if item.get("concept") is not None]
        if "coding" in reason or "text" in reason:
            concepts.append(reason)
    if concepts and resource.get("reasonCode") is None:
        resource["reasonCode"] = concepts


def class_code(resource: Resource, name: str) -> None:
    """DSTU2's class is a code."""
    resource[name] = {"code": resource[name]}


def class_concepts(resource: Resource, name: str) -> None:
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


def allergy_status(resource: Resource, name: str) -> None:
    """DSTU2 has one status, with the codes of two."""
    status = resource.pop(name)
    known = status if type(status) is str else ""
    if known in _ALLERGY_CLINICAL:
        resource.setdefault("clinicalStatus", known)
    elif known in _ALLERGY_VERIFICATION:
        resource.setdefault("verificationStatus", known)
    else:
        raise ResourceError("AllergyIntolerance.status", "is not a status of FHIR DSTU2")


def criticality(resource: Resource, name: str) -> None:
    """DSTU2 has codes of its own for the criticality of an allergy."""
    resource[name] = _CRITICALITIES[resource[name]]


def listed(resource: Resource, name: str) -> None:
    """Put the only value into a list, as R4 has it."""
    resource[name] = [resource[name]]


def explanation(resource: Resource, name: str) -> None:
    """Before R4, reasons for and against an immunization are in one element."""
    explanation = read_object(resource.pop(name))
    reasons, refusals = explanation.get("reason"), explanation.get("reasonNotGiven")
    if reasons is not None:
        resource.setdefault("reasonCode", reasons)
    if refusals is not None:
        resource["reasonNotGiven"] = refusals
        refused("statusReason", "not-done")(resource, "reasonNotGiven")


def order_intent(resource: Resource, name: str) -> None:
    """DSTU2's MedicationOrder is an order, and has no element for that."""
    renamed("authoredOn")(resource, name)
    resource.setdefault("intent", "order")


def order_end(resource: Resource, name: str) -> None:
    """DSTU2's order has an end. R4 says until when the order is valid."""
    request = dict(read_object(resource.get("dispenseRequest")))
    end = resource.pop(name)
    if request.get("validityPeriod") is None:
        resource["dispenseRequest"] = {**request, "validityPeriod": {"end": end}}


def is_text(value: Any) -> bool:
    """Whether the value is a JSON string."""
    return type(value) is str


def is_object(value: Any) -> bool:
    """Whether the value is a JSON object."""
    return type(value) is dict


def is_list(value: Any) -> bool:
    """Whether the value is a JSON array."""
    return type(value) is list


def is_old_criticality(value: Any) -> bool:
    """Whether the value is one of DSTU2's codes of criticality."""
    return value in _CRITICALITIES if type(value) is str else False
