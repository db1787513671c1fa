"""Merge patches (RFC 7396) of values that are stored as one JSON document."""

from typing import Any


def merged(target: Any, patch: Any) -> Any:
    """Return the target after a patch: objects are merged, null removes, all else replaces.

    This is the pseudocode of RFC 7396, section 2.
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
