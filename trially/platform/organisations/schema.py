"""Organisations as operators' panels read them."""

from marshmallow import Schema, fields

from trially.http.fields import EXAMPLE, PageQuerySchema


class PlatformOrganisationSchema(Schema):
    """An organisation, with the numbers of its tenants and people."""

    id = fields.UUID(required=True)
    organisation = fields.String(required=True, metadata={EXAMPLE: "midwest"})
    name = fields.String(required=True, metadata={EXAMPLE: "Midwest Research Network"})
    joined = fields.Integer(
        required=True,
        metadata={EXAMPLE: 4, "description": "Tenants that share counts with it."},
    )
    invited = fields.Integer(
        required=True,
        metadata={EXAMPLE: 1, "description": "Tenants whose owners have not accepted."},
    )
    people = fields.Integer(required=True, metadata={EXAMPLE: 2})
    created_at = fields.AwareDateTime(required=True)


class OrganisationQuerySchema(PageQuerySchema):
    """Query parameters of organisations."""

    class Meta:
        """The list is not counted."""

        exclude = ("total",)
