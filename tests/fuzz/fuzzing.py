"""How much is tried: the same each time; with `FUZZ_EXAMPLES` so much, and others each time."""

import os

from hypothesis import HealthCheck, settings

SHARED_NAMES = frozenset({"field", "alert_rule"})
"""Arguments of routes whose values are the same for all tenants."""

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def fuzzed(examples: int, **wanted: int) -> settings:
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **wanted,
    )
