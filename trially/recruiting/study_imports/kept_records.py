"""What trially keeps of a registry's record: no contacts, no results, and a bounded size."""

from collections.abc import Mapping
from typing import Any

import orjson

MOST_BYTES = 512 << 10
"""Bytes of a record as JSON. Without results, the largest of 229 records had 26,000."""

_SECTIONS = ("protocolSection", "derivedSection")
"""The other sections are results, documents and annotations of them: up to 1.5 MB."""

_CONTACTS = ("centralContacts", "overallOfficials")
_NEEDED = frozenset({"identificationModule", "eligibilityModule", "statusModule"})
"""Modules that are left out last."""


def keep(body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what is kept of a study's record, and JSON pointers of what is not."""
    kept = {name: _copy(body[name]) for name in _SECTIONS if name in body}
    left_out = [f"/{name}" for name in body if name not in _SECTIONS and name != "hasResults"]
    left_out += _remove_contacts(kept)
    for pointer, around, name in _by_size(kept):
        if len(orjson.dumps(kept)) <= MOST_BYTES:
            break
        del around[name]
        left_out.append(pointer)
    if len(orjson.dumps(kept)) > MOST_BYTES:
        return {}, [""]
    return kept, sorted(left_out)


def _remove_contacts(kept: dict[str, Any]) -> list[str]:
    """Remove names, telephone numbers and e-mail addresses of contacts."""
    places = kept.get("protocolSection")
    module = places.get("contactsLocationsModule") if isinstance(places, dict) else None
    if not isinstance(module, dict):
        return []
    start = "/protocolSection/contactsLocationsModule"
    removed = [f"{start}/{name}" for name in _CONTACTS if module.pop(name, None) is not None]
    locations = module.get("locations")
    for place, location in enumerate(locations if isinstance(locations, list) else []):
        if isinstance(location, dict) and location.pop("contacts", None) is not None:
            removed.append(f"{start}/locations/{place}/contacts")
    return removed


def _by_size(kept: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    """Return the parts in the order to leave them out: pointer, object around, name."""
    parts = [
        (f"/{section}/{name}", content, name)
        for section, content in kept.items()
        if isinstance(content, dict)
        for name in content
    ]

    def rank(part: tuple[str, dict[str, Any], str]) -> tuple[bool, int]:
        _, content, name = part
        return name in _NEEDED, -len(orjson.dumps(content[name]))

    return sorted(parts, key=rank)


def _copy(value: Any) -> Any:
    """Return a copy of a JSON value without NUL, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, Mapping):
        return {_copy(name): _copy(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
