"""A master key in AWS KMS: a symmetric key, and the context as encryption context.

It needs the extra `aws-kms`. Credentials come from the environment, as in all of AWS's libraries.
A ciphertext of AWS does not show which rotation of a key has encrypted it. So a version is a key of
its own here, and the alias in the URL points at the newest one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from trially.keys.providers.errors import (
    KeyProviderError,
    MasterKeyLostError,
    MasterKeyRefusedError,
    ProviderUnavailableError,
    WrongContextError,
)
from trially.keys.providers.provider import KeyContext
from trially.keys.providers.wrapped import WrappedKey

WRONG = ("InvalidCiphertextException", "IncorrectKeyException")
LOST = ("NotFoundException", "DisabledException", "KMSInvalidStateException")
REFUSED = (
    *("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"),
    *("InvalidClientTokenId", "InvalidSignatureException", "InvalidGrantTokenException"),
    *("NoCredentialsError", "PartialCredentialsError"),
)
"""Error codes of AWS KMS, and names of errors of its library. All others are failures."""


class AwsKmsProvider:
    """A provider whose master key is a key of AWS KMS.

    `arn` is the ARN of an alias or of a key: `arn:aws:kms:REGION:ACCOUNT:alias/NAME`.
    """

    kind = "aws-kms"

    def __init__(self, arn: str, seconds: float) -> None:
        self._arn = arn
        self._seconds = seconds
        self._client: Any = None

    @property
    def key_name(self) -> str:
        """The ARN."""
        return self._arn

    def wrap(self, secret: bytes, context: KeyContext) -> WrappedKey:
        """Encrypt a data key with the key that the alias points at."""
        with self._explained("kms:Encrypt"):
            answer = self._kms().encrypt(
                KeyId=self._arn, Plaintext=secret, EncryptionContext=context.pairs
            )
        return WrappedKey(self.kind, self._arn, answer["KeyId"], answer["CiphertextBlob"])

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        """Decrypt a data key with the key that has encrypted it."""
        with self._explained("kms:Decrypt", context):
            answer = self._kms().decrypt(
                KeyId=wrapped.key_version,
                CiphertextBlob=wrapped.ciphertext,
                EncryptionContext=context.pairs,
            )
        secret: bytes = answer["Plaintext"]
        return secret

    def newest_version(self) -> str:
        """Return the ARN of the key that the alias points at."""
        with self._explained("kms:DescribeKey"):
            described = self._kms().describe_key(KeyId=self._arn)
        arn: str = described["KeyMetadata"]["Arn"]
        return arn

    def create_version(self) -> str:
        """Refuse: a new key is created, and the alias pointed at it, with AWS's own tools."""
        raise KeyProviderError(
            "Create a key in AWS KMS, let trially encrypt and decrypt with it, and point the alias"
            f" {self._arn} at it (`aws kms update-alias`). Then run the command again."
        )

    def former_versions(self) -> list[str]:
        """Refuse: AWS deletes keys after a delay, which an operator chooses."""
        raise KeyProviderError(
            "Delete the former keys with `aws kms schedule-key-deletion`. AWS deletes them after"
            " the waiting period, and only then they cannot be restored."
        )

    def destroy_version(self, version: str) -> None:  # noqa: ARG002
        """Refuse, for the same reason."""
        self.former_versions()

    def create_key(self) -> None:
        """Refuse: place and access are decided with AWS's own tools."""
        raise KeyProviderError(
            "Create the key with `aws kms create-key` and an alias with `aws kms create-alias`, and"
            " let the role of trially use kms:Encrypt, kms:Decrypt and kms:DescribeKey."
        )

    def _kms(self) -> Any:
        if self._client is None:
            self._client = boto3.client(
                "kms",
                region_name=self._arn.split(":")[3],
                config=Config(
                    connect_timeout=self._seconds,
                    read_timeout=self._seconds,
                    retries={"total_max_attempts": 1},
                ),
            )
        return self._client

    @contextmanager
    def _explained(self, permission: str, context: KeyContext | None = None) -> Iterator[None]:
        """Raise AWS's errors as those of providers. `context` is that of a decryption."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            is_answer = isinstance(error, ClientError)
            code = error.response["Error"]["Code"] if is_answer else type(error).__name__
            raise self._failure(code, permission, context) from None

    def _failure(self, code: str, permission: str, context: KeyContext | None) -> KeyProviderError:
        if context is not None and code in WRONG:
            return WrongContextError.of(context)
        if code in LOST:
            return MasterKeyLostError(
                f"AWS KMS has no usable key {self._arn} ({code}). Enable the key, or cancel its"
                " deletion, which is possible until it is deleted."
            )
        if code in REFUSED:
            return MasterKeyRefusedError(
                f"AWS KMS refuses the key {self._arn} to this process ({code}). Its role needs"
                f" {permission}."
            )
        return ProviderUnavailableError(
            f"AWS KMS failed ({code}) for the key {self._arn}. Check the network and the state of"
            " the service, and try again."
        )
