"""Operations as clients read them."""

from marshmallow import Schema, fields, validate

from trially.http.fields import EXAMPLE, Choice, JsonObject, PageQuerySchema
from trially.platform.paths import SLUG_EXAMPLE
from trially.tenancy.tasks.model import TaskState
from trially.tenancy.tasks.reading import COMMAND, PLATFORM


class AskedBySchema(Schema):
    """The operator who has asked for an operation."""

    issuer = fields.String(required=True, metadata={EXAMPLE: "https://login.example.org"})
    subject = fields.String(required=True, metadata={EXAMPLE: "operator-7"})


class ProgressSchema(Schema):
    """How far an operation is, as its worker last said it."""

    phase = fields.String(required=True, metadata={EXAMPLE: "copy"})
    done = fields.Integer(required=True, allow_none=True, metadata={EXAMPLE: 4_194_304})
    total = fields.Integer(
        required=True,
        allow_none=True,
        metadata={EXAMPLE: 16_777_216, "description": "Null if it is not known."},
    )
    unit = fields.String(required=True, allow_none=True, metadata={EXAMPLE: "bytes"})


class LifecycleSchema(Schema):
    """The durable operation behind it, whose steps survive the death of a process."""

    id = fields.UUID(required=True)
    kind = fields.String(required=True, metadata={EXAMPLE: "move"})
    state = fields.String(required=True, metadata={EXAMPLE: "running"})
    step = fields.String(
        required=True,
        allow_none=True,
        metadata={EXAMPLE: "create_target", "description": "The last completed step."},
    )
    error = fields.String(required=True, allow_none=True, metadata={EXAMPLE: None})


class OperationErrorSchema(Schema):
    """Why an operation has failed."""

    code = fields.String(required=True, metadata={EXAMPLE: "tenant_exists"})
    detail = fields.String(
        required=True, metadata={EXAMPLE: "The slug 'acme' is already taken. Choose another one."}
    )


class ListedOperationSchema(Schema):
    """An operation in a list."""

    id = fields.UUID(required=True)
    origin = fields.String(
        required=True,
        validate=validate.OneOf([PLATFORM, COMMAND]),
        metadata={"description": "Whether the platform API or a command has begun it."},
    )
    kind = fields.String(required=True, metadata={EXAMPLE: "tenant.move"})
    tenant = fields.String(required=True, allow_none=True, metadata={EXAMPLE: SLUG_EXAMPLE})
    tenant_id = fields.UUID(required=True, allow_none=True)
    state = Choice(TaskState, required=True)
    is_cancelled = fields.Boolean(
        required=True, metadata={"description": "Somebody has asked that it ends."}
    )
    attempts = fields.Integer(
        required=True, metadata={"description": "How many processes have begun to carry it out."}
    )
    progress = fields.Nested(ProgressSchema, required=True, allow_none=True)
    lifecycle = fields.Nested(LifecycleSchema, required=True, allow_none=True)
    error = fields.Nested(OperationErrorSchema, required=True, allow_none=True)
    asked_by = fields.Nested(AskedBySchema, required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)
    started_at = fields.AwareDateTime(required=True, allow_none=True)
    ended_at = fields.AwareDateTime(required=True, allow_none=True)


class OperationSchema(ListedOperationSchema):
    """An operation with its result."""

    result = JsonObject(
        required=True,
        allow_none=True,
        metadata={
            EXAMPLE: {"from": "pooled_rows on default", "to": "own_schema on default"},
            "description": "What came of it. Its members depend on the kind.",
        },
    )


class OperationQuerySchema(PageQuerySchema):
    """Query parameters of the list of operations."""

    class Meta:
        """The list is not counted."""

        exclude = ("total",)

    tenant = fields.String(validate=validate.Length(3, 40), metadata={EXAMPLE: SLUG_EXAMPLE})
    state = Choice(TaskState)
    kind = fields.String(validate=validate.Length(1, 40), metadata={EXAMPLE: "tenant.move"})
