"""The job that counts a tenant and copies the counts to the catalog: weekly, and on a consent."""

from trially.analytics.publishing import next_share_at, share_counts
from trially.jobs.enqueuing import enqueue
from trially.jobs.kinds import Kind, Step, Turn, register
from trially.jobs.routines import Routine, add_routine

OPERATOR = "trially: shared counts"
"""Who the audit log and the jobs name for it."""


def _share(turn: Turn) -> None:
    turn.result(counted=[each.about for each in share_counts()])


SHARE_COUNTS = register(
    Kind("share_counts", (Step("share", _share, has_own_transactions=True),), needs=None)
)
add_routine(Routine(SHARE_COUNTS, OPERATOR, next_share_at))


def enqueue_sharing() -> None:
    """Let a worker count the current tenant after the commit.

    The job belongs to no member: it does what the consents say when it runs.
    """
    enqueue(SHARE_COUNTS, {}, operator=OPERATOR)
