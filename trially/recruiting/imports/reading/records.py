"""What is read of an input besides plain resources."""

from typing import Any, NamedTuple

from trially.recruiting.sources.server_urls import base_of

Json = dict[str, Any]


class Located(NamedTuple):
    """A resource, and the base URL of the server that its Bundle names."""

    resource: Json
    base_url: str


class Deletion(NamedTuple):
    """A record that the source has deleted."""

    base_url: str
    type: str
    id: str
    modified: str | None
    """When it was deleted, as the entry says."""

    etag: str | None
    """The version of the deletion: `W/"3"`."""


def read_deletion(entry: Json, timestamp: object) -> Deletion | None:
    """Return the deletion in an entry whose method is DELETE, None if it names no single record.

    `timestamp` is the Bundle's, for entries that do not say when.
    """
    request, response = entry["request"], entry.get("response")
    full_url, url = entry.get("fullUrl"), request.get("url")
    named = url if type(url) is str else full_url
    if type(named) is not str or "?" in named:
        return None
    path = named.partition("/_history/")[0].rstrip("/")
    before, _, resource_id = path.rpartition("/")
    kind = before.rpartition("/")[2]
    if not kind or not resource_id:
        return None
    response = response if type(response) is dict else {}
    modified, etag = response.get("lastModified") or timestamp, response.get("etag")
    return Deletion(
        base_of(full_url, kind) or base_of(url, kind),
        kind,
        resource_id,
        modified if type(modified) is str else None,
        etag if type(etag) is str else None,
    )
