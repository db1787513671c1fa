"""The master keys of this process: the installation's, and a second one while it is changed."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial

from trially.config import Settings, SettingsError
from trially.keys.data_keys import DataKey
from trially.keys.providers import (
    KeyContext,
    KeyProvider,
    MasterKeyLostError,
    UnknownProviderError,
    WrappedKey,
    WrongContextError,
    check_provider,
    open_provider,
)
from trially.state import app_state
from trially.tenancy.data_keys.errors import NoMasterKeyError

DEVELOPMENT_FILE = "master-key.json"
"""The key ring of a developer's machine, in the instance's folder. It is created on first use."""


class Masters:
    """Wraps data keys with the installation's master key, and unwraps them with any of its keys."""

    def __init__(self, openers: Sequence[Callable[[], KeyProvider]]) -> None:
        self._openers = openers

    @cached_property
    def _providers(self) -> Sequence[KeyProvider]:
        """The providers. Their libraries take up to a second to load, so few commands do it."""
        return [each() for each in self._openers]

    @property
    def is_set(self) -> bool:
        """Whether there is a master key."""
        return bool(self._openers)

    @property
    def current(self) -> KeyProvider:
        """The provider that wraps. Raises `NoMasterKeyError`."""
        if not self._providers:
            raise NoMasterKeyError
        return self._providers[0]

    def wrap(self, key: DataKey) -> WrappedKey:
        """Return a data key, wrapped for its tenant and version.

        It is unwrapped once before anything depends on it. Raises a `KeyProviderError`.
        """
        provider, context = self.current, KeyContext(key.tenant_id, key.version)
        wrapped = provider.wrap(key.secret, context)
        if provider.unwrap(wrapped, context) != key.secret:
            raise WrongContextError(
                f"The provider {provider.kind} did not return the data key that it had wrapped."
            )
        return wrapped

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> DataKey:
        """Return the data key of a wrapped one. Raises a `KeyProviderError`."""
        secret = self.provider_of(wrapped).unwrap(wrapped, context)
        return DataKey(context.tenant_id, context.version, secret)

    def provider_of(self, wrapped: WrappedKey) -> KeyProvider:
        """Return the provider that has wrapped a key, or raise `MasterKeyLostError`."""
        if not self._providers:
            raise NoMasterKeyError
        of_kind = [each for each in self._providers if each.kind == wrapped.kind]
        for provider in of_kind:
            if provider.key_name == wrapped.key_name:
                return provider
        raise MasterKeyLostError(
            f"A data key is wrapped by the master key {wrapped.master_key}, which is not that of"
            " TRIALLY_MASTER_KEY. Set TRIALLY_PREVIOUS_MASTER_KEY to it, or restore it."
        )


def masters_of(settings: Settings) -> Masters:
    """Return the master keys that the settings name. None of them is contacted yet.

    Raises `SettingsError` if a URL names no provider, or one whose library is not installed.
    """
    seconds, openers = settings.key_provider_timeout_seconds, []
    if settings.development and not settings.master_key:
        ring = (settings.instance.absolute() / DEVELOPMENT_FILE).as_uri()
        openers.append(partial(open_provider, ring, seconds, creates_file=True))
    for name in ("master_key", "previous_master_key"):
        url = getattr(settings, name)
        if url:
            _check(url, f"TRIALLY_{name.upper()}")
            openers.append(partial(open_provider, url, seconds))
    return Masters(openers)


def _check(url: str, setting: str) -> None:
    try:
        check_provider(url)
    except UnknownProviderError as error:
        raise SettingsError(f"{setting} cannot be used. {error}") from None


def has_master_key() -> bool:
    """Return whether this installation has a master key, so that tenants can have data keys."""
    return app_state().data_keys.masters.is_set
