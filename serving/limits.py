"""What one client may use of a worker, read from environment variables."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class LimitError(ValueError):
    """An environment variable of the server has an invalid value."""


@dataclass(frozen=True)
class Limits:
    """Deadlines, rates and sizes. docs/settings.md describes the variables."""

    header_seconds: float = 10
    body_seconds: float = 120
    grace_seconds: float = 10
    bytes_per_second: float = 1000
    connections: int = 1000
    unauthenticated_per_address: int = 64
    buffer_bytes: int = 64 << 20
    body_bytes: int = 1 << 20
    """A larger body is read by the thread that answers the request."""

    linger_seconds: float = 3
    """How long a stopping worker waits for further requests on open connections."""

    ready_seconds: float = 60
    """How long a worker that replaces another may take until `/readyz` answers 200."""


VARIABLES = {
    "WEB_HEADER_SECONDS": "header_seconds",
    "WEB_BODY_SECONDS": "body_seconds",
    "WEB_TRANSFER_GRACE_SECONDS": "grace_seconds",
    "WEB_MINIMUM_BYTES_PER_SECOND": "bytes_per_second",
    "WEB_CONNECTIONS": "connections",
    "WEB_UNAUTHENTICATED_PER_ADDRESS": "unauthenticated_per_address",
    "WEB_BUFFER_BYTES": "buffer_bytes",
    "TRIALLY_MAX_BODY_BYTES": "body_bytes",
    "WEB_LINGER_SECONDS": "linger_seconds",
    "WEB_READY_SECONDS": "ready_seconds",
}

MOST_HEAD_BYTES = 64 << 10
"""Maximum size of a request line and its header fields together."""


def read_limits(environment: Mapping[str, str] = os.environ) -> Limits:
    """Return the limits that the environment sets. Raises `LimitError` for an invalid value."""
    values: dict[str, Any] = {}
    for variable, name in VARIABLES.items():
        if text := environment.get(variable, "").strip():
            values[name] = _positive(variable, text, Limits.__annotations__[name])
    limits = Limits(**values)
    if limits.buffer_bytes < limits.body_bytes:
        raise LimitError(
            f"WEB_BUFFER_BYTES={limits.buffer_bytes} is too small. Set it to at least"
            f" TRIALLY_MAX_BODY_BYTES, {limits.body_bytes}."
        )
    return limits


def _positive(variable: str, text: str, kind: type[float]) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = kind(0)
    if not 0 < value < math.inf:
        wanted = "a whole number" if kind is int else "a number"
        raise LimitError(f"{variable}={text!r} is invalid. Set it to {wanted} greater than 0.")
    return value
