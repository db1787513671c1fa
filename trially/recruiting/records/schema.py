"""Records of a patient as clients read them."""

from enum import StrEnum
from typing import Any

from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.disclosures import IN_PATH
from trially.http.fields import EXAMPLE, Choice, PageQuerySchema
from trially.phi import CODE, IDENTIFIER, PLAIN, value_set
from trially.recruiting.patients.choices import WithdrawalReason
from trially.recruiting.records.choices import (
    Comparator,
    DatePrecision,
    DateProblem,
    ListedWithdrawn,
    RecordType,
)
from trially.recruiting.records.details import CodingSchema, DetailsSchema
from trially.recruiting.records.model import ClinicalFact
from trially.resources.fields import text

columns = table_of(ClinicalFact).c


AT = {"description": "When the event happened or else was recorded. Null if that is unknown."}
LOCAL = {"description": "The local day, where the source is."}
OFFSET = {"description": "Offset from UTC at the source, in minutes.", EXAMPLE: -300}
DECIMAL = {
    "description": "`value_number` with all its digits, as text. JavaScript rounds numbers.",
    EXAMPLE: None,
}
NEGATED = {"description": "True if this was *not* done, taken or given.", EXAMPLE: False}
HAS_FOCUS = {
    "description": "True if the record is about somebody or something else than the patient, such"
    " as an unborn child or a donor.",
    EXAMPLE: False,
}
WITHDRAWN = {
    "description": "Since when the record is withdrawn: it is kept, and must not be used.",
    EXAMPLE: None,
}
PROBLEM = {
    "description": "Why the dates cannot be right. Do not use the dates of such a record.",
    EXAMPLE: None,
}


class DatedBy(StrEnum):
    """What the date of a record says."""

    OCCURRENCE = "occurrence"
    RECORDING = "recording"


def date_time(**metadata: Any) -> fields.AwareDateTime:
    """Return the field of a time that may be unknown."""
    return fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN | metadata)


def day() -> fields.Date:
    """Return the field of a local day that may be unknown."""
    return fields.Date(dump_only=True, allow_none=True, metadata=PLAIN | LOCAL)


def flag(metadata: dict[str, Any]) -> fields.Boolean:
    """Return the field of a Boolean."""
    return fields.Boolean(dump_only=True, metadata=PLAIN | metadata)


def word(set_name: str, example: str | None = None) -> fields.String:
    """Return the field of a code of FHIR, from a value set."""
    return fields.String(
        dump_only=True, allow_none=True, metadata=value_set(set_name) | {EXAMPLE: example}
    )


def number() -> fields.Float:
    """Return the field of a number that may be unknown."""
    return fields.Float(dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None})


class RecordSchema(Schema):
    """One coded, dated fact about a patient."""

    subjects = (IN_PATH,)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    at = date_time(**AT)
    at_on = day()
    dated_by = Choice(DatedBy, dump_only=True, allow_none=True, metadata=PLAIN)
    type = Choice(RecordType, dump_only=True, metadata=PLAIN)
    code_system = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("code system") | {EXAMPLE: "http://snomed.info/sct"},
    )
    code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: "44054006"})
    display = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {EXAMPLE: "Diabetes mellitus type 2 (disorder)"},
    )
    other_codings = fields.List(fields.Nested(CodingSchema), dump_only=True, allow_none=True)
    category = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("category") | {EXAMPLE: "problem-list-item"},
    )
    status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("status") | {EXAMPLE: None}
    )
    clinical_status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("clinical status") | {EXAMPLE: "active"}
    )
    verification_status = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("verification status") | {EXAMPLE: "confirmed"},
    )
    criticality = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("criticality") | {EXAMPLE: None}
    )
    negated = flag(NEGATED)
    intent = word("intent")
    has_focus = flag(HAS_FOCUS)
    focus = fields.String(dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: None})
    start_at = date_time()
    start_on = day()
    start_precision = Choice(DatePrecision, dump_only=True, allow_none=True, metadata=PLAIN)
    start_offset = fields.Integer(dump_only=True, allow_none=True, metadata=PLAIN | OFFSET)
    end_at = date_time()
    end_on = day()
    end_precision = Choice(DatePrecision, dump_only=True, allow_none=True, metadata=PLAIN)
    end_offset = fields.Integer(dump_only=True, allow_none=True, metadata=PLAIN | OFFSET)
    date_problem = Choice(DateProblem, dump_only=True, allow_none=True, metadata=PLAIN | PROBLEM)
    recorded_at = date_time()
    value_number = number()
    value_decimal = fields.String(dump_only=True, allow_none=True, metadata=PLAIN | DECIMAL)
    value_code_system = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("code system") | {EXAMPLE: None}
    )
    value_code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: None})
    value_text = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: None}
    )
    unit = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("unit") | {EXAMPLE: None}
    )
    comparator = Choice(
        Comparator, dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None}
    )
    reference_low = number()
    reference_high = number()
    reference_text = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: None}
    )
    interpretation = word("interpretation")
    details = fields.Nested(DetailsSchema, dump_only=True, allow_none=True)
    parent_code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: None})
    source = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "epic"})
    source_type = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "Condition"})
    source_id = fields.String(
        dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: "cond-2207"}
    )
    component = fields.Integer(dump_only=True, metadata=PLAIN)
    entered_in_error = fields.Boolean(dump_only=True, metadata=PLAIN)
    withdrawn_at = date_time(**WITHDRAWN)
    withdrawn_reason = Choice(
        WithdrawalReason, dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None}
    )


