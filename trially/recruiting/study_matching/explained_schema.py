"""Explanations of matches, as clients read them."""

from marshmallow import Schema, fields

from trially.http.disclosures import IN_PATH
from trially.http.fields import EXAMPLE, Choice
from trially.phi import CODE, DATE, PLAIN, value_set
from trially.recruiting.criteria.evaluation.verdicts import Standing, Verdict
from trially.recruiting.criteria.explaining.ways import Way
from trially.recruiting.criteria.judgements import Outcome, Reason
from trially.recruiting.criteria.language.criteria import Side
from trially.recruiting.records.choices import Comparator, DatePrecision, RecordType
from trially.recruiting.study_matching.marked_fields import english, number
from trially.recruiting.study_matching.model import Decision
from trially.recruiting.study_matching.ranks import UnknownKind
from trially.recruiting.study_matching.schema import EXAMPLE_KEY, UndecidedSchema


class EvidenceRecordSchema(Schema):
    """A record that decides a result. Impossible, withdrawn and future ones never do."""

    subjects = (IN_PATH,)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    type = Choice(RecordType, dump_only=True, metadata=PLAIN)
    code_system = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=value_set("code system") | {EXAMPLE: "http://loinc.org"},
    )
    code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: "4548-4"})
    start_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)
    start_precision = Choice(DatePrecision, dump_only=True, allow_none=True, metadata=PLAIN)
    end_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None})
    value_number = fields.String(dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: "7.4"})
    unit = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("unit") | {EXAMPLE: "%"}
    )
    comparator = Choice(
        Comparator, dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None}
    )
    converted_number = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN
        | {EXAMPLE: None, "description": "The value in the unit of the criterion, if it differs."},
    )
    converted_unit = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("unit") | {EXAMPLE: None}
    )
    value_code = fields.String(dump_only=True, allow_none=True, metadata=CODE | {EXAMPLE: None})
    status = fields.String(
        dump_only=True, allow_none=True, metadata=value_set("status") | {EXAMPLE: "final"}
    )
    is_refuting = fields.Boolean(
        dump_only=True,
        metadata=PLAIN
        | {EXAMPLE: False, "description": "The record says that the condition was ruled out."},
    )


class LeafResultSchema(Schema):
    """The result of one question of a criterion."""

    pointer = fields.String(
        dump_only=True,
        metadata=PLAIN | {EXAMPLE: "", "description": "Its place in the expression."},
    )
    kind = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "observation"})
    sentence = english("The most recent HbA1c is at least 7 %.", "What it asks, in English.")
    outcome = Choice(Outcome, dump_only=True, metadata=PLAIN)
    reason = Choice(
        Reason,
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {"description": "Why it is not known, or rests on no record."},
    )
    reason_text = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {EXAMPLE: None, "description": "The reason in English."},
    )
    until = fields.AwareDateTime(
        dump_only=True,
        allow_none=True,
        metadata=DATE | {"description": "When time alone may change it. Null: never."},
    )
    records = fields.List(
        fields.Nested(EvidenceRecordSchema),
        dump_only=True,
        metadata={"description": "The latest of the records that decide it, at most 20."},
    )
    record_count = number("How many records decide it.", 1)


class ChangeSchema(Schema):
    """What would change the result of one question."""

    pointer = fields.String(
        dump_only=True,
        metadata=PLAIN | {EXAMPLE: "", "description": "The place of the question."},
    )
    wanted = Choice(Outcome, dump_only=True, metadata=PLAIN | {EXAMPLE: "met"})
    way = Choice(Way, dump_only=True, metadata=PLAIN)
    from_day = fields.Date(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {"description": "The first day of a new record. Null: any."},
    )
    to_day = fields.Date(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN
        | {EXAMPLE: None, "description": "The last day of a new record. Null: today."},
    )
    at = fields.AwareDateTime(
        dump_only=True,
        allow_none=True,
        metadata=DATE | {EXAMPLE: None, "description": "When time alone changes the result."},
    )
    text = english(
        "A new result of HbA1c that is at least 7 %, dated 2026-08-29 or later.",
        "All of this in English.",
    )


