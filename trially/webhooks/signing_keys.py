"""The secrets with which an endpoint's messages are signed: one, or two after a rotation."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from trially.database.placement import current_placement
from trially.keys.webhooks import webhook_secret
from trially.tenancy.data_keys import data_key, data_key_of_version

COLUMNS = ("key_version", "generation", "former_key_version", "former_until")


def first_secret_columns() -> dict[str, Any]:
    """Return the columns of a new endpoint's secret.

    Raises a `KeyProviderError` if the tenant's data key cannot be used now.
    """
    return {"key_version": _present_version(), "generation": 1}


def next_secret_columns(endpoint: Mapping[str, Any], overlap: dt.timedelta) -> dict[str, Any]:
    """Return the columns after a rotation. The former secret signs too, until the overlap ends."""
    return {
        "key_version": _present_version(),
        "generation": endpoint["generation"] + 1,
        "former_key_version": endpoint["key_version"],
        "former_until": dt.datetime.now(dt.UTC) + overlap,
    }


def present_secret(endpoint_id: UUID, endpoint: Mapping[str, Any]) -> bytes:
    """Return the secret that an endpoint has now."""
    return _secret(endpoint_id, endpoint["key_version"], endpoint["generation"])


def signing_secrets(endpoint_id: UUID, endpoint: Mapping[str, Any]) -> Sequence[bytes]:
    """Return the secrets that sign now, the newest first."""
    secrets = [present_secret(endpoint_id, endpoint)]
    until = endpoint["former_until"]
    if until is not None and until > dt.datetime.now(dt.UTC):
        secrets.append(
            _secret(endpoint_id, endpoint["former_key_version"], endpoint["generation"] - 1)
        )
    return secrets


def _present_version() -> int:
    return data_key(current_placement().tenant_id).version


def _secret(endpoint_id: UUID, key_version: int, generation: int) -> bytes:
    key = data_key_of_version(current_placement().tenant_id, key_version)
    return webhook_secret(key, endpoint_id, generation)
