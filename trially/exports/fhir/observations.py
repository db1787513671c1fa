"""Write an Observation with its components."""

from collections.abc import Mapping, Sequence

from trially.exports.fhir.details import details_of, write_details
from trially.exports.fhir.elements import (
    ABSENT,
    Json,
    Row,
    coding,
    concept_of,
    date_time,
    number_of,
    present,
    required_code,
)
from trially.exports.fhir.facts import (
    TERMINOLOGY,
    begin,
    categories_of,
    code_of_fact,
    end_of,
    start_of,
    when_of,
)
from trially.exports.fhir.quantities import quantity

_BOOLEANS = {"true": True, "false": False}
_IN_COMPONENTS = ("dataAbsentReason", "interpretation", "referenceRange")


def write_observation(facts: Sequence[Row]) -> Json:
    """Return the Observation of a fact and of those of its components, in their order."""
    fact, *components = facts
    resource = begin(fact, "Observation", "subject")
    required_code(resource, "status", fact["status"])
    return present(
        {
            **resource,
            "category": categories_of(fact),
            "code": code_of_fact(fact) or ABSENT,
            "focus": [{"display": fact["focus"]}] if fact["focus"] else None,
            **when_of("effective", start_of(fact), end_of(fact)),
            "issued": date_time(fact["recorded_at"], "instant", fact["recorded_offset"]),
            **_value(fact),
            **write_details(fact, "Observation"),
            "component": _components(components),
        }
    )


def _components(facts: Sequence[Row]) -> list[Json]:
    """Return components at their places. A place whose component was not kept has no code."""
    if not facts:
        return []
    by_place: Mapping[int, Row] = {fact["component"]: fact for fact in facts}
    return [
        _component(by_place[place]) if place in by_place else {"code": ABSENT}
        for place in range(1, max(by_place) + 1)
    ]


def _component(fact: Row) -> Json:
    details = write_details(fact, "Observation")
    return present(
        {
            "code": code_of_fact(fact),
            **_value(fact),
            **{name: details[name] for name in _IN_COMPONENTS if name in details},
        }
    )


def _value(fact: Row) -> Json:
    """Return the value, its interpretation and its reference range."""
    ends = {
        end: quantity(number_of(number), fact["unit"])
        for end, number in (("low", fact["reference_low"]), ("high", fact["reference_high"]))
        if number is not None
    }
    reference_range = present({**ends, "text": fact["reference_text"]})
    system = f"{TERMINOLOGY}/v3-ObservationInterpretation"
    interpretation = fact["interpretation"]
    return {
        **_measured(fact),
        "referenceRange": [reference_range] if reference_range else None,
        "interpretation": [{"coding": [coding(system, interpretation)]}]
        if interpretation
        else None,
    }


def _measured(fact: Row) -> Json:
    number, code, text = fact["value_number"], fact["value_code"], fact["value_text"]
    whole = details_of(fact).get("value")
    if whole is not None:
        return {"valueCodeableConcept": {**(concept_of(whole) or {}), **_text(whole, text)}}
    if number is not None or (fact["unit"] and text is None and code is None):
        value = None if number is None else number_of(number)
        return {"valueQuantity": quantity(value, fact["unit"], fact["comparator"])}
    if code in _BOOLEANS and fact["value_code_system"] is None and text is None:
        return {"valueBoolean": _BOOLEANS[code]}
    if code is not None:
        return {"valueCodeableConcept": {"coding": [coding(fact["value_code_system"], code, text)]}}
    return {"valueString": text}


def _text(whole: Row, text: str | None) -> Json:
    """Return the text of a coded value, unless it is the display of its code."""
    return {"text": text} if text and text != whole.get("display") else {}
