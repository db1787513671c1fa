"""What audit records say, in words that a patient understands."""

from collections.abc import Iterable, Mapping

from trially.audit.forms import Action, Purpose
from trially.database.rows import Item

PURPOSES: Mapping[str, str] = {
    Purpose.RESEARCH: "To find participants for clinical trials",
    Purpose.OPERATION: "To operate the system",
    Purpose.COMPLIANCE: "To check who used the data",
    Purpose.PATIENT_REQUEST: "To tell a patient who used the patient's data",
}

_ACTIONS: Mapping[str, str] = {
    Action.READ: "Your record was shown",
    Action.SEARCH: "Your record was shown in a list",
    Action.CREATE: "Your record was created or added to",
    Action.UPDATE: "Your record was changed",
    Action.DELETE: "A part of your record was deleted",
    Action.IMPORT: "Your record was imported from a hospital's system",
    Action.EXPORT: "Your record was part of an export",
    Action.REFUSE: "An error message mentioned your record",
    Action.OPERATE: "A command or job worked with your record",
}

_SYSTEM = "trially (automatic)"


def means_of(entry: Item) -> str:
    """Return by which means a record disclosed or changed something."""
    means = _ACTIONS[entry["action"]]
    is_support = entry["operator"] is not None and entry["outcome"] is not None
    return f"{means}, during a support visit" if is_support else means


def person_of(entry: Item) -> str:
    """Return who acted: name and role."""
    member, operator = entry["member"], entry["operator"]
    if operator is not None:
        return f"{operator}, operator of trially"
    if member is None:
        return _SYSTEM
    name = member["name"] or f"Member {member['id']}"
    return f"{name}, {member['role'] or 'former member'}"


_TECHNICAL = frozenset({"id", "etag"})
"""Fields of answers that say nothing about a patient."""


def plain_names(names: Iterable[str]) -> list[str]:
    """Return the names of fields in plain words, each once."""
    return list(dict.fromkeys(plain_name(name) for name in names if name not in _TECHNICAL))


def plain_name(name: str) -> str:
    """Return the name of a field or column in plain words: `address.city` is `address: city`."""
    return name.removesuffix("_id").replace(".", ": ").replace("_", " ")
