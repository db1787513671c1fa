"""How an upload is read: by its media type and the parameters of the request."""

import codecs
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, BinaryIO, NamedTuple

from trially.database.rows import Item
from trially.http.codes import Code
from trially.http.problems import UnprocessableContent, to_pointers
from trially.recruiting.column_mappings.mapping import build_mapping, read_mapping, read_zone
from trially.recruiting.column_mappings.problems import MappingError
from trially.recruiting.column_mappings.table_fields import TableKind
from trially.recruiting.imports.formats.hl7v2.reading import MessageReader
from trially.recruiting.imports.formats.tables.plans import (
    DELIMITER_NAMES,
    TableOptions,
    TablePlan,
    plan_table,
)
from trially.recruiting.imports.formats.tables.reading import TableReader
from trially.recruiting.imports.formats.text_files import Encoding, codec_named
from trially.recruiting.imports.limits import ImportLimitError, ImportLimits
from trially.recruiting.imports.model import ImportState
from trially.recruiting.imports.reading.resources import ResourceReader, read_resources
from trially.recruiting.imports.reading.source_files import (
    ImportSourceError,
    SourceFile,
    source_file_from_stream,
)
from trially.recruiting.imports.running import fingerprint_with
from trially.recruiting.imports.stored_mappings import (
    find_custom_fields,
    find_mapping,
    find_version_zone,
    find_zones,
)
from trially.recruiting.imports.uploads.media_types import HL7V2_TYPES, TABLE_TYPES

# Browsers read ISO 8859-1 as Windows-1252, which has more characters and is what files are in.
_ENCODINGS = {
    "ascii": Encoding.UTF_8,
    "utf-8": Encoding.UTF_8,
    "utf-16": Encoding.AUTO,
    "cp1252": Encoding.WINDOWS_1252,
    "iso8859-1": Encoding.WINDOWS_1252,
}


class UploadedFile(NamedTuple):
    """An upload, and how it is read."""

    source_file: SourceFile
    reader: ResourceReader
    fingerprint: str
    plan: TablePlan | None = None
    """How the columns of a table are read."""

    def check(self) -> None:
        """Raise `UnprocessableContent` if the columns of a table are not certain."""
        if self.plan is not None and self.plan.problems:
            raise _refusal(self.plan.refusal)


def open_upload(
    file: BinaryIO,
    digest: str,
    media_type: str,
    charset: str | None,
    query: Mapping[str, Any],
    limits: ImportLimits,
) -> UploadedFile:
    """Return how an upload is read. Raises `UnprocessableContent` if it cannot be read.

    `charset` is the parameter of the media type. The query's encoding counts before it.
    """
    source_file = source_file_from_stream("upload", file)
    try:
        if media_type in TABLE_TYPES:
            options = _table_options(query, _encoding_of(query, charset))
            plan = plan_table(source_file, options, limits)
            fingerprint = fingerprint_with(digest, options)
            return UploadedFile(source_file, TableReader({source_file: plan}), fingerprint, plan)
        if media_type in HL7V2_TYPES:
            zone, codec = read_zone(query["time_zone"]), codec_named(_encoding_of(query, charset))
            reader = MessageReader(zone, codec, *find_zones(query["source"]))
            fingerprint = fingerprint_with(digest, ("hl7v2", zone, codec))
            return UploadedFile(source_file, reader, fingerprint)
    except MappingError as error:
        errors = list(to_pointers(error.nested(), "/mapping"))
        raise _refusal(str(error), errors) from error
    except (ImportSourceError, ImportLimitError) as error:
        raise _refusal(str(error)) from error
    return UploadedFile(source_file, read_resources, digest)


def describe_table(plan: TablePlan | None) -> Item | None:
    """Return how the columns of a table are read; None for other formats."""
    if plan is None:
        return None
    return {
        "encoding": plan.codec,
        "delimiter": plan.delimiter,
        "decimal_mark": plan.decimal_mark,
        "columns": [asdict(column) for column in plan.columns],
        "problems": plan.problems,
    }


def unreadable_table(plan: TablePlan, source: str, *, strict: bool) -> Item:
    """Return the dry run of a table whose columns are not certain."""
    nothing: Item = {name: {} for name in ("counts", "passed_over", "error_counts", "error_groups")}
    return {
        **nothing,
        "source": source,
        "state": ImportState.FAILED,
        "strict": strict,
        "error_count": 0,
        "refused_count": 0,
        "failure": plan.refusal,
        "completeness": None,
        "missing": {},
        "groups": [],
        "table": describe_table(plan),
    }


def _encoding_of(query: Mapping[str, Any], charset: str | None) -> Encoding:
    """Return the encoding that a request names: by its query, or else by its media type."""
    encoding = Encoding(query["encoding"])
    if charset is None or encoding is not Encoding.AUTO:
        return encoding
    try:
        return _ENCODINGS[codecs.lookup(charset).name]
    except LookupError:
        raise _refusal(
            "The charset of the media type is not supported. Send UTF-8 or Windows-1252."
        ) from None


def _table_options(query: Mapping[str, Any], encoding: Encoding) -> TableOptions:
    if query["kind"] is None:
        raise _refusal(
            f"A CSV file needs the parameter kind, one of {', '.join(TableKind)}, because its"
            " columns do not say what it is about."
        )
    kind, mapping = TableKind(query["kind"]), query["mapping"]
    document = (
        read_mapping(mapping.encode(), kind) if mapping else find_mapping(query["source"], kind)
    )
    return TableOptions(
        kind,
        build_mapping(document, kind),
        encoding,
        DELIMITER_NAMES[query["delimiter"]],
        find_version_zone(query["source"]),
        find_custom_fields(kind),
    )


def _refusal(reason: str, errors: list[dict[str, str]] | None = None) -> UnprocessableContent:
    return UnprocessableContent(reason, code=Code.VALIDATION_FAILED, errors=errors)
