"""How much is tried: the same each time; with `FUZZ_EXAMPLES` so much, and others each time."""

import os

from hypothesis import HealthCheck, settings

NUMBERS = frozenset({"version", "other_version"})
"""Arguments of routes that count the versions of a row, from 1."""

SHARED_NAMES = frozenset({"field", "alert_rule", "resource_type", "scim_schema"}) | NUMBERS
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
