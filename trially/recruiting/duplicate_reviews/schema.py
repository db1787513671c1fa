"""Possible duplicates as clients read and decide them."""

from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, PageQuerySchema
from trially.phi import IDENTIFIER, PLAIN
from trially.recruiting.duplicates.model import DuplicateState, PossibleDuplicate
from trially.recruiting.duplicates.scoring import MOST_SCORE
from trially.recruiting.patients.schema import PatientSchema

columns = table_of(PossibleDuplicate).c

SHOWN_OF_PATIENT = (
    "id",
    "mrn",
    "given_name",
    "family_name",
    "birth_date",
    "birth_date_precision",
    "sex",
    "phone",
    "email",
    "site_id",
    "source",
)


class DuplicateSchema(Schema):
    """A pair of patients that may be the same person."""

    subjects = ("patient_id", "other_patient_id")

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    etag = EntityTag()
    patient_id = fields.UUID(dump_only=True, metadata=PLAIN)
    other_patient_id = fields.UUID(dump_only=True, metadata=PLAIN)
    score = fields.Integer(
        dump_only=True,
        metadata=PLAIN
        | {
            EXAMPLE: 80,
            "description": f"How much speaks for one person, up to {MOST_SCORE}.",
        },
    )
    reasons = fields.List(
        fields.String(),
        dump_only=True,
        allow_none=True,
        metadata=IDENTIFIER
        | {
            EXAMPLE: ["same_name", "same_birth_date"],
            "description": "What agrees (`same_…`, `similar_…`), and what contradicts (`other_…`).",
        },
    )
    state = Choice(DuplicateState, metadata=PLAIN)
    created_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
    updated_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)


class ComparedPatientSchema(PatientSchema):
    """The fields of a patient that a user compares."""

    class Meta:
        """Only the fields that help to compare."""

        fields = SHOWN_OF_PATIENT


class DuplicatePairSchema(DuplicateSchema):
    """A pair of patients that may be the same person, with what identifies them."""

    patient = fields.Nested(ComparedPatientSchema)
    other_patient = fields.Nested(ComparedPatientSchema)


class DecisionSchema(DuplicateSchema):
    """What a user decides about a pair."""

    class Meta:
        """Only the state is decided."""

        fields = ("state",)


class DuplicateQuerySchema(PageQuerySchema):
    """Query parameters of the list of possible duplicates."""

    state = Choice(DuplicateState, load_default=DuplicateState.OPEN)
