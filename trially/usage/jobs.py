"""The job that counts a tenant's day when it has ended. Workers ask for it by themselves."""

import datetime as dt

from trially.database.session import transaction
from trially.jobs.kinds import Kind, Step, Turn, register
from trially.jobs.routines import Routine, add_routine
from trially.usage.bringing_up_to_date import copy_to_catalog, count_days, next_count_at

OPERATOR = "trially: usage"
"""Who the audit log and the jobs name for it."""


def _count(turn: Turn) -> None:
    counted = count_days(dt.datetime.now(dt.UTC))
    turn.result(days=[day.isoformat() for day in counted])


def _copy(_turn: Turn) -> None:
    with transaction():
        copy_to_catalog(dt.datetime.now(dt.UTC))


COUNT_USAGE = register(
    Kind(
        "count_usage",
        (Step("count", _count), Step("copy", _copy, has_own_transactions=True)),
        needs=None,
    )
)
add_routine(Routine(COUNT_USAGE, OPERATOR, next_count_at))
