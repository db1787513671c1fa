"""Jobs as clients read them."""

from marshmallow import Schema, fields

from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, JsonObject, PageQuerySchema
from trially.jobs.model import Job, JobState
from trially.resources.fields import text

_JOB = table_of(Job).c


class JobSchema(Schema):
    """One job."""

    subjects = ()

    id = fields.UUID(dump_only=True)
    kind = fields.String(dump_only=True, metadata={EXAMPLE: "import"})
    state = Choice(JobState, dump_only=True, metadata={EXAMPLE: "running"})
    step = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={"description": "The last completed step.", EXAMPLE: "import"},
    )
    progress_done = fields.Integer(dump_only=True, metadata={EXAMPLE: 1_048_576})
    progress_total = fields.Integer(
        dump_only=True,
        allow_none=True,
        metadata={"description": "Null if it is not known yet.", EXAMPLE: 4_194_304},
    )
    result = JsonObject(
        keys=fields.String(),
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "What the job has made. Of an import, `import_id`, once it has begun.",
            EXAMPLE: {"import_id": "0198c5e0-0000-7000-8000-000000000001"},
        },
    )
    error = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "Why the last attempt failed.",
            EXAMPLE: "OperationalError (SQLSTATE 57P01)",
        },
    )
    attempts = fields.Integer(
        dump_only=True,
        metadata={"description": "Attempts to run the present step.", EXAMPLE: 1},
    )
    is_cancelled = fields.Boolean(
        dump_only=True,
        metadata={
            "description": "Whether someone has asked to cancel the job. It may run until the end"
            " of its step."
        },
    )
    member_id = fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={"description": "The member who asked for the job; null for an operator."},
    )
    operator = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={"description": "The operator who asked for the job.", EXAMPLE: None},
    )
    due_at = fields.AwareDateTime(
        dump_only=True,
        metadata={"description": "When a worker may take the job, if it has not ended."},
    )
    created_at = fields.AwareDateTime(dump_only=True)
    started_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    ended_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    etag = EntityTag()


class JobQuerySchema(PageQuerySchema):
    """Filters of a list of jobs."""

    state = Choice(JobState)
    kind = text(_JOB.kind)
