"""Members as the API shows them."""

from marshmallow import Schema, ValidationError, fields, validate, validates

from trially.auth.members.model import SORTS, Member
from trially.auth.roles import PhiLevel, Role
from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, PageQuerySchema, Sort
from trially.resources.fields import text

MOST_SITES = 1000

columns = table_of(Member).c


class GrantSchema(Schema):
    """What a member has, or an invited person will have."""

    display_name = text(columns.display_name, allow_none=True, example="Noor van den Berg")
    role = Choice(Role, required=True, metadata={EXAMPLE: "coordinator"})
    phi_level = Choice(PhiLevel, metadata={EXAMPLE: "limited"})
    site_ids = fields.List(
        fields.UUID(),
        allow_none=True,
        validate=validate.Length(max=MOST_SITES),
        metadata={
            "description": "The sites that the member is restricted to; null means all sites."
        },
    )


class MemberSchema(GrantSchema):
    """A person or machine that may act in the tenant."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    issuer = fields.String(dump_only=True, metadata={EXAMPLE: "https://login.trially.ai"})
    subject = fields.String(dump_only=True, metadata={EXAMPLE: "user-4711"})
    email = text(columns.email, allow_none=True, example="noor@clinic.example")
    created_at = fields.AwareDateTime(dump_only=True)

    @validates("email")
    def refuse_no_address(self, email: str | None, **_: object) -> None:
        """Refuse a text that is no email address."""
        refuse_no_address(email)


class MemberQuerySchema(PageQuerySchema):
    """Query parameters of a list of members."""

    sort = Sort(SORTS)


def refuse_no_address(email: str | None) -> None:
    """Raise `ValidationError` unless a text has one @ between two parts without blanks."""
    name, at, host = (email or "a@b").rpartition("@")
    if not (name and at and host) or "@" in name or any(map(str.isspace, f"{name}{host}")):
        raise ValidationError("Must be an email address.")
