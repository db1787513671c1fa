"""Let a view ask for a task, once for each Idempotency-Key."""

from collections.abc import Mapping
from typing import Any

from trially.http.codes import Code
from trially.http.problems import TooManyRequests
from trially.http.retry_after import retry_after
from trially.platform.stored import to_stored
from trially.request_cycle.platform import reading, replay
from trially.request_state import request_state
from trially.tenancy.tasks.asking import (
    Asked,
    TooManyTasksError,
    Wanted,
    ask_for,
    find_asked,
)
from trially.tenancy.tasks.reading import find_operation

Item = dict[str, Any]


def ask(kind: str, parameters: Mapping[str, Any], tenant: Item | None = None) -> Item:
    """Ask for a task about a tenant, or about none, and return it as an operation.

    `tenant` has the `id` and the `slug`; a tenant that is to be created has no `id` yet.
    """
    about = tenant or {}
    wanted = Wanted(kind, to_stored(parameters), about.get("id"), about.get("slug"))
    asked = current_request()
    try:
        task_id = reading(lambda: ask_for(asked, wanted))
    except TooManyTasksError as error:
        retry = retry_after(Code.TOO_MANY_REQUESTS)
        raise TooManyRequests(str(error), headers=retry) from None
    if task_id is not None:
        return reading(lambda: find_operation(task_id))
    # Another request with the same key was faster.
    earlier = reading(lambda: find_asked(asked))
    assert earlier is not None  # noqa: S101
    return dict(replay(earlier, asked))


def current_request() -> Asked:
    """Return who sends the current request, and what it asks for."""
    asked = request_state().asked
    if asked is None:
        raise RuntimeError("The contract of the view does not say that it asks for a task.")
    return asked
