"""Give every refusal of a stranger the same duration."""

import time

from flask import Response

from trially.database.session import db
from trially.request_state import request_state

REFUSAL_SECONDS = 0.05
"""A refusal takes this long, or a multiple of it."""


def equalize_refusal_time(response: Response) -> Response:
    """Delay the refusal of a stranger, so that its duration reveals no more than its text.

    An unknown tenant, a suspended one and another's would differ otherwise: each needs a different
    number of database queries.
    """
    state = request_state()
    if state.is_stranger:
        db.session.remove()
        elapsed = time.perf_counter() - state.admitted_at
        time.sleep(-elapsed % REFUSAL_SECONDS)
    return response
