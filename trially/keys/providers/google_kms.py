"""A master key in Google Cloud KMS: a symmetric key, and the context as authenticated data.

It needs the extra `google-kms`. Credentials come from the environment, as in all of Google's
libraries. HTTP is used instead of gRPC, whose threads do not survive the fork of a server.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import kms
from requests import exceptions as http

from trially.keys.providers.errors import (
    KeyProviderError,
    MasterKeyLostError,
    MasterKeyRefusedError,
    ProviderUnavailableError,
    WrongContextError,
)
from trially.keys.providers.provider import KeyContext
from trially.keys.providers.wrapped import WrappedKey

LOST = ("NOT_FOUND", "FAILED_PRECONDITION")
REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "DefaultCredentialsError", "RefreshError")
"""States of Google's answers, and names of errors without one. All others are failures."""


class GoogleKmsProvider:
    """A provider whose master key is a key of Google Cloud KMS.

    `name` is the key's resource name: `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
    """

    kind = "gcp-kms"

    def __init__(
        self, name: str, seconds: float, client: kms.KeyManagementServiceClient | None = None
    ) -> None:
        self._name = name
        self._limits: dict[str, Any] = {"timeout": seconds, "retry": None}
        self._client = client

    @property
    def key_name(self) -> str:
        """The key's resource name."""
        return self._name

    def wrap(self, secret: bytes, context: KeyContext) -> WrappedKey:
        """Encrypt a data key with the primary version."""
        with self._explained("cloudkms.cryptoKeyVersions.useToEncrypt"):
            answer = self._kms().encrypt(
                request={
                    "name": self._name,
                    "plaintext": secret,
                    "additional_authenticated_data": context.encoded,
                },
                **self._limits,
            )
        return WrappedKey(self.kind, self._name, _number_of(answer.name), answer.ciphertext)

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        """Decrypt a data key; the ciphertext says with which version."""
        with self._explained("cloudkms.cryptoKeyVersions.useToDecrypt", context):
            answer = self._kms().decrypt(
                request={
                    "name": wrapped.key_name,
                    "ciphertext": wrapped.ciphertext,
                    "additional_authenticated_data": context.encoded,
                },
                **self._limits,
            )
        return bytes(answer.plaintext)

    def newest_version(self) -> str:
        """Return the number of the primary version."""
        with self._explained("cloudkms.cryptoKeys.get"):
            key = self._kms().get_crypto_key(request={"name": self._name}, **self._limits)
        return _number_of(key.primary.name)

    def create_version(self) -> str:
        """Create a version, and make it the primary one."""
        with self._explained("cloudkms.cryptoKeyVersions.create and cryptoKeys.update"):
            created = self._kms().create_crypto_key_version(
                request={"parent": self._name, "crypto_key_version": {}}, **self._limits
            )
            number = _number_of(created.name)
            self._kms().update_crypto_key_primary_version(
                request={"name": self._name, "crypto_key_version_id": number}, **self._limits
            )
        return number

    def former_versions(self) -> list[str]:
        """Refuse: Google destroys versions after a delay, which an operator chooses."""
        raise KeyProviderError(
            "Destroy the former versions with `gcloud kms keys versions destroy`. Google destroys"
            " them after the delay of the key, and only then they cannot be restored."
        )

    def destroy_version(self, version: str) -> None:  # noqa: ARG002
        """Refuse, for the same reason."""
        self.former_versions()

    def create_key(self) -> None:
        """Refuse: place, protection level and access are decided with Google's own tools."""
        raise KeyProviderError(
            "Create the key with `gcloud kms keys create … --purpose encryption`, and let the"
            " service account of trially encrypt and decrypt with it."
        )

    def _kms(self) -> kms.KeyManagementServiceClient:
        if self._client is None:
            self._client = kms.KeyManagementServiceClient(transport="rest")
        return self._client

    @contextmanager
    def _explained(self, permission: str, context: KeyContext | None = None) -> Iterator[None]:
        """Raise Google's errors as those of providers. `context` is that of a decryption."""
        try:
            yield
        except (api.GoogleAPIError, auth.GoogleAuthError, http.RequestException) as error:
            raise self._failure(error, permission, context) from None

    def _failure(
        self, error: Exception, permission: str, context: KeyContext | None
    ) -> KeyProviderError:
        status = _status_of(error)
        if context is not None and status == "INVALID_ARGUMENT":
            return WrongContextError.of(context)
        if status in LOST:
            return MasterKeyLostError(
                f"Google Cloud KMS has no usable key {self._name} ({status}). Enable or restore the"
                " version of the key, which is possible until it is destroyed."
            )
        if status in REFUSED:
            return MasterKeyRefusedError(
                f"Google Cloud KMS refuses the key {self._name} to this process ({status}). Its"
                f" service account needs {permission}."
            )
        return ProviderUnavailableError(
            f"Google Cloud KMS failed ({status}) for the key {self._name}. Check the network and"
            " the state of the service, and try again."
        )


def _status_of(error: Exception) -> str:
    """Return the status of Google's answer, or the name of an error without an answer.

    By HTTP, the class of an error does not tell a wrong ciphertext from a disabled key.
    """
    response = getattr(error, "response", None)
    try:
        status: str = response.json()["error"]["status"]  # type: ignore[union-attr]
    except (AttributeError, KeyError, TypeError, ValueError):
        return type(error).__name__
    return status


def _number_of(version: str) -> str:
    return version.rpartition("/")[2]
