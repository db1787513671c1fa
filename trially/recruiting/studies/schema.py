"""Studies as clients write and read them."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, Flag, PageQuerySchema, Sort, Text
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.value_schemas import CustomFiltersSchema, custom_values
from trially.recruiting.studies.model import (
    SORTS,
    Phase,
    RecruitingStatus,
    Study,
    StudySex,
    StudySource,
    StudyStatus,
    StudyType,
)
from trially.resources.fields import text

columns = table_of(Study).c
MOST_TERMS = 100
"""Conditions, keywords or interventions of a study."""

LONGEST_TERM = 200
LONGEST_INTERVENTION_TYPE = 40
_AGE = r"P([0-9]{1,3}[YMWD]|T[0-9]{1,4}[HM])"


def _age(description: str) -> fields.String:
    return fields.String(
        allow_none=True,
        validate=validate.Regexp(
            rf"{_AGE}\Z", error="Must be a duration with one unit, as P18Y, P6M, P3W or PT12H."
        ),
        metadata={"pattern": f"^{_AGE}$", EXAMPLE: "P18Y", "description": description},
    )


class InterventionSchema(Schema):
    """Something that a study does."""

    type = Text(LONGEST_INTERVENTION_TYPE, required=True, example="drug")
    name = Text(LONGEST_TERM, required=True, example="Metformin")

    @validates_schema
    def _is_whole(self, intervention: Mapping[str, Any], **_: Any) -> None:
        """Refuse a part of an intervention: a patch of a study replaces the whole list."""
        missing = [name for name in ("type", "name") if name not in intervention]
        if missing:
            raise ValidationError({name: ["Missing data for required field."] for name in missing})


class StudySchema(Schema):
    """A clinical study that the tenant recruits for."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    protocol_number = text(columns.protocol_number, required=True, example="GLY-302")
    nct_id = fields.String(
        allow_none=True,
        validate=validate.Regexp(r"NCT[0-9]{8}\Z", error="Must be NCT and eight digits."),
        # JSON Schema searches for a pattern, and does not know `\Z`.
        metadata={"pattern": "^NCT[0-9]{8}$", EXAMPLE: "NCT05512345"},
    )
    title = text(columns.title, required=True, example="Glucose control in type 2 diabetes")
    sponsor = text(columns.sponsor, allow_none=True, example="Northwind Therapeutics")
    phases = fields.List(Choice(Phase), validate=validate.Length(max=5))
    study_type = Choice(StudyType)
    status = Choice(StudyStatus)
    conditions = fields.List(
        Text(LONGEST_TERM, example="Type 2 diabetes"), validate=validate.Length(max=MOST_TERMS)
    )
    keywords = fields.List(
        Text(LONGEST_TERM, example="HbA1c"), validate=validate.Length(max=MOST_TERMS)
    )
    interventions = fields.List(
        fields.Nested(InterventionSchema), validate=validate.Length(max=MOST_TERMS)
    )
    sex = Choice(
        StudySex,
        allow_none=True,
        metadata={"description": "Who may take part, by sex. Null if the study does not say."},
    )
    minimum_age = _age("The youngest age of participants. Null: there is no limit.")
    maximum_age = _age("The oldest age of participants. Null: there is no limit.")
    healthy_volunteers = Flag(
        allow_none=True,
        metadata={"description": "Whether healthy persons may take part. Null: not known."},
    )
    target_enrollment = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, 10_000_000),
        metadata={EXAMPLE: 240},
    )
    custom = custom_values(CustomResource.STUDY)
    recruiting_status = Choice(
        RecruitingStatus,
        dump_only=True,
        metadata={
            "description": "Whether the tenant recruits now. `status` is that of the whole study."
        },
    )
    source = Choice(
        StudySource,
        dump_only=True,
        metadata={"description": "`ctgov` if the study was imported from ClinicalTrials.gov."},
    )
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


class RecruitingStatusSchema(Schema):
    """The status that a tenant's recruiting for a study shall have."""

    recruiting_status = Choice(RecruitingStatus, required=True)


class StudyQuerySchema(PageQuerySchema, CustomFiltersSchema):
    """Query parameters of a list of studies."""

    sort = Sort(SORTS)
    status = Choice(StudyStatus)
    recruiting_status = Choice(RecruitingStatus)
    phase = Choice(Phase)
    source = Choice(StudySource)
    nct_id = text(columns.nct_id, example="NCT05512345")
