"""The details of a record: the elements that have no field of their own.

Texts are free text of the source, so the PHI level `limited` does not see them. It sees codes of
public code systems.
"""

from typing import Any

from marshmallow import Schema, fields

from trially.http.fields import EXAMPLE
from trially.phi import CODE, IDENTIFIER, PLAIN, value_set


def _words(example: str | None = None) -> fields.String:
    return fields.String(allow_none=True, metadata=IDENTIFIER | {EXAMPLE: example})


def _texts(example: str) -> fields.List[Any]:
    return fields.List(fields.String(), allow_none=True, metadata=IDENTIFIER | {EXAMPLE: [example]})


class CodingSchema(Schema):
    """A further coding of a concept."""

    system = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("code system") | {EXAMPLE: "http://snomed.info/sct"},
    )
    code = fields.String(dump_only=True, metadata=CODE | {EXAMPLE: "44054006"}, allow_none=True)
    display = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {EXAMPLE: "Diabetes mellitus type 2 (disorder)"},
    )


class ConceptSchema(Schema):
    """A concept: its code, name and text."""

    system = fields.String(
        allow_none=True,
        metadata=value_set("code system") | {EXAMPLE: "http://snomed.info/sct"},
    )
    code = fields.String(allow_none=True, metadata=CODE | {EXAMPLE: "80248007"})
    display = _words("Left breast")
    text = _words()
    type = _words()
    other_codings = fields.List(fields.Nested(CodingSchema))


def _concept() -> fields.Nested:
    return fields.Nested(ConceptSchema)


def _concepts() -> fields.List[Any]:
    return fields.List(fields.Nested(ConceptSchema))


class DosageSchema(Schema):
    """How a medication is taken."""

    text = _words("1 tablet daily")
    instruction = _words()
    dose = _words("500 mg")
    rate = _words()
    route = _concept()
    site = _concept()
    timing = _words("2 per 1 d")
    as_needed = fields.Boolean(metadata=PLAIN)
    as_needed_for = _concept()
    method = _concept()
    additional = _concepts()
    most = _words("4000 mg / 1 d")


class ReactionSchema(Schema):
    """A reaction to an allergen or a vaccine."""

    substance = _concept()
    manifestation = _concepts()
    severity = _words("severe")
    onset = _words()
    description = _words()


class ReferenceRangeSchema(Schema):
    """A reference range that is one of several, is for some people, or has a unit of its own."""

    low = _words("8 U/L")
    high = _words("40 U/L")
    text = _words()
    age = _words("18 a - …")
    type = _concept()
    applies_to = _concepts()


class DoseOfSeriesSchema(Schema):
    """A dose of a vaccination series."""

    dose = _words("2")
    series = _words()
    disease = _concepts()


class SupplySchema(Schema):
    """What a prescription allows to dispense."""

    quantity = _words("90 {tbl}")
    repeats = fields.Integer(metadata=PLAIN)
    duration = _words("30 d")


DetailsSchema = Schema.from_dict(
    {
        "text": _words("Sugar disease"),
        "onset": _words("45 a"),
        "abatement": _words("50 a"),
        **{
            name: _concepts()
            for name in (
                *("body_site", "stage", "evidence", "reason", "reason_reference", "status_reason"),
                *("categories", "type", "complication", "follow_up", "used", "location"),
                *("interpretation", "specimen"),
            )
        },
        **{
            name: _concept()
            for name in (
                *("severity", "method", "outcome", "class", "service_type", "priority", "route"),
                *("discharge", "absent_reason", "course_of_therapy", "value"),
            )
        },
        "dosage": fields.List(fields.Nested(DosageSchema)),
        "reaction": fields.List(fields.Nested(ReactionSchema)),
        "reference_ranges": fields.List(fields.Nested(ReferenceRangeSchema)),
        "series": fields.List(fields.Nested(DoseOfSeriesSchema)),
        "supply": fields.Nested(SupplySchema),
        "note": _texts("Tolerated well."),
        "members": _texts("obs-1"),
        "derived_from": _texts("obs-2"),
        "diagnosis": _texts("cond-1"),
        "quantity": _words("0.5 mL"),
        "days_supply": _words("30 d"),
        "lot_number": _words(),
        "last_occurrence": _words("2019-05-01"),
        "is_subpotent": _words(),
        "is_reported": _words(),
    },
    name="RecordDetailsSchema",
)
"""The details of all types of records. A record has those that its source gives."""
