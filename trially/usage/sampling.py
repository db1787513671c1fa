"""Count the requests of members, the bytes of their answers, and the time in the database.

A request counts if the caller was known as a member, no limit refused it, and the answer is no
error of the server. The requests of operators with a support grant, and their commands, are not the
tenant's use.
"""

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, has_request_context, request

from trially.request_state import request_state
from trially.state import app_state, state_of
from trially.usage.samples import UsageCounter


def init_app(app: Flask) -> None:
    """Count every request and job.

    Must be called before other rooms add `after_request` handlers, which Flask runs in reverse, so
    that the answer is complete.
    """
    state = state_of(app)
    state.usage = UsageCounter(app, state.settings.usage_flush_seconds)
    app.after_request(_count_request)
    app.teardown_appcontext(_count_job)


def _count_request(response: Response) -> Response:
    state = request_state()
    identity = state.identity
    if identity is None or identity.acting_for is not None:
        return response
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return response
    add = partial(app_state().usage.add, identity.tenant_id)
    size = _size_of(response)
    add(requests=1, database_seconds=state.database_seconds, egress_bytes=size or 0)
    if size is None:
        response.response = _Counted(response.response, add)
    return response


def _size_of(response: Response) -> int | None:
    """Return the bytes of a response's body; None for a stream whose length is not known."""
    if request.method == "HEAD":
        return 0
    if response.is_sequence:
        return response.calculate_content_length()
    return response.content_length


def _count_job(_error: BaseException | None) -> None:
    state = request_state()
    if state.runs_job and not has_request_context() and state.placement is not None:
        app_state().usage.add(state.placement.tenant_id, database_seconds=state.database_seconds)


class _Counted:
    """The parts of an answer of unknown length. Their bytes are added when it ends."""

    def __init__(self, parts: Any, add: Any) -> None:
        self._parts, self._add = parts, add
        self._size = 0

    def __iter__(self) -> Iterator[Any]:
        for part in self._parts:
            self._size += len(part)
            yield part

    def close(self) -> None:
        """Add the bytes, and close the parts."""
        size, self._size = self._size, 0
        self._add(egress_bytes=size)
        if hasattr(self._parts, "close"):
            self._parts.close()
