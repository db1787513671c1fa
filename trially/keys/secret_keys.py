"""The secret keys of a process: the installation's key, and a second one while it is changed."""

from trially.keys.derivation import fingerprint, role_password
from trially.state import app_state


class SecretKeys:
    """The secret keys that a process has, and which of them is in use.

    The process derives passwords and signs with the key in use, and accepts what any of the keys
    signed. The catalog decides which key is in use (`trially.tenancy.installed_keys`). Until this
    process has read it, that is the first one. Threads may share an object.
    """

    def __init__(self, secret_key: str, previous_secret_key: str = "") -> None:
        keys = (secret_key, previous_secret_key) if previous_secret_key else (secret_key,)
        self._by_fingerprint = {fingerprint(key): key for key in keys}
        self._in_use = self.newest

    @property
    def newest(self) -> str:
        """The fingerprint of `TRIALLY_SECRET_KEY`."""
        return next(iter(self._by_fingerprint))

    @property
    def fingerprint_in_use(self) -> str:
        """The fingerprint of the key in use."""
        return self._in_use

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of all keys, that of `TRIALLY_SECRET_KEY` first."""
        return tuple(self._by_fingerprint)

    @property
    def in_use(self) -> str:
        """The key to derive, seal and sign with."""
        return self._by_fingerprint[self._in_use]

    @property
    def accepted(self) -> tuple[str, ...]:
        """All keys, the key in use first."""
        return tuple(self.by_fingerprint.values())

    @property
    def by_fingerprint(self) -> dict[str, str]:
        """All keys by their fingerprints, the key in use first."""
        return {self._in_use: self.in_use} | self._by_fingerprint

    def use(self, of: str) -> None:
        """Use the key with this fingerprint from now on. Raises `KeyError` for an unknown one."""
        if of not in self._by_fingerprint:
            raise KeyError(of)
        self._in_use = of

    def role_passwords(self, server: str, role: str) -> dict[str, str]:
        """Return a role's password by the fingerprint of each key, that of the key in use first."""
        return {name: role_password(key, server, role) for name, key in self.by_fingerprint.items()}

    def __repr__(self) -> str:
        """Show no key."""
        return f"SecretKeys({', '.join(self._by_fingerprint)})"


def current_keys() -> SecretKeys:
    """Return the secret keys of the current app."""
    state = app_state()
    if state.keys is None:
        settings = state.settings
        state.keys = SecretKeys(settings.secret_key, settings.previous_secret_key)
    return state.keys
