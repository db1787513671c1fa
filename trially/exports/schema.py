"""Exports as clients ask for them and see them."""

from marshmallow import Schema, fields

from trially.exports.contents import ALL_PARTS, Part
from trially.http.fields import EXAMPLE, Choice
from trially.jobs.model import JobState
from trially.phi import PLAIN


class ExportBodySchema(Schema):
    """What an export has."""

    parts = fields.List(
        Choice(Part),
        load_default=lambda: list(ALL_PARTS),
        validate=lambda parts: bool(parts),
        metadata={"description": "By default all parts.", EXAMPLE: ["fhir", "csv"]},
    )


class ExportSchema(Schema):
    """An export: a job, and the archive that it has written."""

    subjects = ()

    id = fields.UUID(dump_only=True, metadata=PLAIN)
    state = Choice(JobState, dump_only=True, metadata=PLAIN | {EXAMPLE: "done"})
    error = fields.String(dump_only=True, allow_none=True, metadata=PLAIN | {EXAMPLE: None})
    progress_done = fields.Integer(
        dump_only=True,
        metadata=PLAIN | {"description": "Resources and files written.", EXAMPLE: 1200},
    )
    bytes = fields.Integer(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {"description": "The size of the archive.", EXAMPLE: 1_048_576},
    )
    is_stored = fields.Boolean(
        dump_only=True, metadata=PLAIN | {"description": "Whether it can be downloaded."}
    )
    expires_at = fields.AwareDateTime(
        dump_only=True,
        allow_none=True,
        metadata=PLAIN | {"description": "When the archive is deleted."},
    )
    created_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
    ended_at = fields.AwareDateTime(dump_only=True, allow_none=True, metadata=PLAIN)


class ExportedFileSchema(Schema):
    """A file of an export."""

    path = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "fhir/1/Patient.ndjson"})
    bytes = fields.Integer(dump_only=True, metadata=PLAIN | {EXAMPLE: 2048})
    count = fields.Integer(
        dump_only=True, metadata=PLAIN | {"description": "Lines, or rows.", EXAMPLE: 1}
    )
    sha256 = fields.String(dump_only=True, metadata=PLAIN | {EXAMPLE: "9f86d081884c7d65…"})


class PersonExportSchema(Schema):
    """What is stored about one person, as a list of the files of the archive."""

    subjects = ("person",)

    person = fields.UUID(dump_only=True, metadata=PLAIN)
    records = fields.List(
        fields.UUID(),
        dump_only=True,
        metadata=PLAIN | {"description": "The records that are about the person."},
    )
    exported_at = fields.AwareDateTime(dump_only=True, metadata=PLAIN)
    files = fields.List(fields.Nested(ExportedFileSchema), dump_only=True)
