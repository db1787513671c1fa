"""A master key in a hardware security module, by PKCS#11: AES-256-GCM in the module.

It needs the extra `pkcs11` and the module's library. Each version is a secret key with the same
label (CKA_LABEL); its number is its CKA_ID. New keys are sensitive and cannot be extracted.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11 import exceptions as module

from trially.keys.providers.errors import (
    MasterKeyLostError,
    MasterKeyRefusedError,
    ProviderUnavailableError,
    WrongContextError,
)
from trially.keys.providers.pkcs11_uri import Pkcs11Key
from trially.keys.providers.provider import KeyContext
from trially.keys.providers.wrapped import WrappedKey

NONCE_BYTES = 12
ID_BYTES = 4

REFUSED = (module.PinIncorrect, module.PinLocked, module.PinExpired, module.UserPinNotInitialized)
UNDECRYPTABLE = (
    *(module.EncryptedDataInvalid, module.EncryptedDataLenRange),
    module.GeneralError,  # SoftHSM's answer to a wrong tag
)


class Pkcs11Provider:
    """A provider whose master key is in a token of a PKCS#11 module."""

    kind = "pkcs11"

    def __init__(self, key: Pkcs11Key) -> None:
        self._key = key
        self._lock = Lock()
        self._session: Any = None

    @property
    def key_name(self) -> str:
        """The labels of the token and of the key."""
        return f"{self._key.token}/{self._key.label}"

    def wrap(self, secret: bytes, context: KeyContext) -> WrappedKey:
        """Encrypt a data key with the newest version."""
        with self._keys() as keys:
            number = self._newest(keys)
            nonce = secrets.token_bytes(NONCE_BYTES)
            encrypted = _encrypt(keys[number], nonce, secret, context.encoded)
        return WrappedKey(self.kind, self.key_name, str(number), nonce + encrypted)

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        """Decrypt a data key with the version that has encrypted it."""
        nonce, encrypted = wrapped.ciphertext[:NONCE_BYTES], wrapped.ciphertext[NONCE_BYTES:]
        with self._keys() as keys:
            key = keys.get(int(wrapped.key_version))
            if key is None:
                raise self._lost(f"version {wrapped.key_version} of the key {self._key.label}")
            try:
                return _decrypt(key, nonce, encrypted, context.encoded)
            except UNDECRYPTABLE:
                # The module works, so it is the ciphertext that is wrong.
                probe = _encrypt(key, nonce, b"probe", b"")
                _decrypt(key, nonce, probe, b"")
                raise WrongContextError.of(context) from None

    def newest_version(self) -> str:
        """Return the greatest number of a version."""
        with self._keys() as keys:
            return str(self._newest(keys))

    def create_version(self) -> str:
        """Generate the next version in the module."""
        with self._keys() as keys:
            number = self._newest(keys) + 1
            self._generate(number)
        return str(number)

    def former_versions(self) -> list[str]:
        """Return the numbers of all versions but the newest one."""
        with self._keys() as keys:
            newest = self._newest(keys)
            return [str(number) for number in sorted(keys) if number != newest]

    def destroy_version(self, version: str) -> None:
        """Destroy a former version in the module."""
        with self._keys() as keys:
            if int(version) in keys and int(version) != self._newest(keys):
                keys[int(version)].destroy()

    def create_key(self) -> None:
        """Generate the first version. Raises `FileExistsError` if there is one."""
        with self._keys() as keys:
            if keys:
                raise FileExistsError(self.key_name)
            self._generate(1)

    def _newest(self, keys: dict[int, Any]) -> int:
        if not keys:
            raise self._lost(f"key {self._key.label}")
        return max(keys)

    def _lost(self, what: str) -> MasterKeyLostError:
        return MasterKeyLostError(
            f"The token {self._key.token} has no {what}. Restore the token from its backup. If this"
            " installation has no master key yet: `flask keys create-master`."
        )

    def _generate(self, number: int) -> None:
        self._session.generate_key(
            KeyType.AES,
            256,
            id=number.to_bytes(ID_BYTES, "big"),
            label=self._key.label,
            store=True,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )

    @contextmanager
    def _keys(self) -> Iterator[dict[int, Any]]:
        """Yield the versions of the master key by number. One thread at a time uses the module."""
        with self._lock:
            try:
                if self._session is None:
                    self._session = self._open()
                yield {
                    int.from_bytes(each.id, "big"): each
                    for each in self._session.get_objects(
                        {
                            Attribute.CLASS: ObjectClass.SECRET_KEY,
                            Attribute.LABEL: self._key.label,
                        }
                    )
                }
            except REFUSED as error:
                raise MasterKeyRefusedError(
                    f"The token {self._key.token} refuses the PIN ({type(error).__name__}). Correct"
                    f" the PIN in {self._key.pin_file}. Too many attempts lock it."
                ) from None
            except module.PKCS11Error as error:
                self._forget_session()
                raise ProviderUnavailableError(
                    f"The PKCS#11 module {self._key.module} failed for the token {self._key.token}"
                    f" ({type(error).__name__}). Check that the module and the token are present."
                ) from None

    def _open(self) -> Any:
        token = pkcs11.lib(str(self._key.module)).get_token(token_label=self._key.token)
        try:
            return token.open(rw=True, user_pin=_read_pin(self._key.pin_file))
        except module.UserAlreadyLoggedIn:
            # All sessions of a process with a token share its login: the former key's, for one.
            return token.open(rw=True)

    def _forget_session(self) -> None:
        """Log in again for the next call: the token may have been removed and put back."""
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except module.PKCS11Error:
                return


def _read_pin(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise MasterKeyRefusedError(
            f"The PIN cannot be read from {path} ({error.strerror}). Let the user of this process"
            " own the file."
        ) from None


def _encrypt(key: Any, nonce: bytes, plaintext: bytes, data: bytes) -> bytes:
    parameters = GCMParams(nonce=nonce, aad=data, tag_bits=128)
    encrypted: bytes = key.encrypt(
        plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=parameters
    )
    return encrypted


def _decrypt(key: Any, nonce: bytes, encrypted: bytes, data: bytes) -> bytes:
    parameters = GCMParams(nonce=nonce, aad=data, tag_bits=128)
    decrypted: bytes = key.decrypt(
        encrypted, mechanism=Mechanism.AES_GCM, mechanism_param=parameters
    )
    return decrypted
