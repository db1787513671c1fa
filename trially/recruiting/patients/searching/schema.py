"""Searches of patients as clients write them, and what they find."""

from marshmallow import Schema, fields

from trially.http.fields import EXAMPLE, Choice, PageBodySchema, Sort, Text
from trially.phi import PLAIN
from trially.recruiting.custom_fields.value_schemas import searched_custom_values
from trially.recruiting.patients.choices import Sex
from trially.recruiting.patients.model import SORTS
from trially.recruiting.patients.schema import (
    BIRTH_DATE,
    MRN,
    PatientSchema,
    columns,
    record_status_filter,
)
from trially.recruiting.search.query import MatchKind
from trially.resources.fields import text

NAME_PREFIX = {
    "description": "Words of the name, or how they begin. Accents, case and apostrophes do not"
    " matter. All names of a patient are searched."
}
LONGEST_QUERY = 200


class MatchSchema(Schema):
    """What matched a word of a search."""

    field = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "family_name"})
    use = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN
        | {
            EXAMPLE: "maiden",
            "description": "The use of a name or identifier that is not the one shown:"
            " `maiden`, `old`, `nickname`, …",
        },
    )
    of_replaced_record = fields.Boolean(
        dump_only=True,
        metadata=PLAIN
        | {
            EXAMPLE: False,
            "description": "Whether it is from a record that the patient's record replaces.",
        },
    )
    kind = Choice(MatchKind, dump_only=True, metadata=PLAIN | {EXAMPLE: "prefix"})
    hint = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN
        | {EXAMPLE: None, "description": "How a date was read that has two meanings."},
    )


class FoundPatientSchema(PatientSchema):
    """A patient that a search found. It lists what matched, but never the value."""

    matched = fields.List(fields.Nested(MatchSchema), dump_only=True)


class PatientSearchSchema(PageBodySchema):
    """Criteria of a search; a patient must meet all of them."""

    q = Text(
        LONGEST_QUERY,
        example="mei lind",
        metadata={
            "description": "Words to find in any of: all names, MRN, other identifiers, phone"
            " number, email address and birth date. Accents, case and apostrophes do not matter."
            " The best matches come first."
        },
    )
    mrn = text(
        columns.mrn,
        example=MRN,
        metadata={
            "description": "The MRN, or another identifier. Case, blanks, hyphens and leading"
            " zeros do not matter."
        },
    )
    given_name = text(columns.given_name, example="mei", metadata=NAME_PREFIX)
    family_name = text(columns.family_name, example="lind", metadata=NAME_PREFIX)
    birth_date = fields.Date(metadata=BIRTH_DATE)
    sex = Choice(Sex)
    site_id = fields.UUID()
    record_status = record_status_filter()
    custom = searched_custom_values()
    sort = Sort(SORTS)
