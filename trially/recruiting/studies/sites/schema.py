"""Sites of studies as clients write and read them."""

from marshmallow import Schema, fields, validate

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, PageQuerySchema
from trially.recruiting.studies.sites.model import StudySite, StudySiteStatus
from trially.resources.fields import text

columns = table_of(StudySite).c


class StudySiteSchema(Schema):
    """A site that recruits for a study, or will."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    study_id = fields.UUID(dump_only=True)
    site_id = fields.UUID(required=True)
    status = Choice(
        StudySiteStatus,
        metadata={
            EXAMPLE: "open",
            "description": "A site that was open once cannot be `planned` again.",
        },
    )
    target_enrollment = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, 10_000_000),
        metadata={EXAMPLE: 24, "description": "Patients that the site is to enrol."},
    )
    investigator = text(columns.investigator, allow_none=True, example="Dr. Ines Aguilar")
    opened_on = fields.Date(
        allow_none=True,
        metadata={"description": "Set to today when the site is opened first, if it is null."},
    )
    closed_on = fields.Date(
        allow_none=True,
        metadata={
            EXAMPLE: None,
            "description": "Set to today when the site is closed, if it is null.",
        },
    )
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)


class StudySitePatchSchema(StudySiteSchema):
    """What can be changed of a site of a study."""

    class Meta:
        """The site itself stays."""

        exclude = ("site_id",)


class StudySiteQuerySchema(PageQuerySchema):
    """Query parameters of a study's sites."""

    status = Choice(StudySiteStatus)
