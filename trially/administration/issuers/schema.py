"""A tenant's own issuers as the API shows them."""

from enum import StrEnum

from marshmallow import Schema, fields, validate

from trially.auth.token_encoding import MAX_TOKEN_BYTES
from trially.database.model import length_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, Flag, Text
from trially.tenancy.own_issuers import (
    LONGEST_LIFETIME_SECONDS,
    SHORTEST_LIFETIME_SECONDS,
    TenantIssuer,
)

_AUDIENCE = (
    "urn:trially:tenant:019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa"
    ":issuer:019bb5ef-91c0-7e51-8f0e-2f6f1b7f3c55"
)


class IssuerStatus(StrEnum):
    """Whether the tokens of an issuer count."""

    PENDING = "pending"
    """The control of the issuer has not been proven."""

    ACTIVE = "active"
    """Its tokens count for the tenant's members and invited persons."""

    DISABLED = "disabled"
    """An owner has disabled it."""

    RESERVED = "reserved"
    """The operators trust the issuer themselves by now, so it is no tenant's own."""


class IssuerSchema(Schema):
    """An OpenID Connect issuer that the tenant has registered for itself."""

    subjects = ()

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    issuer = Text(
        length_of(TenantIssuer.issuer),
        required=True,
        example="https://login.clinic.example",
        metadata={"description": "The exact value of `iss` in its tokens. It cannot be changed."},
    )
    name = Text(length_of(TenantIssuer.name), load_default="", shortest=0, example="Clinic sign-in")
    audience = fields.String(
        dump_only=True,
        metadata={
            EXAMPLE: _AUDIENCE,
            "description": "The value of `aud` that its access tokens must have.",
        },
    )
    max_lifetime_seconds = fields.Integer(
        strict=True,
        load_default=3600,
        validate=validate.Range(SHORTEST_LIFETIME_SECONDS, LONGEST_LIFETIME_SECONDS),
        metadata={EXAMPLE: 3600, "description": "The longest time from `iat` to `exp`."},
    )
    is_enabled = fields.Boolean(dump_only=True)
    status = Choice(
        IssuerStatus,
        dump_only=True,
        metadata={"description": "Only tokens of an `active` issuer count."},
    )
    proven_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    created_at = fields.AwareDateTime(dump_only=True)


class IssuerChangeSchema(Schema):
    """What can be changed of an issuer."""

    name = Text(length_of(TenantIssuer.name), shortest=0, example="Clinic sign-in")
    max_lifetime_seconds = fields.Integer(
        strict=True,
        validate=validate.Range(SHORTEST_LIFETIME_SECONDS, LONGEST_LIFETIME_SECONDS),
        metadata={EXAMPLE: 3600, "description": "The longest time from `iat` to `exp`."},
    )
    is_enabled = Flag(
        metadata={EXAMPLE: True, "description": "False ends its tokens within 5 seconds."},
    )


class ListedIssuerSchema(IssuerSchema):
    """An issuer in the list of the tenant's issuers."""


class IssuersSchema(Schema):
    """The issuers of the tenant."""

    subjects = ()

    data = fields.List(fields.Nested(ListedIssuerSchema), required=True)
    most = fields.Integer(
        required=True, metadata={EXAMPLE: 3, "description": "How many the tenant may register."}
    )


class ForceQuerySchema(Schema):
    """Whether to end the way in of all owners."""

    force = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={"description": "Do it also if no owner could sign in after that."},
    )


class IssuerProofSchema(Schema):
    """A token that proves the control of an issuer."""

    token = fields.String(
        required=True,
        load_only=True,
        validate=validate.Length(1, MAX_TOKEN_BYTES),
        metadata={
            EXAMPLE: "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IjEifQ.e30.AA",
            "description": "An access token that the issuer has signed for `audience`, at most 10"
            " minutes ago.",
        },
    )


class IssuerCheckSchema(Schema):
    """One thing that was tried."""

    name = fields.String(required=True, metadata={EXAMPLE: "discovery"})
    is_ok = fields.Boolean(required=True)
    detail = fields.String(
        required=True,
        metadata={
            EXAMPLE: "https://login.clinic.example/.well-known/openid-configuration names this"
            " issuer."
        },
    )


class IssuerKeySchema(Schema):
    """A key that the issuer publishes and that this back end accepts."""

    kid = fields.String(required=True, metadata={EXAMPLE: "2026-11"})
    algorithm = fields.String(required=True, metadata={EXAMPLE: "RS256"})


class IssuerReportSchema(Schema):
    """What the test of an issuer has found."""

    subjects = ()

    is_usable = fields.Boolean(required=True)
    checks = fields.List(fields.Nested(IssuerCheckSchema), required=True)
    keys = fields.List(fields.Nested(IssuerKeySchema), required=True)
