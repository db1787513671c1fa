"""Run an export: request or continue it, wait, and download its files."""

import fcntl
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from trially.config import current_settings
from trially.database.placement import current_placement
from trially.plain_text import to_plain
from trially.recruiting.imports.bulk import records
from trially.recruiting.imports.bulk.downloads import (
    Downloader,
    Folder,
    LinkExpiredError,
    open_lines,
)
from trially.recruiting.imports.bulk.errors import BulkError
from trially.recruiting.imports.bulk.exports import (
    ExportClient,
    ExportFile,
    ExportRequest,
    Manifest,
    Report,
)
from trially.recruiting.imports.bulk.model import ExportState
from trially.recruiting.imports.bulk.retrying import LONGEST_DETAIL, outcome_issues
from trially.tenancy.context import tenant_context

MANIFEST_FILE = "manifest.json"
MOST_TRIES_OF_LINKS = 3
MOST_ISSUES_SHOWN = 20
_FAILURES = frozenset({"error", "fatal"})


@dataclass(frozen=True)
class Outcomes:
    """What the server reports about records that it could not export."""

    counts: Mapping[str, int]
    """Number of issues by severity and code: `error exception`."""
    texts: Sequence[str]
    """The first issues, in words."""

    @property
    def failures(self) -> int:
        """Number of errors. Records are missing then."""
        return sum(n for name, n in self.counts.items() if name.partition(" ")[0] in _FAILURES)


@dataclass(frozen=True)
class Download:
    """The downloaded files of an export."""

    deleted: Sequence[Path]
    """Bundles of DELETE requests. They come first."""
    output: Sequence[Path]
    outcomes: Outcomes


class ExportRun:
    """One export of a tenant's source, in a folder of its own."""

    def __init__(
        self, slug: str, source: str, request: ExportRequest, client: ExportClient, report: Report
    ) -> None:
        self.request = request
        self.export_id: UUID
        self._slug = slug
        self._source = source
        self._client = client
        self._report = report
        self._status_url = ""
        self._folder: Folder

    def begin(self, *, restarts: bool) -> None:
        """Request an export. Raises `BulkError` if one is unfinished and `restarts` is false."""
        unfinished = self._find_unfinished()
        if unfinished is not None and not restarts:
            raise BulkError(
                f"An export of {self._source!r} is unfinished. Continue it with --resume, or begin"
                " a new one with --restart."
            )
        status_url = self._client.kick_off(self.request)
        with tenant_context(self._slug):
            row = records.begin(self._source, self.request, status_url)
        if unfinished is not None:
            self._client.delete(unfinished["status_url"])
            self._open_folder(unfinished["id"]).remove()
        self._take(row)

    def resume(self) -> None:
        """Continue the unfinished export. Raises `BulkError` if there is none."""
        unfinished = self._find_unfinished()
        if unfinished is None:
            raise BulkError(f"No export of {self._source!r} is unfinished. Leave out --resume.")
        self.request = replace(
            self.request, types=tuple(unfinished["types"]), since=unfinished["since"]
        )
        self._take(unfinished)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder. Raises `BulkError` if one is in it."""
        self._folder.create()
        lock = os.open(self._folder.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise BulkError("Another process runs this export.") from error
            yield
        finally:
            os.close(lock)

    def download(self) -> Download:
        """Return the files, when the server has prepared them and they are downloaded."""
        manifest, paths = self._download()
        self._change(transaction_time=manifest.transaction_time)
        found: dict[str, list[Path]] = {"output": [], "deleted": [], "error": []}
        for file, path in zip(manifest.files, paths, strict=True):
            found[file.list].append(path)
        return Download(found["deleted"], found["output"], _read_outcomes(found["error"]))

    def finish(self, download: Download) -> None:
        """Store that the files are imported, and delete them here and on the server."""
        state = ExportState.INCOMPLETE if download.outcomes.failures else ExportState.DONE
        self._change(state=state, status_url=None)
        self._folder.remove()
        self._client.delete(self._status_url)

    def _download(self) -> tuple[Manifest, list[Path]]:
        """Download all files. If their URLs have expired, ask the server for new ones."""
        manifest = self._read_manifest()
        for remaining in range(MOST_TRIES_OF_LINKS, 0, -1):
            if manifest is None:
                manifest = self._client.wait_for(self._status_url, self._report)
                self._write_manifest(manifest)
            downloader = Downloader(self._client, self._folder, needs_token=manifest.requires_token)
            try:
                return manifest, downloader.download(manifest.files, self._report)
            except LinkExpiredError:
                if remaining == 1:
                    raise
                manifest = None
        raise AssertionError("The last attempt returns or raises.")

    def _find_unfinished(self) -> Mapping[str, Any] | None:
        with tenant_context(self._slug):
            return records.find_unfinished(self._source, self.request)

    def _take(self, row: Mapping[str, Any]) -> None:
        self.export_id, self._status_url = row["id"], row["status_url"]
        self._folder = self._open_folder(row["id"])

    def _open_folder(self, export_id: UUID) -> Folder:
        """Return a folder below that of the tenant's id, so that tenants never share one."""
        with tenant_context(self._slug):
            tenant_id = current_placement().tenant_id
        settings = current_settings()
        path = settings.instance / "bulk" / str(tenant_id) / str(export_id)
        return Folder(path, settings.max_bulk_bytes)

    def _change(self, **values: Any) -> None:
        with tenant_context(self._slug):
            records.change(self.export_id, **values)

    def _write_manifest(self, manifest: Manifest) -> None:
        path = self._folder.path / MANIFEST_FILE
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(orjson.dumps(asdict(manifest)))

    def _read_manifest(self) -> Manifest | None:
        """Return the manifest that an interrupted command has received."""
        path = self._folder.path / MANIFEST_FILE
        try:
            document = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None
        files = [ExportFile(**file) for file in document["files"]]
        return Manifest(document["transaction_time"], document["requires_token"], files)


def _read_outcomes(paths: Sequence[Path]) -> Outcomes:
    counts: Counter[str] = Counter()
    texts: list[str] = []
    for path in paths:
        with open_lines(path) as file:
            for line in file:
                for issue in _read_issues(line):
                    severity, code = (str(issue.get(name)) for name in ("severity", "code"))
                    counts[to_plain(f"{severity} {code}")[:100]] += 1
                    details = issue.get("details")
                    text = issue.get("diagnostics") or (
                        details.get("text") if isinstance(details, dict) else None
                    )
                    if isinstance(text, str) and len(texts) < MOST_ISSUES_SHOWN:
                        texts.append(to_plain(f"{severity}: {text}")[:LONGEST_DETAIL])
    return Outcomes(counts, texts)


def _read_issues(line: bytes) -> list[dict[str, Any]]:
    """Return the issues of a line; one that cannot be read counts as an error."""
    if line.isspace():
        return []
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        document = None
    issues = outcome_issues(document) if isinstance(document, dict) else []
    return issues or [{"severity": "error", "code": "structure"}]
