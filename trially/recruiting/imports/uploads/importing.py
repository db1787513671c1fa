"""Import an upload: within its request, or as a job."""

from collections.abc import Mapping
from typing import Any

from trially.database.rows import Item
from trially.recruiting.imports.import_run import SILENT, Caller
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.running import run_import
from trially.recruiting.imports.uploads.formats import UploadedFile


def import_upload(
    upload: UploadedFile,
    query: Mapping[str, Any],
    limits: ImportLimits,
    *,
    started_by: str | None,
    caller: Caller = SILENT,
) -> Item:
    """Import an upload as its query parameters say, and return the import as it ended.

    `started_by` is the subject of the member who asked. Raises as `run_import` does.
    """
    return run_import(
        [upload.source_file],
        source=query["source"],
        fingerprint=upload.fingerprint,
        limits=limits,
        strict=query["strict"],
        is_complete=query["complete"],
        started_by=started_by,
        caller=caller,
        reader=upload.reader,
    )
