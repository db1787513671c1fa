"""`python -m tools.imported_elements` writes docs/imported-elements.md from this table.

`r4_elements.json` has the elements of each type in FHIR R4 and their data types. A test translates
each element and compares what it finds with the table.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.imported_data_types import describe_data_types, find_part

R4_ELEMENTS: Mapping[str, Mapping[str, str]] = json.loads(
    Path(__file__).with_name("r4_elements.json").read_text()
)
"""By type and element, such as `reaction.severity`: the data type. Lists end in `*`."""

_WHEN = "`start_at`, `end_at`"
_CATEGORIES = "`category`; several, or with a text: `details.categories`"
_ENCOUNTER = "the encounter's id, not shown"
_MEDICATION = {
    "medicationCodeableConcept": "`code`, `other_codings`, `details.text`",
    "medicationReference": "the code of the Medication, or the display of the reference",
    "note": "`details.note`",
    "reasonCode": "`details.reason`",
    "reasonReference": "`details.reason_reference`, if it has a display",
    "status": "`status`, `negated`, `entered_in_error`",
    "statusReason": "`details.status_reason`",
    "category": _CATEGORIES,
    "subject": "the patient",
}
_STATUSES = {
    "clinicalStatus": "`clinical_status`",
    "verificationStatus": "`verification_status`, `entered_in_error`",
}
_SPECIAL_RANGES = (
    "`details.reference_ranges`, if it is one of several, has another unit than the value, or is"
    " for some people"
)
_OBSERVED = {
    "valueQuantity": "`value_number`, `value_decimal`, `unit`, `comparator`",
    "valueCodeableConcept": "`value_code`, `value_code_system`, `value_text`; several codings, or"
    " display and text: `details.value`",
    "valueString": "`value_text`",
    "valueBoolean": "`value_code`",
    "valueInteger": "`value_number`",
    "valueRange": "`value_text`",
    "valueRatio": "`value_text`",
    "valueTime": "`value_text`",
    "valueDateTime": "`value_text`",
    "valuePeriod": "`value_text`",
    "dataAbsentReason": "`details.absent_reason`",
    "interpretation": "`interpretation`, `details.interpretation`",
    "referenceRange": "`reference_low`, `reference_high`, `reference_text`",
    "referenceRange.low": f"`reference_low`; {_SPECIAL_RANGES}",
    "referenceRange.high": f"`reference_high`; {_SPECIAL_RANGES}",
    "referenceRange.text": f"`reference_text`; {_SPECIAL_RANGES}",
    "referenceRange.age": "`details.reference_ranges`",
    "referenceRange.type": "`details.reference_ranges`",
    "referenceRange.appliesTo": "`details.reference_ranges`",
}

KEPT: Mapping[str, Mapping[str, str]] = {
    "AllergyIntolerance": {
        **_STATUSES,
        "category": "`category`; several: `details.categories`",
        "code": "`code`, `other_codings`, `details.text`",
        "criticality": "`criticality`",
        "encounter": _ENCOUNTER,
        "lastOccurrence": "`details.last_occurrence`",
        "note": "`details.note`",
        **{
            f"onset{form}": "`start_at`; an age and a text also in `details.onset`"
            for form in ("Age", "DateTime", "Period", "Range", "String")
        },
        "patient": "the patient",
        "reaction": "`details.reaction`",
        "reaction.description": "`details.reaction`",
        "reaction.manifestation": "`details.reaction`",
        "reaction.onset": "`details.reaction`",
        "reaction.severity": "`details.reaction`",
        "reaction.substance": "`details.reaction`; `code`, if there is no other",
        "recordedDate": "`recorded_at`",
        "type": "`details.type`",
    },
    "Condition": {
        **_STATUSES,
        **{
            f"abatement{form}": "`end_at`; an age and a text also in `details.abatement`"
            for form in ("Age", "DateTime", "Period", "Range", "String")
        },
        **{
            f"onset{form}": "`start_at`; an age and a text also in `details.onset`"
            for form in ("Age", "DateTime", "Period", "Range", "String")
        },
        "bodySite": "`details.body_site`",
        "category": _CATEGORIES,
        "code": "`code`, `other_codings`, `details.text`",
        "encounter": _ENCOUNTER,
        "evidence": "`details.evidence`",
        "evidence.code": "`details.evidence`",
        "note": "`details.note`",
        "recordedDate": "`recorded_at`",
        "severity": "`details.severity`",
        "stage": "`details.stage`",
        "stage.summary": "`details.stage`",
        "stage.type": "`details.stage`, if the stage has a summary",
        "subject": "the patient",
    },
    "Encounter": {
        "class": "`category`; a display: `details.class`",
        "diagnosis": "`details.diagnosis`",
        "diagnosis.condition": "`details.diagnosis`",
        "hospitalization": "`details.discharge`",
        "hospitalization.dischargeDisposition": "`details.discharge`",
        "location": "`details.location`",
        "location.location": "`details.location`, if it has a display",
        "period": _WHEN,
        "priority": "`details.priority`",
        "reasonCode": "`details.reason`",
        "reasonReference": "`details.reason_reference`, if it has a display",
        "serviceType": "`details.service_type`",
        "status": "`status`, `entered_in_error`",
        "subject": "the patient",
        "type": "`code`; several, or with a text: `details.type`",
    },
    "Immunization": {
        "doseQuantity": "`details.quantity`",
        "encounter": _ENCOUNTER,
        "isSubpotent": "`details.is_subpotent`",
        "lotNumber": "`details.lot_number`",
        "note": "`details.note`",
        "occurrenceDateTime": "`start_at`",
        "occurrenceString": "`details.onset`; `start_at`, if it says a date",
        "patient": "the patient",
        "protocolApplied": "`details.series`",
        "protocolApplied.doseNumberPositiveInt": "`details.series`",
        "protocolApplied.doseNumberString": "`details.series`",
        "protocolApplied.series": "`details.series`",
        "protocolApplied.targetDisease": "`details.series`",
        "reaction": "`details.reaction`",
        "reaction.date": "`details.reaction`",
        "reasonCode": "`details.reason`",
        "reasonReference": "`details.reason_reference`, if it has a display",
        "recorded": "`recorded_at`",
        "route": "`details.route`",
        "site": "`details.body_site`",
        "status": "`status`, `negated`, `entered_in_error`",
        "statusReason": "`details.status_reason`",
        "vaccineCode": "`code`, `other_codings`, `details.text`",
    },
    "Medication": {
        "code": "`code` and `other_codings` of the records that refer to it",
        "ingredient": "`code`, if there is no other and there is one ingredient; else all names",
        "ingredient.itemCodeableConcept": "`code`, if there is no other",
        "ingredient.itemReference": "`display`, if there is no code",
        "status": "whether it was entered in error, for the counts",
    },
    "MedicationAdministration": {
        **_MEDICATION,
        "context": _ENCOUNTER,
        "dosage": "`details.dosage`",
        "dosage.dose": "`details.dosage`",
        "dosage.method": "`details.dosage`",
        "dosage.rateQuantity": "`details.dosage`",
        "dosage.rateRatio": "`details.dosage`",
        "dosage.route": "`details.dosage`",
        "dosage.site": "`details.dosage`",
        "dosage.text": "`details.dosage`",
        "effectiveDateTime": "`start_at`",
        "effectivePeriod": _WHEN,
    },
    "MedicationDispense": {
        **{
            name: where
            for name, where in _MEDICATION.items()
            if name not in ("reasonCode", "reasonReference", "statusReason")
        },
        "context": _ENCOUNTER,
        "daysSupply": "`details.days_supply`",
        "dosageInstruction": "`details.dosage`; its timing may give `start_at`, `end_at`",
        "quantity": "`details.quantity`",
        "statusReasonCodeableConcept": "`details.status_reason`",
        "type": "`details.type`",
        "whenHandedOver": "`start_at`",
        "whenPrepared": "`recorded_at`; `start_at`, if it was not handed over",
    },
    "MedicationRequest": {
        **_MEDICATION,
        "authoredOn": "`recorded_at`; `start_at`, if the dosage has no bounds",
        "courseOfTherapyType": "`details.course_of_therapy`",
        "dispenseRequest": "`details.supply`",
        "dispenseRequest.expectedSupplyDuration": "`details.supply`",
        "dispenseRequest.numberOfRepeatsAllowed": "`details.supply`",
        "dispenseRequest.quantity": "`details.supply`",
        "dispenseRequest.validityPeriod": f"{_WHEN}, if nothing else gives them",
        "doNotPerform": "such a request is not imported",
        "dosageInstruction": "`details.dosage`; its timing gives `start_at`, `end_at`",
        "encounter": _ENCOUNTER,
        "intent": "`intent`",
        "priority": "`details.priority`",
        "reportedBoolean": "`details.is_reported`",
    },
    "MedicationStatement": {
        **_MEDICATION,
        "context": _ENCOUNTER,
        "dateAsserted": "`recorded_at`",
        "dosage": "`details.dosage`; its timing may give `start_at`, `end_at`",
        "effectiveDateTime": "`start_at`",
        "effectivePeriod": _WHEN,
    },
    "Observation": {
        **_OBSERVED,
        "bodySite": "`details.body_site`",
        "category": _CATEGORIES,
        "code": "`code`, `other_codings`, `details.text`",
        "component": "a record of its own with `component` and `parent_code`",
        "component.code": "`code`, `other_codings`, `details.text`",
        **{f"component.{name}": where for name, where in _OBSERVED.items()},
        "derivedFrom": "`details.derived_from`: the ids",
        "effectiveDateTime": "`start_at`",
        "effectiveInstant": "`start_at`",
        "effectivePeriod": _WHEN,
        "effectiveTiming": f"{_WHEN}: the events or the bounds",
        "encounter": _ENCOUNTER,
        "focus": "`focus`, `has_focus`",
        "hasMember": "`details.members`: the ids",
        "issued": "`recorded_at`",
        "method": "`details.method`",
        "note": "`details.note`",
        "specimen": "`details.specimen`, if it has a display",
        "status": "`status`, `entered_in_error`",
        "subject": "the patient",
    },
    "Patient": {
        "active": "stored",
        "address": "`address`: the current one, the home first",
        "birthDate": "`birth_date`, `birth_date_precision`",
        "communication": "`language`: the preferred one",
        "communication.language": "`language`",
        "communication.preferred": "chooses `language`",
        "deceasedBoolean": "`deceased`",
        "deceasedDateTime": "`deceased`, `deceased_at`, `deceased_on`, `deceased_precision`",
        "gender": "`sex`",
        "identifier": "`mrn`",
        "name": "`given_name`, `family_name`: the current one, the official first",
        "telecom": "`phone`, `email`: the current ones, the highest rank first",
    },
    "Procedure": {
        "bodySite": "`details.body_site`",
        "category": _CATEGORIES,
        "code": "`code`, `other_codings`, `details.text`",
        "complication": "`details.complication`",
        "encounter": _ENCOUNTER,
        "followUp": "`details.follow_up`",
        "location": "`details.location`, if it has a display",
        "note": "`details.note`",
        "outcome": "`details.outcome`",
        **{
            f"performed{form}": f"{_WHEN}; an age and a text also in `details.onset`"
            for form in ("Age", "DateTime", "Period", "Range", "String")
        },
        "reasonCode": "`details.reason`",
        "reasonReference": "`details.reason_reference`, if it has a display",
        "status": "`status`, `negated`, `entered_in_error`",
        "statusReason": "`details.status_reason`",
        "subject": "the patient",
        "usedCode": "`details.used`",
    },
}
"""By type and element: where an element is kept. An element that is not here is not kept."""

INTRODUCTION = """\
# Imported elements

