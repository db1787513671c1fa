"""Leave out records that a leaf about encounters does not need."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from trially.recruiting.criteria.rows import CLASS_OF
from trially.recruiting.matching.sql_dates import LAST_AT


@dataclass(frozen=True)
class Narrowing:
    """What a leaf about encounters does not need to read. A patient may have hundreds of them."""

    classes: frozenset[str] = frozenset()
    """Encounters of other classes are left out; those of no known class stay. Empty: all stay."""

    since: dt.date | None = None
    """Encounters that surely ended before this day are left out."""

    def condition(self) -> str:
        """Return SQL, to be appended to a condition."""
        parts = []
        if self.classes:
            parts.append("(category IS NULL OR category <> ALL (%(other_categories)s))")
        if self.since is not None:
            parts.append(f"{LAST_AT} >= %(since)s")
        return "".join(f" AND {part}" for part in parts)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the condition."""
        others = [word for word, name in CLASS_OF.items() if name not in self.classes]
        since = self.since and dt.datetime.combine(self.since, dt.time.min, dt.UTC)
        return {"other_categories": others, "since": since}


NOTHING_LEFT_OUT = Narrowing()
