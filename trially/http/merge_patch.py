"""Apply a JSON Merge Patch (RFC 7396) to a value of JSON."""

from typing import Any


def apply_merge_patch(target: Any, patch: Any) -> Any:
    """Return what a patch makes of a value. Neither of them is changed.

    The members of an object are patched one by one, and a member of null is removed. Any other
    patch, such as an array, replaces the value. The depth of a body's JSON is limited.
    """
    if not isinstance(patch, dict):
        return patch
    patched = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            patched.pop(name, None)
        else:
            patched[name] = apply_merge_patch(patched.get(name), value)
    return patched
