"""The refusal of a statement that would exceed a quota of its tenant.

Triggers count the rows that plans limit. `tenancy/plans/model.py` describes their table.
"""

from typing import Self

import orjson
from psycopg2 import Error

from trially.errors import OperatorError

QUOTA_EXCEEDED = "TR005"
"""The SQLSTATE that the triggers raise."""


class QuotaExceededError(OperatorError):
    """The transaction would exceed a quota of the tenant."""

    def __init__(self, quota: str, most: int, used: int) -> None:
        super().__init__(
            f"The tenant's plan allows {most:,} {quota.replace('_', ' ')}, and {used:,} are used."
        )
        self.quota, self.most, self.used = quota, most, used

    @classmethod
    def of(cls, error: Error) -> Self | None:
        """Return what an error of the driver says about a quota, or None if it is another error."""
        if error.pgcode != QUOTA_EXCEEDED:
            return None
        return cls(**orjson.loads(error.diag.message_detail or "{}"))
