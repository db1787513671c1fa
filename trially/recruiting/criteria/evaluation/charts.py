"""Charts: the rows of one patient, made once for any number of leaves."""

from collections.abc import Iterable

from trially.recruiting.criteria.days import Days
from trially.recruiting.criteria.facts import Fact, Person
from trially.recruiting.criteria.rows import Row


class Chart:
    """A person and the rows of all facts that are used."""

    __slots__ = ("days", "person", "rows", "selected")

    def __init__(self, person: Person, facts: Iterable[Fact], days: Days) -> None:
        self.person = person
        self.days = days
        self.rows = [Row(fact, days) for fact in facts if fact.is_used]
        self.selected: tuple[object, dict[int, list[Row]]] | None = None
        """What an engine has selected of the rows, which its leaves ask for again and again."""
