"""Statements for tests of the rules."""

from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.reading.readings import Reading
from trially.recruiting.drafting.reading.rules import Rules
from trially.recruiting.drafting.splitting.statements import Section, SplitText, Statement


def read(
    text: str, section: Section = Section.INCLUSION, *, value_sets: set[str] | None = None
) -> Reading:
    """Return the rules' reading of one statement."""
    statement = Statement(1, section, Place(0, len(text)), None, None, None)
    return Rules(value_sets or set()).read(SplitText(text, (), (statement,), ()))[0]


def exclude(text: str) -> Reading:
    """Return the rules' reading of one statement below `Exclusion Criteria`."""
    return read(text, Section.EXCLUSION)
