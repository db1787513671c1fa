"""Entity tags (RFC 9110, section 8.8.3) of resources whose rows are numbered by version."""

import re

from flask import request

from trially.http.problems import Code, PreconditionRequired

Versions = frozenset[int]

_TAG = re.compile(r"([0-9]{1,18})(?:-masked)?\Z")
"""Eighteen digits are a bigint whatever they are."""


def to_etag(version: int, *, is_masked: bool = False) -> str:
    """Return the entity tag of a version, in quotes: a strong one.

    What is masked is another representation than what is not, so it has a tag of its own.
    """
    return f'"{version}-masked"' if is_masked else f'"{version}"'


def is_known_to_client(etag: str) -> bool:
    """Tell whether If-None-Match names the tag, or anything."""
    return "If-None-Match" in request.headers and request.if_none_match.contains_weak(
        etag.strip('"')
    )


def read_versions() -> Versions | None:
    """Return the versions that If-Match names, or None if it is `*`: any will do.

    Raises `PreconditionRequired` if there is no such header: who changes something says what they
    have seen of it. A weak tag, and one that was never ours, matches nothing.
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