class AlternativeSchema(Schema):
    """Changes that satisfy a criterion together."""

    changes = fields.List(fields.Nested(ChangeSchema), dump_only=True)


class CriterionResultSchema(Schema):
    """The result of one criterion, and the results of its parts."""

    position = fields.Integer(dump_only=True, metadata=PLAIN | {EXAMPLE: 0})
    key = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: EXAMPLE_KEY})
    kind = Choice(Side, dump_only=True, metadata=PLAIN)
    sentence = english("The patient is at least 18 years old.", "What it asks, in English.")
    outcome = Choice(Outcome, dump_only=True, metadata=PLAIN)
    unknown_kind = Choice(
        UnknownKind,
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {"description": "What would decide it. Null: it is decided."},
    )
    alternatives = fields.List(
        fields.Nested(AlternativeSchema),
        dump_only=True,
        metadata={"description": "What would satisfy it. Each alternative is enough."},
    )
    leaves = fields.List(fields.Nested(LeafResultSchema), dump_only=True)


class MatchExplanationSchema(Schema):
    """What a study's criteria say of a patient now, with the evidence."""

    subjects = (IN_PATH,)

    study_id = fields.UUID(dump_only=True, metadata=PLAIN)
    verdict = Choice(Verdict, dump_only=True, metadata=PLAIN)
    standing = Choice(
        Standing,
        dump_only=True,
        metadata=PLAIN
        | {"description": "Why a patient is not matched, whatever the criteria say."},
    )
    score = fields.Integer(dump_only=True, metadata=PLAIN | {EXAMPLE: 90})
    undecided = fields.Nested(UndecidedSchema, dump_only=True)
    valid_until = fields.AwareDateTime(
        dump_only=True,
        allow_none=True,
        metadata=DATE | {"description": "When time alone may change a result. Null: never."},
    )
    criteria = fields.List(fields.Nested(CriterionResultSchema), dump_only=True)


class OpenCriterionSchema(CriterionResultSchema):
    """A criterion that keeps a potential patient from being eligible."""

    class Meta:
        """Without the evidence, and without what would satisfy it."""

        exclude = ("alternatives", "leaves")


class StudyOfPatientSchema(MatchExplanationSchema):
    """What the criteria of one of several studies say of a patient."""

    class Meta:
        """Without the criteria that are decided, and without until when they are."""

        exclude = ("criteria", "valid_until")

    protocol_number = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "GLY-302"})
    title = fields.String(
        dump_only=True, metadata=PLAIN | {EXAMPLE: "Glucose control in type 2 diabetes"}
    )
    failing = number("How many criteria rule the patient out.", 0)
    open_criteria = fields.List(
        fields.Nested(OpenCriterionSchema),
        dump_only=True,
        metadata={
            "description": "What keeps a potential patient from being eligible. Empty for others."
        },
    )
    decision = Choice(
        Decision,
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {"description": "What a person decided, whatever the criteria say."},
    )


class NamedStudySchema(Schema):
    """A study that is only named."""

    study_id = fields.UUID(dump_only=True, metadata=PLAIN)
    protocol_number = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "GLY-302"})
    title = fields.String(
        dump_only=True, metadata=PLAIN | {EXAMPLE: "Glucose control in type 2 diabetes"}
    )


class PatientStudiesSchema(Schema):
    """The studies with an active version, the best for the patient first."""

    subjects = (IN_PATH,)

    studies = fields.List(fields.Nested(StudyOfPatientSchema), dump_only=True)
    not_evaluated = fields.List(
        fields.Nested(NamedStudySchema),
        dump_only=True,
        metadata={
            "description": "Studies whose criteria name codes that cannot be looked up. Their"
            " attrition says which codes."
        },
    )
