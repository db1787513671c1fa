"""The readers of eligibility texts that a request can name.

The rules are always there. The setting `TRIALLY_READERS` names others, and none of them is called
unless a request names it.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import cast

from trially.config import current_settings
from trially.recruiting.drafting.reading.readings import Reader

RULES = "rules"

MakeReader = Callable[[AbstractSet[str]], Reader]
"""Makes a reader that knows the names of the tenant's value sets."""


class UnknownReaderError(LookupError):
    """There is no reader of this name."""


def make_reader(name: str, value_sets: AbstractSet[str]) -> Reader:
    """Return a reader by its name. Raises `UnknownReaderError`."""
    if name == RULES:
        # Imported here: the rules compile many patterns, and only proposals need them.
        from trially.recruiting.drafting.reading.rules import Rules

        return Rules(value_sets)
    readers = current_settings().readers
    if name not in readers:
        names = ", ".join(names_of_readers(readers))
        raise UnknownReaderError(f"There is no reader {name!r}. There are: {names}.")
    return load_reader(readers[name])(value_sets)


def names_of_readers(readers: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of all readers, the rules first."""
    yield RULES
    yield from readers


def load_reader(path: str) -> MakeReader:
    """Return what `package.module:name` is. Raises `ImportError` or `AttributeError`."""
    module, _, name = path.partition(":")
    return cast("MakeReader", getattr(importlib.import_module(module), name))
