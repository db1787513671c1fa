"""Imports as clients read them."""

from marshmallow import Schema, fields

from trially.http.fields import EXAMPLE, Choice, EntityTag, JsonObject, PageQuerySchema, Sort
from trially.phi import IDENTIFIER
from trially.recruiting.imports.model import SORTS, Completeness, ImportState


class CountSchema(Schema):
    """Counts of the resources of one type."""

    read = fields.Integer(required=True)
    new = fields.Integer(required=True)
    changed = fields.Integer(required=True)
    stale = fields.Integer(
        required=True,
        metadata={"description": "Older versions of records that are stored already."},
    )
    withdrawn = fields.Integer(
        required=True,
        metadata={"description": "Records that are no longer used: deleted, or invalid now."},
    )
    erased = fields.Integer(
        required=True,
        metadata={"description": "Records of patients that were erased here; they stay erased."},
    )
    entered_in_error = fields.Integer(required=True)
    waiting = fields.Integer(
        required=True,
        metadata={"description": "Records that wait for a patient that a later import brings."},
    )
    resolved = fields.Integer(
        required=True,
        metadata={"description": "Records that had waited, and that this import wrote."},
    )


class OutcomeSchema(Schema):
    """What an import did, or would do."""

    source = fields.String(dump_only=True, metadata={EXAMPLE: "epic"})
    state = Choice(ImportState, dump_only=True, metadata={EXAMPLE: "done"})
    strict = fields.Boolean(dump_only=True)
    counts = JsonObject(
        keys=fields.String(),
        values=fields.Nested(CountSchema),
        dump_only=True,
        metadata={
            "description": "Counts by type of resource.",
            EXAMPLE: {"Patient": {**dict.fromkeys(CountSchema().fields, 0), "read": 1, "new": 1}},
        },
    )
    passed_over = JsonObject(
        keys=fields.String(),
        values=fields.Integer(),
        dump_only=True,
        metadata={
            "description": "Number of ignored resources by type.",
            EXAMPLE: {"Practitioner": 2},
        },
    )
    error_count = fields.Integer(dump_only=True, metadata={EXAMPLE: 0})
    error_counts = JsonObject(
        keys=fields.String(),
        values=fields.Integer(),
        dump_only=True,
        metadata={
            "description": "Number of all errors by reason. Of an import with very many errors,"
            " only the first ones are listed with their lines.",
            EXAMPLE: {},
        },
    )
    refused_count = fields.Integer(
        dump_only=True,
        metadata={
            "description": "Number of errors that cost a whole line or record. Records that wait"
            " for their patient are kept, and are not among them.",
            EXAMPLE: 0,
        },
    )
    error_groups = JsonObject(
        keys=fields.String(),
        values=JsonObject(keys=fields.String(), values=fields.Integer()),
        dump_only=True,
        metadata={
            "description": "Number of all errors by code, and within a code by type of resource.",
            EXAMPLE: {},
        },
    )
    # It may name a file of an archive, and such files may be named after patients.
    failure = fields.String(dump_only=True, allow_none=True, metadata=IDENTIFIER | {EXAMPLE: None})
    completeness = Choice(
        Completeness,
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "Of an import that was declared a full export: whether the records that"
            " it lacks are listed, so that they can be withdrawn. Null for all other imports.",
            EXAMPLE: None,
        },
    )
    missing = JsonObject(
        keys=fields.String(),
        values=fields.Integer(),
        dump_only=True,
        metadata={
            "description": "Number of records that a full export lacks, by type of resource.",
            EXAMPLE: {},
        },
    )


class ImportSchema(OutcomeSchema):
    """One import."""

    subjects = ()

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    started_by = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "user-4711"})
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)
    ended_at = fields.AwareDateTime(dump_only=True, allow_none=True)


class ImportQuerySchema(PageQuerySchema):
    """Filters of a list of imports."""

    state = Choice(ImportState)
    sort = Sort(SORTS)
