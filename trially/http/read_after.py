"""What a client shows so that it reads what it has written, also where a replica answers.

An answer to a change carries a token, as a header and as a cookie, that says where the server's log
was after it. A client that sends either back is answered by whoever has replayed that much. The
token is encrypted: the log is every tenant's, and how it grows is nobody's business.
"""

import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Response, request

from trially.config import current_settings

HEADER = "X-Read-After"
COOKIE = "trially_read_after"
COOKIE_SECONDS = 60
"""By then every replica that may answer at all has what was written."""

_NONCE_BYTES = 12
_SAID = struct.Struct(">QQ")


class UnreadableTokenError(ValueError):
    """A token was made for another tenant, or never."""


def write_token(response: Response, tenant_id: UUID, epoch: int, position: int) -> None:
    """Tell the client where the log was after what it has written."""
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
    """Return where the log was when the client last wrote, 0 if it does not say so.

    None if only the primary can tell: the token is another tenant's, in whose place this tenant's
    may have been before, or of a later placement than is known here. One of an earlier placement
    asks for nothing: what a guard says of this one was written after it.
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
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = _cipher(current_settings().secret_key).encrypt(
        nonce, _SAID.pack(epoch, position), tenant_id.bytes
    )
    return urlsafe_b64encode(nonce + sealed).decode()


def _unseal(tenant_id: UUID, token: str) -> tuple[int, int]:
    try:
        raw = urlsafe_b64decode(token)
        said = _cipher(current_settings().secret_key).decrypt(
            raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], tenant_id.bytes
        )
        epoch, position = _SAID.unpack(said)
    except (InvalidTag, ValueError, struct.error):
        raise UnreadableTokenError("The token is not this tenant's.") from None
    return epoch, position


@cache
def _cipher(secret_key: str) -> AESGCM:
    key = HKDF(SHA256(), length=32, salt=None, info=b"trially: read after").derive(
        secret_key.encode()
    )
    return AESGCM(key)
