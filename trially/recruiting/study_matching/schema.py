"""Matches, runs, previews and decisions, as clients read and write them."""

from marshmallow import Schema, fields, validate

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, PageQuerySchema
from trially.phi import IDENTIFIER, PLAIN
from trially.recruiting.criteria.evaluation.verdicts import Verdict
from trially.recruiting.criteria.language.criteria import MOST_CRITERIA, Side
from trially.recruiting.patients.schema import PatientSchema
from trially.recruiting.protocols.versions.criteria_schema import CriterionSchema
from trially.recruiting.study_matching.marked_fields import english, number
from trially.recruiting.study_matching.model import Decision, MatchDecision, RunState, Trigger
from trially.resources.fields import text

SHOWN_OF_PATIENT = (
    *("id", "mrn", "given_name", "family_name", "birth_date", "birth_date_precision"),
    *("sex", "site_id", "contact_preference"),
)

EXAMPLE_KEY = "0192d3e4-5f6a-7b8c-9d0e-1f2a3b4c5d6e"

_AS_OF = {
    "description": "The day for which ages and windows are computed, in the tenant's time zone."
    " Statuses are those of today also for a former day. Left out: now.",
    EXAMPLE: "2026-11-27",
}


class VerdictCountsSchema(Schema):
    """Numbers of patients by verdict. Small ones are null for members of the PHI level `none`."""

    eligible = number("All inclusions are met, and no exclusion is.")
    potential = number("No hard criterion fails, and some are not decided.")
    ineligible = number("A hard criterion fails.")


class AttritionStepSchema(Schema):
    """What one criterion does to the numbers."""

    position = fields.Integer(dump_only=True, metadata=PLAIN | {EXAMPLE: 0})
    key = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: EXAMPLE_KEY})
    kind = Choice(Side, dump_only=True, metadata=PLAIN)
    sentence = english("The patient is at least 18 years old.", "What it asks, in English.")
    is_on = fields.Boolean(dump_only=True, metadata=PLAIN | {EXAMPLE: True})
    is_evaluated = fields.Boolean(
        dump_only=True,
        metadata=PLAIN | {EXAMPLE: True, "description": "`false`: a person decides it."},
    )
    passes = number("Who surely has what an inclusion asks, or not what an exclusion asks.")
    fails = number("Whom the criterion surely rules out.")
    undecided = number("For whom it is not decided.")
    remaining = fields.Nested(
        VerdictCountsSchema,
        dump_only=True,
        metadata={"description": "After this criterion and those before it."},
    )
    without = fields.Nested(
        VerdictCountsSchema,
        dump_only=True,
        metadata={"description": "With all criteria but this one."},
    )


class AttritionSchema(Schema):
    """Numbers of patients, in all and criterion by criterion."""

    as_of = fields.Date(dump_only=True, metadata=PLAIN | {EXAMPLE: "2026-11-27"})
    patients = number("Living patients whose records are current.", 100_000)
    counts = fields.Nested(VerdictCountsSchema, dump_only=True)
    criteria = fields.List(fields.Nested(AttritionStepSchema), dump_only=True)


class AttritionQuerySchema(Schema):
    """For which day to count."""

    as_of = fields.Date(metadata=_AS_OF)


class PreviewedCriterionSchema(CriterionSchema):
    """A criterion to count with. Without an expression, its statement is what a person decides."""

    class Meta:
        """Only what the evaluation needs."""

        fields = ("kind", "statement", "expression", "is_hard", "weight")


class PreviewBodySchema(Schema):
    """Criteria to count with, and which of them are switched off."""

    criteria = fields.List(
        fields.Nested(PreviewedCriterionSchema),
        validate=validate.Length(max=MOST_CRITERIA),
        metadata={"description": "In place of the criteria of the version. Nothing is stored."},
    )
    off = fields.List(
        fields.Integer(strict=True, validate=validate.Range(min=0, max=MOST_CRITERIA - 1)),
        load_default=list,
        validate=validate.Length(max=MOST_CRITERIA),
        metadata={"description": "Positions of criteria to count without.", EXAMPLE: []},
    )
    as_of = fields.Date(metadata=_AS_OF)


class UndecidedSchema(Schema):
    """Numbers of criteria that are not decided for a patient, by what would decide them."""

    records = number("A record is missing, or does not say enough.", 1)
    conflicts = number("Records contradict each other.", 0)
    people = number("A person must answer.", 0)


class MatchSchema(Schema):
    """A patient whom a study's criteria select, or rule out by a few criteria only."""

    subjects = ("patient_id",)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    study_id = fields.UUID(dump_only=True, metadata=PLAIN)
    patient_id = fields.UUID(dump_only=True, metadata=PLAIN)
    verdict = Choice(Verdict, dump_only=True, metadata=PLAIN)
    unknowns = fields.Integer(
        dump_only=True,
        metadata=PLAIN | {EXAMPLE: 1, "description": "How many criteria are not decided."},
    )
    undecided = fields.Nested(
        UndecidedSchema, dump_only=True, metadata={"description": "The unknowns by their kinds."}
    )
    score = fields.Integer(
        dump_only=True,
        metadata=PLAIN
        | {EXAMPLE: 90, "description": "Weight of the inclusions that are met, in percent of all."},
    )
    changed_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)


class MatchedPatientSchema(PatientSchema):
    """The fields of a patient that a list of matches shows."""

    class Meta:
        """Only what helps to recognise the patient."""

        fields = SHOWN_OF_PATIENT


class ListedMatchSchema(MatchSchema):
    """A match with its patient, and with what a person decided."""

    patient = fields.Nested(MatchedPatientSchema)
    decision = Choice(Decision, dump_only=True, allow_none=True, metadata=PLAIN)


class MatchRunQuerySchema(PageQuerySchema):
    """Which runs to list."""

    trigger = Choice(Trigger)
    state = Choice(RunState)


class MatchQuerySchema(PageQuerySchema):
    """Which matches to list."""

    verdict = Choice(Verdict)


class RunCountsSchema(VerdictCountsSchema):
    """What a run has found and written, in numbers of patients."""

    added = number("New matches.")
    changed = number("Matches that have another verdict, or others of their numbers.")
    removed = number("Matches that there are no more.")


class MatchRunSchema(Schema):
    """One computation of a study's matches for all patients."""

    id = fields.UUID(dump_only=True)
    study_id = fields.UUID(dump_only=True)
    as_of = fields.Date(dump_only=True)
    trigger = Choice(Trigger, dump_only=True)
    state = Choice(RunState, dump_only=True)
    counts = fields.Nested(
        RunCountsSchema,
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "Null until the run is done, and for members who do not see all sites."
        },
    )
    started_at = fields.AwareDateTime(dump_only=True)
    ended_at = fields.AwareDateTime(dump_only=True, allow_none=True)


class MatchDecisionSchema(Schema):
    """What a person decided about a patient and a study."""

    subjects = ("patient_id",)

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    study_id = fields.UUID(dump_only=True, metadata=PLAIN)
    patient_id = fields.UUID(dump_only=True, metadata=PLAIN)
    decision = Choice(Decision, required=True, metadata=PLAIN)
    reason = text(
        table_of(MatchDecision).c.reason,
        required=True,
        example="Moved away",
        metadata=IDENTIFIER,
    )
    decided_by = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "auth0|ada"})
    created_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
    updated_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
