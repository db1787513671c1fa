"""Parameters of tasks as the catalog stores them."""

from typing import Any

import orjson


def to_stored(value: Any) -> Any:
    """Return a value as JSON has it: times and ids as text."""
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_UTC_Z))
