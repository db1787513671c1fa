"""The holes that are made by hand, by what the doctor examines to find them."""

from dataclasses import dataclass

from trially.doctor.findings import Level


@dataclass(frozen=True)
class Hole:
    """A defect that is made by hand, and that one check must find."""

    check: str
    made: str
    """The statement that makes the hole; names of placements are filled in."""

    mended: str
    """The statement that mends the hole."""

    of: str | None
    """The tenant whose database has the hole, "catalog", or None for the server."""

    text: str
    """Part of the finding."""

    level: Level = Level.ERROR
