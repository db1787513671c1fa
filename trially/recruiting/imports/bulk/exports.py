"""Ask a server for an export, and follow it until its files are ready."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from trially.recruiting.imports.bulk.authorization import TokenSource
from trially.recruiting.imports.bulk.connections import Answer, Connector
from trially.recruiting.imports.bulk.errors import BulkError, StatusError
from trially.recruiting.imports.bulk.retrying import (
    Pauses,
    describe_failure,
    read_json,
    send_again,
)
from trially.recruiting.imports.fhir.resource_types import RESOURCE_TYPES

MOST_FILES = 50_000
LONGEST_INSTANT = 40
SMART_PATH = "/.well-known/smart-configuration"
_GROUP_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_LISTS = ("error", "deleted", "output")

Report = Callable[[str], None]


@dataclass(frozen=True)
class ExportFile:
    """One file of an export."""

    list: str
    """The manifest's list that names it: `output`, `deleted` or `error`."""
    type: str
    url: str
    count: int | None
    """Number of resources, if the server says it."""


@dataclass(frozen=True)
class Manifest:
    """The files of a finished export."""

    transaction_time: str
    """The time of the data. The next export begins there."""
    requires_token: bool
    files: Sequence[ExportFile]
    """Errors first, then deletions, so that a resource that exists again stays."""


@dataclass(frozen=True)
class ExportRequest:
    """What to export."""

    base_url: str
    group: str | None = None
    is_system: bool = False
    types: Sequence[str] = ()
    since: str | None = None

    @property
    def scope(self) -> str:
        """Whose records: `Group/…`, `system` or `Patient`."""
        return f"Group/{self.group}" if self.group else "system" if self.is_system else "Patient"

    @property
    def url(self) -> str:
        """The URL that begins the export."""
        path = "/$export" if self.is_system else f"/{self.scope}/$export"
        query = {"_outputFormat": "application/fhir+ndjson"}
        if self.since:
            query["_since"] = self.since
        if self.types:
            query["_type"] = ",".join(self.types)
        return f"{self.base_url.rstrip('/')}{path}?{urlencode(query)}"

    def check(self) -> None:
        """Raise `BulkError` for a group, type or time that is not valid."""
        if self.group is not None and not _GROUP_ID.fullmatch(self.group):
            raise BulkError("The id of a group has 1 to 64 letters, digits, hyphens and dots.")
        for name in self.types:
            if name not in RESOURCE_TYPES:
                raise BulkError(f"{name!r} is not a resource type of FHIR.")
        if self.since is not None and not is_instant(self.since):
            raise BulkError("--since is not a time with a zone, such as 2024-03-04T00:00:00Z.")


class ExportClient:
    """Speaks to one server."""

    def __init__(
        self, connector: Connector, pauses: Pauses, tokens: TokenSource | None = None
    ) -> None:
        self.connector = connector
        self.pauses = pauses
        self.tokens = tokens

    def authorization(self, *, needs_token: bool = True) -> dict[str, str]:
        """Return the header with an access token, if a request needs one."""
        if self.tokens is None or not needs_token:
            return {}
        return {"Authorization": f"Bearer {self.tokens.token()}"}

    def kick_off(self, request: ExportRequest) -> str:
        """Begin an export, and return the URL of its status."""
        answer = self.send(
            "GET", request.url, {"Accept": "application/fhir+json", "Prefer": "respond-async"}
        )
        location = answer.headers.get("content-location")
        if answer.status != 202:
            raise StatusError("The request for an export", answer.status, describe_failure(answer))
        if location is None:
            raise BulkError("The server accepted the export, but does not say where its status is.")
        self.connector.hosts.check(location)
        return location

    def wait_for(self, status_url: str, report: Report) -> Manifest:
        """Return the manifest of an export when it is complete."""
        polls = 0
        while True:
            answer = self.send("GET", status_url, {"Accept": "application/json"})
            if answer.status == 200:
                return read_manifest(read_json(answer))
            if answer.status != 202:
                raise StatusError(
                    "The status of the export", answer.status, describe_failure(answer)
                )
            report(_printable(answer.headers.get("x-progress", "in progress")))
            self.pauses.wait(polls, answer.headers.get("retry-after"))
            polls += 1

    def delete(self, status_url: str) -> None:
        """Tell the server that the export is no longer needed. A failure has no effect."""
        try:
            headers = {"Accept": "application/json", **self.authorization()}
            self.connector.send("DELETE", status_url, headers)
        except Exception:  # noqa: BLE001, S110 - the server deletes it after a time by itself
            pass

    def send(self, method: str, url: str, headers: dict[str, str]) -> Answer:
        """Return the answer to a request with an access token, which is renewed once."""
        for attempt in range(2):

            def request() -> Answer:
                return self.connector.send(method, url, {**headers, **self.authorization()})

            answer = send_again(request, self.pauses)
            if answer.status != 401 or self.tokens is None or attempt:
                return answer
            self.tokens.reject()
        raise AssertionError("The second attempt returns.")


def read_configuration(client: ExportClient, base_url: str) -> dict[str, Any]:
    """Return the server's SMART configuration, which names the token endpoint."""
    url = base_url.rstrip("/") + SMART_PATH
    answer = send_again(
        lambda: client.connector.send("GET", url, {"Accept": "application/json"}), client.pauses
    )
    if answer.status != 200:
        raise StatusError(SMART_PATH, answer.status, describe_failure(answer))
    configuration = read_json(answer)
    endpoint = configuration.get("token_endpoint")
    if not isinstance(endpoint, str):
        raise BulkError(f"{SMART_PATH} names no token endpoint.")
    client.connector.hosts.check(endpoint)
    return configuration


def read_manifest(document: dict[str, Any]) -> Manifest:
    """Return the files of a manifest. Raises `BulkError` if it is not complete."""
    time = document.get("transactionTime")
    if not isinstance(time, str) or not is_instant(time):
        raise BulkError("The manifest has no transactionTime.")
    links = document.get("link")
    if isinstance(links, list) and links:
        raise BulkError("The manifest has further pages, which this client does not ask for.")
    files = []
    for name in _LISTS:
        items = document.get(name, [])
        if not isinstance(items, list) or len(items) > MOST_FILES:
            raise BulkError(f"The manifest's {name} is not a list of at most {MOST_FILES} files.")
        files += [_read_file(name, item) for item in items]
    if "output" not in document:
        raise BulkError("The manifest has no output.")
    return Manifest(time, document.get("requiresAccessToken") is not False, files)


def is_instant(text: str) -> bool:
    """Return whether a text is an instant of FHIR."""
    return len(text) <= LONGEST_INSTANT and _INSTANT.fullmatch(text) is not None


def _read_file(name: str, item: object) -> ExportFile:
    if not isinstance(item, dict):
        raise BulkError(f"The manifest's {name} has an item that is not an object.")
    kind, url, count = item.get("type"), item.get("url"), item.get("count")
    if name != "output" and kind is None:
        kind = "Bundle" if name == "deleted" else "OperationOutcome"
    if kind not in RESOURCE_TYPES or not isinstance(url, str):
        raise BulkError(f"The manifest's {name} has a file without a type or URL.")
    is_count = type(count) is int and count >= 0
    return ExportFile(name, kind, url, count if is_count else None)


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))[:100]
