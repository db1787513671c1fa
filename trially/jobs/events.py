"""The progress of a job as server-sent events (WHATWG HTML, "Server-sent events").

A stream reads the job once a second in a transaction of its own, with the caller's access as it is
then. It ends with the job, or after `STREAM_SECONDS`, so that a server that is being replaced need
not wait for it. The number of streams is limited, because each occupies a thread.
"""

import time
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

import orjson
from flask import Flask, Response, current_app

from trially.auth.identity import Credential, read_identity, refuse_revoked
from trially.auth.permissions import Permission
from trially.auth.tokens import Claims
from trially.database.placement import current_placement
from trially.database.rows import Item, find_item
from trially.database.session import open_transaction, transaction
from trially.errors import OperatorError
from trially.http.codes import Code
from trially.http.etags import ETAG, to_etag
from trially.http.problems import Problem, ServiceUnavailable, TooManyRequests
from trially.http.retry_after import retry_after
from trially.jobs.enqueuing import SHOWN_COLUMNS
from trially.jobs.model import UNFINISHED, Job
from trially.jobs.visibility import is_own
from trially.request_state import request_state
from trially.state import state_of
from trially.tenancy.context import current_tenant, enter_tenant
from trially.tenancy.directory import directory
from trially.tenancy.tenant_entries import SupportAccess

EVENT_STREAM = "text/event-stream"
STREAM_SECONDS = 25.0
"""Less than `graceful_timeout` of `deploy/gunicorn.conf.py`."""

LOOK_SECONDS = 1.0
RETRY_MS = 1000
"""After how many milliseconds an EventSource connects again."""

SHARE_OF_THREADS = 4
"""Streams may hold one thread in so many. Half of those may be of one tenant, but at least one."""

_counting = Lock()


@dataclass(frozen=True)
class Watcher:
    """Who follows a job."""

    tenant_id: UUID
    credential: Credential
    support: SupportAccess | None


def stream_job(job: Item) -> Response:
    """Return the answer that sends a job, and its changes until it ends.

    Answers 429 or 503 if too many streams are open.
    """
    state, tenant_id = request_state(), current_tenant().tenant_id
    assert state.credential is not None  # noqa: S101
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    place = _occupy(app, tenant_id)
    watcher = Watcher(tenant_id, state.credential, state.support)
    response = Response(_events(app, watcher, job), mimetype=EVENT_STREAM)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(place.leave)
    # If the request fails after this, nothing closes the answer.
    weakref.finalize(response, place.leave)
    return response


def _events(app: Flask, watcher: Watcher, job: Item) -> Iterator[bytes]:
    ends_at = time.monotonic() + min(STREAM_SECONDS, _lifetime(watcher.credential))
    yield b"retry: %d\n\n" % RETRY_MS
    sent: int | None = None
    while True:
        if job["version"] != sent:
            sent = job["version"]
            yield _event(job)
        if job["state"] not in UNFINISHED or time.monotonic() + LOOK_SECONDS > ends_at:
            return
        time.sleep(LOOK_SECONDS)
        yield b":\n\n"  # shows whether the client is still there
        try:
            with _watching(app, watcher):
                seen = _read(job["id"], watcher)
        except (Problem, OperatorError):
            return
        if seen is None:
            return
        job = seen


def _lifetime(credential: Credential) -> float:
    """Return for how many seconds a token is valid. An API key is looked up at each event."""
    return credential.exp - time.time() if isinstance(credential, Claims) else STREAM_SECONDS


@contextmanager
def _watching(app: Flask, watcher: Watcher) -> Iterator[None]:
    """Run the block in a transaction of the watcher's tenant, where it is placed now."""
    with app.app_context():
        enter_tenant(directory().find(str(watcher.tenant_id)))
        state = request_state()
        state.credential, state.support = watcher.credential, watcher.support
        with transaction():
            open_transaction()
            yield


def _read(job_id: UUID, watcher: Watcher) -> Item | None:
    """Return the job, or None if the watcher may not see it any more."""
    identity = read_identity(watcher.credential, current_placement())
    refuse_revoked(watcher.credential, current_tenant())
    job = find_item(Job, job_id, SHOWN_COLUMNS)
    if job is None or not (identity.may(Permission.JOBS_READ) and is_own(job, identity)):
        return None
    return job


def _event(job: Item) -> bytes:
    name = "progress" if job["state"] in UNFINISHED else "end"
    shown = {key: value for key, value in job.items() if key != "version"}
    shown[ETAG] = to_etag(job["version"])
    data = orjson.dumps(shown, option=orjson.OPT_UTC_Z)
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), job["version"], data)


class _Place:
    """The right to send one stream."""

    def __init__(self, streams: Counter[object], tenant_id: UUID) -> None:
        self._streams, self._tenant_id, self._is_left = streams, tenant_id, False
        streams[tenant_id] += 1

    def leave(self) -> None:
        """Give the place to another stream. A second call does nothing."""
        with _counting:
            if self._is_left:
                return
            self._is_left = True
            self._streams[self._tenant_id] -= 1
            if not self._streams[self._tenant_id]:
                del self._streams[self._tenant_id]


def _occupy(app: Flask, tenant_id: UUID) -> _Place:
    state = state_of(app)
    most = max(1, state.settings.threads // SHARE_OF_THREADS)
    with _counting:
        if state.event_streams[tenant_id] >= max(1, most // 2):
            raise TooManyRequests(
                "This tenant has as many event streams in this process as it may. Poll the job.",
                code=Code.TOO_MANY_STREAMS,
                headers=retry_after(Code.TOO_MANY_STREAMS, tenant_id),
            )
        if state.event_streams.total() >= most:
            raise ServiceUnavailable(
                "This process sends as many event streams as it may. Poll the job.",
                code=Code.TOO_MANY_STREAMS,
                headers=retry_after(Code.TOO_MANY_STREAMS),
            )
        return _Place(state.event_streams, tenant_id)
