"""Imports as clients read them, and the query parameters of an upload."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates

from trially.database.model import length_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, PageQuerySchema, Sort, Text
from trially.phi import IDENTIFIER
from trially.recruiting.column_mappings.table_fields import TableKind
from trially.recruiting.imports.fault_schema import FaultGroupSchema
from trially.recruiting.imports.formats.tables.plans import DELIMITER_NAMES
from trially.recruiting.imports.formats.tables.values import DecimalMark
from trially.recruiting.imports.formats.text_files import Encoding
from trially.recruiting.imports.model import SORTS, Completeness, ImportJob, ImportState
from trially.recruiting.sources.known import describe_sources
from trially.recruiting.sources.model import MANUAL_SOURCE

LONGEST_MAPPING = 4_000
LONGEST_TIME_ZONE = 64


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
    counts = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(CountSchema),
        dump_only=True,
        metadata={
            "description": "Counts by type of resource.",
            EXAMPLE: {"Patient": {**dict.fromkeys(CountSchema().fields, 0), "read": 1, "new": 1}},
        },
    )
    passed_over = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        dump_only=True,
        metadata={
            "description": "Number of ignored resources by type.",
            EXAMPLE: {"Practitioner": 2},
        },
    )
    error_count = fields.Integer(dump_only=True, metadata={EXAMPLE: 0})
    error_counts = fields.Dict(
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
    error_groups = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.Integer()),
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
    missing = fields.Dict(
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


class TableColumnSchema(Schema):
    """A column of a CSV file."""

    number = fields.Integer(required=True, metadata={EXAMPLE: 1})
    # A file without a header begins with a patient.
    header = fields.String(required=True, metadata=IDENTIFIER | {EXAMPLE: "MRN"})
    field = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The field that it holds; null if it is ignored.",
            EXAMPLE: "patient",
        },
    )
    reason = fields.String(
        required=True,
        metadata={
            "description": "`mapping`, `header`, or why the column is ignored.",
            EXAMPLE: "header",
        },
    )


class TableSchema(Schema):
    """How a CSV file is read."""

    encoding = fields.String(required=True, metadata={EXAMPLE: "utf-8-sig"})
    delimiter = fields.String(required=True, metadata={EXAMPLE: ";"})
    decimal_mark = Choice(
        DecimalMark,
        required=True,
        metadata={
            "description": "The mapping declares it. Decimal commas that it does not declare are"
            " errors.",
            EXAMPLE: "comma",
        },
    )
    columns = fields.List(fields.Nested(TableColumnSchema), required=True)
    problems = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "What prevents an import: columns that are not certain.",
            EXAMPLE: [],
        },
    )


class DryRunSchema(OutcomeSchema):
    """What an import would do."""

    subjects = ()

    groups = fields.List(
        fields.Nested(FaultGroupSchema),
        dump_only=True,
        metadata={"description": "The errors in groups, the largest first."},
    )
    table = fields.Nested(
        TableSchema,
        dump_only=True,
        allow_none=True,
        metadata={"description": "How a CSV file is read; null for other formats."},
    )


class WaitingFactSchema(Schema):
    """A record that waits for its patient."""

    subjects = ()

    id = fields.UUID(dump_only=True)
    source = fields.String(dump_only=True, metadata={EXAMPLE: "epic"})
    source_type = fields.String(dump_only=True, metadata={EXAMPLE: "Observation"})
    source_id = fields.String(dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "obs-1"})
    patient_key = fields.String(
        dump_only=True,
        metadata=IDENTIFIER
        | {
            "description": "The source's id of the patient, or `?`, the system, `|` and the value"
            " of an identifier.",
            EXAMPLE: "17",
        },
    )
    import_id = fields.UUID(dump_only=True)
    file = fields.String(dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "upload"})
    line = fields.Integer(dump_only=True, metadata={EXAMPLE: 7})
    waiting_since = fields.AwareDateTime(dump_only=True)


class MissingRecordSchema(Schema):
    """A record that a full export lacks."""

    subjects = ()

    id = fields.UUID(dump_only=True)
    source_type = fields.String(dump_only=True, metadata={EXAMPLE: "Observation"})
    base_url = fields.String(
        dump_only=True,
        metadata={
            "description": "The server of the record, empty for the source's own.",
            EXAMPLE: "",
        },
    )
    source_id = fields.String(dump_only=True, metadata=IDENTIFIER | {EXAMPLE: "obs-1"})


class MissingQuerySchema(PageQuerySchema):
    """Filters of a list of missing records."""

    type = fields.String(
        validate=validate.Length(1, 64),
        metadata={"description": "Type of resource.", EXAMPLE: "Observation"},
    )


class WaitingQuerySchema(PageQuerySchema):
    """Filters of a list of records that wait."""

    source = fields.String(validate=validate.Length(1, 64), metadata={EXAMPLE: "epic"})


class SourceName(Text):
    """The name of a source, which no import may leave out. The error names those that there are."""

    def make_error(self, key: str, **values: Any) -> ValidationError:
        """Return the error of this kind."""
        if key == "required":
            return ValidationError(f"Say where the records come from. {describe_sources()}")
        return super().make_error(key, **values)


class UploadQuerySchema(Schema):
    """Query parameters of an upload."""

    source = SourceName(
        length_of(ImportJob.source),
        required=True,
        example="epic",
        metadata={
            "description": "Name of the system that assigned the ids of the records. A new name"
            f" makes a new source; `{MANUAL_SOURCE}` is reserved for patients entered by hand."
        },
    )
    strict = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={"description": "Stop at the first line that cannot be imported."},
    )
    complete = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={
            "description": "The upload is a full export of the source: list the records that it"
            " lacks, so that they can be withdrawn."
        },
    )

    kind = Choice(
        TableKind,
        load_default=None,
        metadata={"description": "What the rows of a CSV file are about. CSV files need it."},
    )
    mapping = fields.String(
        load_default=None,
        validate=validate.Length(1, LONGEST_MAPPING),
        metadata={
            "description": "Columns of a CSV file and their notations, as JSON.",
            EXAMPLE: '{"columns": {"patient": "No."}, "dates": ["DD/MM/YYYY"]}',
        },
    )
    encoding = Choice(
        Encoding,
        load_default=Encoding.AUTO,
        metadata={"description": "Encoding of CSV files and HL7 v2 messages that declare none."},
    )
    delimiter = fields.String(
        load_default="auto",
        validate=validate.OneOf([*DELIMITER_NAMES]),
        metadata={"description": "Character between the cells of a CSV file."},
    )
    time_zone = fields.String(
        load_default=None,
        validate=validate.Length(1, LONGEST_TIME_ZONE),
        metadata={
            "description": "Zone of times in HL7 v2 messages that name none.",
            EXAMPLE: "Europe/Berlin",
        },
    )

    @validates("source")
    def check_source(self, source: str, data_key: str) -> None:  # noqa: ARG002
        """Reject the source of patients entered by hand, because an import would change them."""
        if source == MANUAL_SOURCE:
            raise ValidationError(
                f"'{MANUAL_SOURCE}' is reserved for patients entered by hand. Choose another name."
            )


class ImportQuerySchema(PageQuerySchema):
    """Filters of a list of imports."""

    state = Choice(ImportState)
    sort = Sort(SORTS)
