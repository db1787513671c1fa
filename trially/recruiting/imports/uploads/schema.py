"""The query parameters of an upload, and what a dry run of it shows."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates

from trially.database.model import length_of
from trially.http.fields import EXAMPLE, Choice, Text
from trially.phi import IDENTIFIER
from trially.recruiting.column_mappings.table_fields import TableKind
from trially.recruiting.imports.faults.schema import FaultGroupSchema
from trially.recruiting.imports.formats.tables.plans import DELIMITER_NAMES
from trially.recruiting.imports.formats.tables.values import DecimalMark
from trially.recruiting.imports.formats.text_files import Encoding
from trially.recruiting.imports.model import ImportJob
from trially.recruiting.imports.schema import OutcomeSchema
from trially.recruiting.sources.known import describe_sources
from trially.recruiting.sources.model import MANUAL_SOURCE

LONGEST_MAPPING = 4_000
LONGEST_TIME_ZONE = 64


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
