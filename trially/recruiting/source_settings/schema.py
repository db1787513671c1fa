"""Sources as clients write and read them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates

from trially.database.model import length_of
from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, EntityTag, JsonObject, PageQuerySchema, Sort
from trially.recruiting.column_mappings.mapping import check_mappings
from trially.recruiting.column_mappings.problems import MappingError
from trially.recruiting.sources.model import MANUAL_SOURCE, SORTS, RecordSource
from trially.recruiting.sources.server_urls import ServerUrlError, canonical_base
from trially.resources.fields import TimeZone, text

columns = table_of(RecordSource).c


class SourceSchema(Schema):
    """A system that records are imported from."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    name = text(
        columns.name,
        required=True,
        example="meditech",
        metadata={"description": "The name that imports give as `source`. It never changes."},
    )
    base_url = text(
        columns.base_url,
        allow_none=True,
        example="https://ehr.example/fhir",
        metadata={
            "description": "Base URL of the source's FHIR server. If it is null, the first import"
            " that has URLs sets it. After that it never changes, because the keys of records"
            " depend on it."
        },
    )
    mrn_system = text(
        columns.mrn_system,
        allow_none=True,
        example="https://ehr.example/mrn",
        metadata={
            "description": "The identifier system whose values are shown as MRNs. Null chooses the"
            " identifier that is most likely a medical record number."
        },
    )
    time_zone = TimeZone(
        length_of(columns.time_zone),
        allow_none=True,
        example="America/Chicago",
        metadata={
            "description": "Time zone of times without an offset, by its IANA name. Null means the"
            " tenant's."
        },
    )
    column_mapping = JsonObject(
        keys=fields.String(),
        values=JsonObject(keys=fields.String()),
        allow_none=True,
        metadata={
            "description": "Columns and notations of the source's CSV files, by kind of file:"
            " docs/csv.md describes the settings.",
            EXAMPLE: {"labs": {"dates": ["DD/MM/YYYY"], "decimal": ","}},
        },
    )
    created_at = fields.AwareDateTime(dump_only=True)
    updated_at = fields.AwareDateTime(dump_only=True)

    @validates("name")
    def check_name(self, name: str, data_key: str) -> None:  # noqa: ARG002
        """Reject the source of patients entered by hand, because no import may name it."""
        if name == MANUAL_SOURCE:
            raise ValidationError(
                f"'{MANUAL_SOURCE}' is reserved for patients entered by hand. Choose another name."
            )

    @validates("base_url")
    def check_base_url(self, url: str | None, data_key: str) -> None:  # noqa: ARG002
        """Reject a text that is no base URL of a FHIR server."""
        if url is not None:
            try:
                canonical_base(url)
            except ServerUrlError as error:
                raise ValidationError(str(error)) from error

    @validates("column_mapping")
    def check_column_mapping(self, document: dict[str, Any] | None, data_key: str) -> None:  # noqa: ARG002
        """Reject a mapping that imports could not use. The pointers name its wrong parts."""
        if document is not None:
            try:
                check_mappings(document)
            except MappingError as error:
                raise ValidationError(error.nested()) from error


class SourcePatchSchema(SourceSchema):
    """A merge patch of a source. A mapping is checked when it is merged into the stored one."""

    class Meta:
        """Name and base URL never change."""

        exclude = ("name", "base_url")

    column_mapping = JsonObject(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        allow_none=True,
        metadata={
            "description": "What changes in the source's mappings. Members that it lacks stay, at"
            " every level, and null removes a member. An array replaces the stored one.",
            EXAMPLE: {"labs": {"decimal": None, "dates": ["YYYY-MM-DD"]}},
        },
    )

    def check_column_mapping(self, document: dict[str, Any] | None, data_key: str) -> None:
        """Accept any members: with null it says what is removed."""


class SourceQuerySchema(PageQuerySchema):
    """Query parameters of a list of sources."""

    sort = Sort(SORTS)
    name = text(columns.name, example="epic")
