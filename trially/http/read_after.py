"""Tokens with which a client reads its own writes from replicas that lag.

The response to a write carries a token, in the header `X-Read-After` and in a cookie. The token
holds the server's WAL position after the write. A request with the token is answered by a replica
only if that replica has replayed the position. The token is encrypted, because the WAL is shared:
its growth would show a client how busy other tenants are.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from flask import Response, request

from trially.config import current_settings
from trially.keys import Purpose, current_keys, seal, unseal_with_any

HEADER = "X-Read-After"
COOKIE = "trially_read_after"
COOKIE_SECONDS = 60
"""Longer than the maximum lag, so every replica in rotation has replayed the write by then."""

_CONTENT = struct.Struct(">QQ")
"""The placement's epoch and the WAL position, each an unsigned 64-bit integer."""


class UnreadableTokenError(ValueError):
    """The token was changed, belongs to another tenant, or was never issued."""


def write_token(response: Response, tenant_id: UUID, epoch: int, position: int) -> None:
    """Set the header and the cookie that carry the WAL position after the client's write."""
    token = _seal(tenant_id, epoch, position)
    response.headers[HEADER] = token
    response.set_cookie(
        COOKIE,
        token,
        max_age=COOKIE_SECONDS,
        secure=current_settings().public_url.startswith("https://"),
        httponly=True,
        samesite="Lax",
    )


def read_position(tenant_id: UUID, epoch: int) -> int | None:
    """Return the WAL position that the request's tokens require, 0 without a token.

    Returns None if a token cannot be read or is from a newer epoch (use the primary). A token from
    an older epoch is ignored: the move that raised the epoch already copied that write.
    """
    tokens = {request.headers.get(HEADER), request.cookies.get(COOKIE)} - {None, ""}
    position = 0
    for token in tokens:
        try:
            written_epoch, written_up_to = _unseal(tenant_id, str(token))
        except UnreadableTokenError:
            return None
        if written_epoch > epoch:
            return None
        if written_epoch == epoch:
            position = max(position, written_up_to)
    return position


def _seal(tenant_id: UUID, epoch: int, position: int) -> str:
    sealed = seal(
        current_keys().in_use,
        Purpose.READ_AFTER_TOKENS,
        _CONTENT.pack(epoch, position),
        tenant_id.bytes,
    )
    return urlsafe_b64encode(sealed).decode()


def _unseal(tenant_id: UUID, token: str) -> tuple[int, int]:
    try:
        content = unseal_with_any(
            current_keys().accepted,
            Purpose.READ_AFTER_TOKENS,
            urlsafe_b64decode(token),
            tenant_id.bytes,
        )
        epoch, position = _CONTENT.unpack(content)
    except (ValueError, struct.error):
        raise UnreadableTokenError("The token is not valid for this tenant.") from None
    return epoch, position
