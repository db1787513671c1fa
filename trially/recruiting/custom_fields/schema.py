"""Custom fields as clients define and read them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, Flag, PageQuerySchema, Text
from trially.recruiting.custom_fields.choices import CustomPhi, CustomResource, CustomType
from trially.recruiting.custom_fields.model import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    NAME,
    CustomField,
)
from trially.resources.fields import text

MOST_CHOICES = 200
LONGEST_CHOICE = 200

columns = table_of(CustomField).c


class CustomFieldSchema(Schema):
    """A tenant's own field of patients, studies or sites."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    resource = Choice(CustomResource, dump_only=True, metadata={EXAMPLE: "patient"})
    name = fields.String(
        dump_only=True,
        metadata={EXAMPLE: "referral_source", "description": "The key of the values in `custom`."},
    )
    label = text(columns.label, required=True, example="Referral source")
    type = Choice(CustomType, dump_only=True, metadata={EXAMPLE: "choice"})
    choices = fields.List(
        Text(LONGEST_CHOICE),
        validate=validate.Length(max=MOST_CHOICES),
        metadata={
            EXAMPLE: ["Newspaper", "Physician"],
            "description": "What a value may be, if the type is `choice`. Stored values stay when a"
            " choice is removed.",
        },
    )
    description = Text(
        LONGEST_DESCRIPTION, allow_none=True, example="How the patient came to know of us"
    )
    phi = Choice(
        CustomPhi,
        metadata={
            EXAMPLE: "none",
            "description": "`identifier`: only members with the PHI level `full` see the values."
            " `none`: all who see the row. Fields of patients are identifiers unless it says"
            " otherwise. Fields of studies and sites never are.",
        },
    )
    is_archived = Flag(
        metadata={"description": "True: the field takes no new values. Stored values stay."}
    )
    is_used = fields.Boolean(
        dump_only=True,
        metadata={"description": "A row has had a value. Such a field cannot be deleted."},
    )
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)

    @validates("choices")
    def refuse_repeated(self, choices: list[str], **_: Any) -> None:
        """Refuse choices of which two are the same."""
        if len(set(choices)) < len(choices):
            raise ValidationError("Must name each choice once.")


class CustomFieldBodySchema(CustomFieldSchema):
    """A custom field as it is defined. Resource, name and type never change."""

    resource = Choice(CustomResource, required=True, metadata={EXAMPLE: "patient"})
    name = fields.String(
        required=True,
        validate=validate.Regexp(
            NAME + r"\Z",
            error=f"Must be 1 to {LONGEST_NAME} of a to z, 0 to 9 and _, and begin with a letter.",
        ),
        metadata={"pattern": f"^{NAME}$", EXAMPLE: "referral_source"},
    )
    type = Choice(CustomType, required=True, metadata={EXAMPLE: "choice"})


class CustomFieldQuerySchema(PageQuerySchema):
    """Query parameters of a list of custom fields."""

    resource = Choice(CustomResource)
    is_archived = fields.Boolean(truthy={"true"}, falsy={"false"})
