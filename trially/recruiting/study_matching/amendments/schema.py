"""Patients whom another version of a protocol affects, as clients read them."""

from marshmallow import Schema, fields

from trially.http.fields import EXAMPLE, Choice, PageQuerySchema
from trially.phi import PLAIN
from trially.recruiting.criteria.evaluation.verdicts import Verdict
from trially.recruiting.study_matching.marked_fields import number
from trially.recruiting.study_matching.schema import MatchedPatientSchema

_FORMER = PLAIN | {EXAMPLE: "potential", "description": "By the first version."}
_LATTER = PLAIN | {EXAMPLE: "eligible", "description": "By the second version."}


class ChangeCountSchema(Schema):
    """How many patients change from one verdict to another."""

    former = Choice(Verdict, dump_only=True, metadata=_FORMER)
    latter = Choice(Verdict, dump_only=True, metadata=_LATTER)
    patients = number("Small numbers are null for members of the PHI level `none`.")


class AmendmentCountsSchema(Schema):
    """How many patients two versions of a protocol judge differently."""

    as_of = fields.Date(dump_only=True, metadata=PLAIN | {EXAMPLE: "2026-11-27"})
    patients = number("Patients whom at least one of the versions judges.", 100_000)
    unchanged = number("Patients with the same verdict by both versions.", 99_900)
    changed = number("Patients with another verdict.", 100)
    changes = fields.List(fields.Nested(ChangeCountSchema), dump_only=True)


class AffectedPatientSchema(Schema):
    """A patient whom two versions of a protocol judge differently."""

    subjects = ("patient_id",)

    patient_id = fields.UUID(dump_only=True, metadata=PLAIN)
    former = Choice(Verdict, dump_only=True, metadata=_FORMER)
    latter = Choice(Verdict, dump_only=True, metadata=_LATTER)
    patient = fields.Nested(MatchedPatientSchema)


class AffectedPatientQuerySchema(PageQuerySchema):
    """Which of the affected patients to list."""

    former = Choice(Verdict, metadata={"description": "The verdict by the first version."})
    latter = Choice(Verdict, metadata={"description": "The verdict by the second version."})
