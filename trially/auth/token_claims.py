"""Check the registered claims of a token."""

import time
from collections.abc import Collection
from typing import Any

from trially.auth.token_errors import TokenError

MAX_SUBJECT_LENGTH = 255


def check_times(
    payload: dict[str, Any], leeway_seconds: float, max_lifetime_seconds: float
) -> tuple[float, float]:
    """Return `iat` and `exp` after checking that the token is valid now."""
    expires_at, issued_at = _read_time(payload, "exp"), _read_time(payload, "iat")
    now = time.time()
    if expires_at + leeway_seconds <= now:
        raise TokenError("expired")
    if issued_at - leeway_seconds > now:
        raise TokenError("not_yet_valid")
    if not 0 < expires_at - issued_at <= max_lifetime_seconds:
        raise TokenError("bad_lifetime")
    if "nbf" in payload and _read_time(payload, "nbf") - leeway_seconds > now:
        raise TokenError("not_yet_valid")
    return issued_at, expires_at


def _read_time(payload: dict[str, Any], name: str) -> float:
    seconds = payload.get(name)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TokenError(f"bad_{name}")
    return float(seconds)


def read_audiences(audience: object, accepted: Collection[str]) -> tuple[str, ...]:
    """Return the audiences, at least one of which is accepted."""
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(entry, str) for entry in audiences):
        raise TokenError("bad_audience")
    if not set(audiences) & set(accepted):
        raise TokenError("wrong_audience")
    return tuple(audiences)


def read_subject(subject: object) -> str:
    """Return the subject. OpenID Connect Core 2 allows up to 255 ASCII characters."""
    if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_SUBJECT_LENGTH:
        raise TokenError("bad_subject")
    if not subject.isascii() or not subject.isprintable() or subject != subject.strip():
        raise TokenError("bad_subject")
    return subject