def _flag_filter(description: str) -> fields.Boolean:
    return fields.Boolean(truthy={"true"}, falsy={"false"}, metadata={"description": description})


class ContentQuerySchema(PageQuerySchema):
    """Filters by what a record says, when, and how certain it is."""

    type = Choice(RecordType)
    verification_status = text(columns.verification_status, example="confirmed")
    negated = _flag_filter("`true` lists only what was not done, taken or given.")
    intent = text(columns.intent, example="order")
    has_focus = _flag_filter("`true` lists only what is about somebody else than the patient.")
    withdrawn = Choice(
        ListedWithdrawn,
        load_default=ListedWithdrawn.IN_USE,
        metadata={
            "description": "`false` lists records in use, `true` withdrawn ones, `all` both."
        },
    )
    code = text(
        columns.code,
        example="44054006",
        metadata={"description": "A code among all codings of the record."},
    )
    system = text(
        columns.code_system,
        example="http://snomed.info/sct",
        metadata={"description": "The code system of such a coding."},
    )
    category = text(
        columns.category,
        example="laboratory",
        metadata={"description": "A code or text among all categories of the record."},
    )
    status = text(
        columns.status,
        example="final",
        metadata={"description": "The status or the clinical status."},
    )
    since = fields.Date(metadata={"description": "First local day of `at`.", EXAMPLE: "2020-01-01"})
    until = fields.Date(metadata={"description": "Last local day of `at`.", EXAMPLE: "2020-12-31"})


class RecordQuerySchema(ContentQuerySchema):
    """Query parameters of a list of records."""

    entered_in_error = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={"description": "`true` lists only records entered in error, `false` all others."},
    )


class EventQuerySchema(ContentQuerySchema):
    """Query parameters of a timeline."""


class EventSchema(Schema):
    """One event in a patient's history."""

    subjects = (IN_PATH,)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    at = date_time(**AT)
    at_on = day()
    dated_by = Choice(DatedBy, dump_only=True, allow_none=True, metadata=PLAIN)
    precision = Choice(DatePrecision, dump_only=True, allow_none=True, metadata=PLAIN)
    until = date_time()
    until_on = day()
    date_problem = Choice(DateProblem, dump_only=True, allow_none=True, metadata=PLAIN | PROBLEM)
    type = Choice(RecordType, dump_only=True, metadata=PLAIN)
    source_type = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "Condition"})
    category = word("category", "laboratory")
    code_system = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("code system") | {EXAMPLE: "http://snomed.info/sct"},
    )
    code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: "44054006"})
    display = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {EXAMPLE: "Diabetes mellitus type 2 (disorder)"},
    )
    status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("status of an event") | {EXAMPLE: None}
    )
    verification_status = word("verification status", "confirmed")
    negated = flag(NEGATED)
    intent = word("intent")
    has_focus = flag(HAS_FOCUS)
    focus = fields.String(dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: None})
    value = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER | {EXAMPLE: None} | {"description": "The value with its unit."},
    )
    interpretation = word("interpretation")
    withdrawn_at = date_time(**WITHDRAWN)
    withdrawn_reason = Choice(
        WithdrawalReason, dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None}
    )
