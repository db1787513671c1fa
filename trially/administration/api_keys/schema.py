"""API keys as the API shows them."""

from marshmallow import Schema, fields, validate

from trially.auth.api_keys.model import ApiKey
from trially.auth.permissions import Permission
from trially.auth.roles import NOT_FOR_KEYS, PhiLevel
from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, PageQuerySchema
from trially.keys.api_keys import LENGTH, PREFIX
from trially.resources.fields import text

MOST_DAYS = 366

SCOPES = sorted(str(each) for each in set(Permission) - NOT_FOR_KEYS)

columns = table_of(ApiKey).c


class ApiKeySchema(Schema):
    """A key with which a program acts for a member."""

    id = fields.UUID(dump_only=True)
    member_id = fields.UUID(dump_only=True)
    name = text(columns.name, required=True, example="Nightly import")
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)),
        required=True,
        validate=validate.Length(1, len(SCOPES)),
        metadata={
            EXAMPLE: ["imports:read", "imports:write"],
            "description": "The permissions that the key has, while its member has them too."
            " `me:read` need not be named.",
        },
    )
    phi_level = Choice(
        PhiLevel,
        required=True,
        metadata={EXAMPLE: "none", "description": "The most that the key shows of patients."},
    )
    expires_at = fields.AwareDateTime(dump_only=True)
    last_used_at = fields.AwareDateTime(
        dump_only=True,
        allow_none=True,
        metadata={"description": "When it was used last, within 10 minutes; null if never."},
    )
    created_at = fields.AwareDateTime(dump_only=True)


class NewApiKeySchema(ApiKeySchema):
    """A key to create."""

    valid_days = fields.Integer(
        strict=True,
        required=True,
        load_only=True,
        validate=validate.Range(1, MOST_DAYS),
        metadata={EXAMPLE: 90, "description": "After how many days the key expires."},
    )


class CreatedApiKeySchema(ApiKeySchema):
    """The answer that shows a new key."""

    key = fields.String(
        dump_only=True,
        metadata={
            EXAMPLE: PREFIX + "0" * LENGTH,
            "description": "The key. It is shown only here: nothing can read it again.",
        },
    )


class ApiKeyQuerySchema(PageQuerySchema):
    """Query parameters of a list of API keys."""

    member_id = fields.UUID()
