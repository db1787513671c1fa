"""The header fields that tell clients how much of their limits is left.

They are those of the Internet-Draft draft-ietf-httpapi-ratelimit-headers-10.
"""

from collections.abc import Iterable

from trially.rate_limits.counts import WINDOW_SECONDS, Standing

POLICY = "RateLimit-Policy"
LEFT = "RateLimit"


def rate_limit_headers(standings: Iterable[Standing]) -> dict[str, str]:
    """Return the fields for what is left of several budgets."""
    standings = tuple(standings)
    return {
        POLICY: ", ".join(f'"{each.name}";q={each.most};w={WINDOW_SECONDS}' for each in standings),
        LEFT: ", ".join(f'"{each.name}";r={each.left};t={each.seconds}' for each in standings),
    }
