"""The plane of the work that runs: a request to the platform API reaches no tenant's tables.

Requests of people of organisations are such requests too.

It is a context variable and not a part of the app context, because a view could push another one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_of_platform: ContextVar[bool] = ContextVar("is_of_platform", default=False)


class PlatformRequestError(RuntimeError):
    """A request to the platform API asked for a tenant's tables, or for the administrator."""


@contextmanager
def platform_request() -> Iterator[None]:
    """Run the block as a part of a request to the platform API.

    Its SQL goes to the catalog only, with the role that may only read.
    """
    token = _is_of_platform.set(True)
    try:
        yield
    finally:
        _is_of_platform.reset(token)


def is_platform_request() -> bool:
    """Return whether the code that runs is a part of a request to the platform API."""
    return _is_of_platform.get()


def refuse_platform_requests(what: str) -> None:
    """Raise `PlatformRequestError` in a request to the platform API, which may not have `what`."""
    if is_platform_request():
        raise PlatformRequestError(f"A request to the platform API has no {what}.")
