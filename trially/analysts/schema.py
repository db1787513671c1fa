"""Organisations as their people read them."""

from marshmallow import Schema, fields

from trially.http.fields import EXAMPLE, Choice
from trially.tenancy.organisations.model import OrganisationRole


class OrganisationSchema(Schema):
    """An organisation of the caller."""

    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={EXAMPLE: "Midwest Research Network"})
    role = Choice(OrganisationRole, required=True)


class OrganisationsSchema(Schema):
    """All organisations of the caller."""

    organisations = fields.List(fields.Nested(OrganisationSchema), required=True)
