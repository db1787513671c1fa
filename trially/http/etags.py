"""Entity tags (RFC 9110, section 8.8.3) of rows with a version number."""

import re

from flask import request

from trially.http.codes import Code
from trially.http.problems import PreconditionRequired

ETAG = "etag"
"""The member of an item that holds its entity tag, for If-Match."""

MASKED_SUFFIX = "-masked"

Versions = frozenset[int]

_TAG = re.compile(rf"([0-9]{{1,18}})(?:{MASKED_SUFFIX})?\Z")
"""A number of 18 digits always fits into a bigint."""


def to_etag(version: int, *, is_masked: bool = False) -> str:
    """Return the strong entity tag of a version, in quotes.

    A masked answer is another representation, so it has another tag.
    """
    return f'"{version}{MASKED_SUFFIX}"' if is_masked else f'"{version}"'


def is_known_to_client(etag: str) -> bool:
    """Return whether If-None-Match names the tag, or `*`."""
    return "If-None-Match" in request.headers and request.if_none_match.contains_weak(
        etag.strip('"')
    )


def read_versions() -> Versions | None:
    """Return the versions that If-Match names, or None for `*`, which matches any version.

    Raises `PreconditionRequired` without the header: a client that changes a record must name the
    version that it read. A weak tag and an unknown one match nothing.
    """
    if "If-Match" not in request.headers:
        raise PreconditionRequired(
            "The request needs If-Match with the ETag of the record to change.",
            code=Code.IF_MATCH_REQUIRED,
        )
    tags = request.if_match
    if tags.star_tag:
        return None
    # Werkzeug reads the empty tag as None.
    return frozenset(int(seen[1]) for tag in tags.as_set() if (seen := _TAG.match(tag or "")))
