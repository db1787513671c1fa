"""What an import changes of a stored study, field by field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What an import does with a field that differs."""

    REPLACED = "replaced"
    KEPT = "kept"
    """A member has changed the field here, and the registry has not changed it since."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a study that the registry describes otherwise."""

    field: str
    stored: Any
    registry: Any
    action: Action


def differences_of(
    values: Mapping[str, Any], stored: Mapping[str, Any], imported: Mapping[str, Any]
) -> Iterator[Difference]:
    """Yield how the registry's `values` differ from the `stored` ones.

    `imported` are the values that the last import read: empty before the first one. A value that
    the registry has not changed since does not overwrite what was changed here.
    """
    for name, value in values.items():
        if stored[name] == value:
            continue
        is_old = name in imported and imported[name] == value
        yield Difference(name, stored[name], value, Action.KEPT if is_old else Action.REPLACED)