Written by `make docs` from `tools/imported_elements.py`. A test translates a resource with each element of FHIR R4, and compares the rows
with this page.

An import keeps the elements below, of these types. A field such as `start_at` is one of a record in `GET /patients/{patient_id}/records`;
`details.note` is in its `details`. Resources of other types are counted as `passed_over`, or are imported as documents.

These hold for all types:

- An element that cannot be read is left out and listed as a fault. The rest of the resource is kept.
- `id` is kept. `meta`, `implicitRules`, `language`, `text` (the narrative) and `extension` are not kept. Race, ethnicity and gender identity
  of a Patient are extensions that are kept.
- A record with a `modifierExtension` is refused, because the extension may turn it into its opposite.
- `contained` Medications and Observations are read, and other contained resources are not.
- Of a concept, all codings and the text are kept: the first coding of the preferred system as `code`, the others as `other_codings`. Of a
  status, only the code of its first coding is.
- Lists and texts have limits, and a fault says what is cut.
- An element that FHIR R4 does not define is not kept, unless it is one of another version that is translated.

## Data types

{data_types}

## Dates

`at` is null if the source gives no date; such records come last. `at_on`, `start_on` and `end_on` are the local day, where the source is. A
time without a UTC offset is in the time zone of its source (`time_zone` in `/sources`), or else of the tenant (`flask tenants set
--time-zone`). If the zone changes, the instants of these times are calculated again, and the days stay. An age is added to the birth date, so
`at` follows when the birth date is corrected. A text is read if it says only a year, a date or an age: `about 2006`, `at age 45`.

