"""Answer one request with the app. Runs in a thread."""

from collections.abc import Callable
from typing import Any

from gunicorn.http import wsgi

from serving.connection import Connection
from serving.outgoing import ClientGoneError
from serving.problems import CRASHED, TOO_SLOW, choose_request_id, problem_of

AUTHENTICATED = "trially.authenticated"
"""The app sets this in the WSGI environ when it has verified the request's credentials."""

WAITING = "trially.waiting"
"""A function in the WSGI environ, which returns a context manager.

While the app waits in it for other requests to end, another thread answers requests.
"""

App = Callable[..., Any]


class Answer(wsgi.Response):  # type: ignore[misc]
    """gunicorn's response. It decides at its beginning whether the connection stays open."""

    def __init__(self, request: Any, sock: Any, config: Any, is_last: Callable[[], bool]) -> None:
        super().__init__(request, sock, config)
        self._is_last = is_last

    def default_headers(self) -> list[str]:
        """Return the first lines of the answer."""
        if self._is_last():
            self.force_close()
        headers: list[str] = super().default_headers()
        return headers

    def can_sendfile(self) -> bool:
        """Answers go through `Outgoing`."""
        return False


def answer(connection: Connection, app: App, worker: Any) -> None:
    """Answer the connection's request, and set what the polling thread has to do afterwards."""
    try:
        response, environ = wsgi.create(
            connection.request,
            connection.outgoing,
            connection.address,
            connection.server_address,
            worker.cfg,
            response_class=Answer,
            response_args=(lambda: connection.body_is_streamed or worker.is_closing(),),
        )
        environ["wsgi.multithread"] = True
        environ[WAITING] = worker.waiting
        _run(app, environ, response, connection)
        connection.is_authenticated = connection.is_authenticated or bool(
            environ.get(AUTHENTICATED)
        )
        connection.must_close = response.should_close() or not _skip_rest_of_body(connection)
    except ClientGoneError:
        connection.is_broken = True
    except Exception as error:  # noqa: BLE001
        _fail(connection, error, worker)


def _run(app: App, environ: dict[str, Any], response: Any, connection: Connection) -> None:
    assert connection.outgoing is not None  # noqa: S101
    parts = app(environ, response.start_response)
    try:
        if connection.body_was_too_slow and not connection.outgoing.has_begun:
            connection.outgoing.sendall(TOO_SLOW.render(choose_request_id(connection.request)))
            response.force_close()
        else:
            for part in parts:
                response.write(part)
            response.close()
        connection.outgoing.finish()
    finally:
        if hasattr(parts, "close"):
            parts.close()


def _skip_rest_of_body(connection: Connection) -> bool:
    """Skip what the app did not read, and return whether the next request's begin is known."""
    assert connection.request is not None  # noqa: S101
    if connection.body_is_streamed:
        return False
    try:
        while connection.request.body.read(1 << 16):
            pass
    except Exception:  # noqa: BLE001
        return False
    return True


def _fail(connection: Connection, error: Exception, worker: Any) -> None:
    assert connection.outgoing is not None  # noqa: S101
    request_id = choose_request_id(connection.request)
    problem = TOO_SLOW if connection.body_was_too_slow else problem_of(error)
    if problem is CRASHED:
        worker.log.error("The server failed to answer a request.", exc_info=error)
    connection.must_close = True
    if connection.outgoing.has_begun:
        connection.is_broken = True
        return
    try:
        connection.outgoing.sendall(problem.render(request_id))
        connection.outgoing.finish()
    except OSError:
        connection.is_broken = True
