"""One sentence of a report."""

from typing import NamedTuple


class Sentence(NamedTuple):
    """What is wrong, and what mends it."""

    what: str
    remedy: str
    is_limit: bool = False
    """Only a limit of resources differs, which isolates nothing."""