Dates that cannot be right are stored with `date_problem`, and are not used: an end before the start, something that happened in the future of
the import, dates before 1850, and dates before the patient's birth or more than a year after the death: certificates and late results come in
that year. They are compared again whenever birth or death change. A patient's impossible dates are only in `impossible_dates`.

## Other versions of FHIR

Resources of DSTU2, STU3 and R5 are recognised by their profile, by `fhirVersion`, and by elements that R4 does not have. They are translated
into R4 first, MedicationOrder included. Negations (`notDone`, `notGiven`, `wasNotGiven`, `wasNotTaken`, `notPerformed`, `taken`, `adherence`)
become the status `not-done`, `not-taken` or `declined`, and `negated` is true. A resource is refused if a negation cannot be read, if it has
elements of two versions, or if it says that it has another version.
"""


def describe_elements() -> str:
    """Return the page, in Markdown."""
    parts = [INTRODUCTION.replace("{data_types}", "\n".join(describe_data_types()))]
    for kind, elements in R4_ELEMENTS.items():
        kept = KEPT[kind]
        left_out = [name for name in elements if name not in kept]
        rows = [f"| `{name}` | {kept[name]} |" for name in elements if name in kept]
        parts.append(
            f"\n## {kind}\n\n| element | kept as |\n|---|---|\n"
            + "\n".join(rows)
            + f"\n\nNot kept: {_wrap(left_out)}\n"
        )
    return "".join(parts)


def is_on_page(kind: str, path: list[str]) -> bool:
    """Return whether the page says what happens to an element of a resource: kept, or not.

    The path has the names of the element, of those that hold it, and of the parts of its data type.
    """
    if path[0] in _OF_ALL_TYPES or any(
        name in _EVERYWHERE or name.startswith("_") for name in path
    ):
        return True
    elements = R4_ELEMENTS[kind]
    for length in range(len(path), 0, -1):
        name = ".".join(path[:length])
        if name in elements:
            data_type = _DATA_TYPES.get(elements[name].rstrip("*"), elements[name].rstrip("*"))
            is_left_out = name not in KEPT[kind]
            return is_left_out or find_part(data_type, path[length:]) is not None
    return False


_OF_ALL_TYPES = frozenset({"id", "meta", "implicitRules", "language", "text", "resourceType"})
_EVERYWHERE = frozenset({"extension", "modifierExtension", "contained"})
_DATA_TYPES = {"FHIRReference": "Reference"}


def _wrap(names: list[str]) -> str:
    """Return a list of names, with lines of at most 142 characters."""
    lines, line = [], "Not kept: "
    for name in names:
        word = f"`{name}`, "
        if len(line) + len(word) > 140:
            lines.append(line.rstrip())
            line = ""
        line += word
    lines.append(line.rstrip().rstrip(",") + ".")
    return "\n".join(lines).removeprefix("Not kept: ")


def main() -> None:
    """Write the page."""
    sys.stdout.write(describe_elements())


if __name__ == "__main__":
    main()
