"""The public keys of trusted issuers: of one inside this process, of others, and of clients."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock, Semaphore
from typing import Any, cast

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from trially.auth.key_errors import KeysUnavailableError, UnknownKeyError
from trially.auth.key_fetching import DISCOVERY_PATH
from trially.auth.key_import import import_signing_key
from trially.auth.rate_limit import RateLimit
from trially.auth.remote_keys import RemoteKeys

__all__ = [
    "CLIENT_ID",
    "DISCOVERY_PATH",
    "ClientKeys",
    "KeysUnavailableError",
    "LocalKeys",
    "RemoteKeys",
    "UnknownClientError",
    "UnknownKeyError",
]

CLIENT_ID = "{client_id}"
"""The placeholder for the client's id in the URL of its keys."""

MOST_CLIENTS = 1_000
"""Clients whose keys are cached. A client beyond that replaces the one used longest ago."""

MOST_STRANGERS = 256
"""The same for client ids for which no keys have been found."""

STRANGERS_BURST = 60
"""Fetches for strange client ids that are permitted at once. After that, one per second."""

STRANGERS_WAITING = 2
"""Requests that wait for a fetch for a strange client id."""


class UnknownClientError(UnknownKeyError):
    """The client is not trusted, or not a member of any tenant."""


class LocalKeys:
    """The key of an issuer inside this process."""

    def __init__(self, private_key: RSAKey | ECKey | OKPKey) -> None:
        key = import_signing_key(cast("Mapping[str, Any]", private_key.as_dict(private=False)))
        self._keys = {key.kid: key}

    def key(self, kid: str) -> Key:
        """Return the key with this `kid`, or raise `UnknownKeyError`."""
        try:
            return self._keys[kid]
        except KeyError:
            raise UnknownKeyError("The issuer has no key with this kid.") from None

    def are_available(self) -> bool:
        """Return True: the key is in memory."""
        return True


class ClientKeys:
    """The keys of machine clients that sign their own tokens, each published under its own URL.

    Anyone can invent client ids. So fetches for ids that have had no keys yet are limited in rate
    and in the threads that wait for them. Clients in `clients`, and those that `is_member` knows,
    are served in any case. `is_member` returns None if it cannot tell now.
    """

    def __init__(
        self,
        prefix: str,
        *,
        jwks_url: str | None = None,
        clients: frozenset[str] | None = None,
        is_member: Callable[[str], bool | None] = lambda _: False,
        **options: Any,
    ) -> None:
        self._prefix = prefix
        self._jwks_url = jwks_url or prefix + CLIENT_ID + DISCOVERY_PATH + "/jwks"
        self._clients = clients
        self._is_member = is_member
        self._options = options
        self._lock = Lock()
        self._known: OrderedDict[str, RemoteKeys] = OrderedDict()
        self._strange: OrderedDict[str, RemoteKeys] = OrderedDict()
        self._strangers_limit = RateLimit(STRANGERS_BURST, 1)
        self._strangers_places = Semaphore(STRANGERS_WAITING)

    def of(self, client_id: str) -> RemoteKeys:
        """Return the keys of a client.

        Raises `UnknownClientError` if it is not trusted, or `KeysUnavailableError` if that cannot
        be decided now.
        """
        if self._clients is not None and client_id not in self._clients:
            raise UnknownClientError("The client is not trusted.")
        with self._lock:
            keys = self._known.get(client_id) or self._strange.get(client_id)
        if keys is None:
            keys = self._keys_of_stranger(client_id)
        if self._clients is not None or keys.has_keys() or self._is_preferred(client_id):
            keys.serve_apart()
            self._keep(self._known, MOST_CLIENTS, client_id, keys)
        else:
            self._keep(self._strange, MOST_STRANGERS, client_id, keys)
        return keys

    def key(self, _kid: str) -> Key:
        """Raise `UnknownKeyError`: a key belongs to one client, so ask `of(client_id)` for it."""
        raise UnknownKeyError("Each client has its own keys.")

    def are_available(self) -> bool:
        """Return True: a client's keys are fetched with its first token."""
        return True

    def _keys_of_stranger(self, client_id: str) -> RemoteKeys:
        return RemoteKeys(
            self._prefix + client_id,
            jwks_url=self._jwks_url.replace(CLIENT_ID, client_id),
            absence_is_final=True,
            limit=self._strangers_limit,
            places=self._strangers_places,
            **self._options,
        )

    def _is_preferred(self, client_id: str) -> bool:
        """Return whether to serve a strange client although there were too many strangers.

        Returns False if there were not too many. Raises as `of` does for a client that is no member
        or may be none.
        """
        if client_id in self._known:
            return True
        if self._strangers_limit.permits():
            return False
        is_member = self._is_member(client_id)
        if is_member is None:
            raise KeysUnavailableError("Whether the client is a member cannot be looked up.")
        if not is_member:
            raise UnknownClientError("The client is not a member of any tenant.")
        return True

    def _keep(
        self, cache: OrderedDict[str, RemoteKeys], most: int, client_id: str, keys: RemoteKeys
    ) -> None:
        """Put the keys of a client at the end of a cache, and drop the first if it is full."""
        with self._lock:
            cache[client_id] = keys
            cache.move_to_end(client_id)
            if cache is self._known:
                self._strange.pop(client_id, None)
            while len(cache) > most:
                cache.popitem(last=False)
