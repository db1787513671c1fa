"""Sign webhooks as Standard Webhooks 1.0 says: symmetric signatures, version v1.

The secret of an endpoint derives from its tenant's data key. Nothing is stored of it, and it ends
with the data key. Each rotation makes the next generation of the secret.
"""

import base64
import hmac
from uuid import UUID

from trially.keys.data_keys import DataKey, DataPurpose

SECRET_PREFIX = "whsec_"  # noqa: S105
SECRET_BYTES = 32
"""The specification asks for 24 to 64 bytes."""


def webhook_secret(key: DataKey, endpoint_id: UUID, generation: int) -> bytes:
    """Return one generation of the secret of an endpoint."""
    context = endpoint_id.bytes + generation.to_bytes(8)
    return key.derive(DataPurpose.WEBHOOKS, SECRET_BYTES, context)


def secret_text(secret: bytes) -> str:
    """Return a secret as receivers configure it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def webhook_signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of one message, for the header `webhook-signature`.

    `timestamp` counts seconds since 1970. It is signed too, so that a receiver can refuse messages
    that somebody has recorded and repeats later.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
