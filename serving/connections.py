"""All connections of a worker: who has how many, and which one is closed in favour of another."""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from gunicorn.http.message import _ip_in_allow_list

from serving.connection import WAITING, Connection, Phase
from serving.limits import Limits

_UNDER_WAY = frozenset({Phase.HEAD, Phase.BODY, Phase.SENDING})


class Connections:
    """The open connections of a worker, within its limits."""

    def __init__(self, limits: Limits, config: Any) -> None:
        self._limits = limits
        self._trusted = config.forwarded_allow_ips, config.forwarded_allow_networks()
        self._open: set[Connection] = set()
        self._unauthenticated: Counter[str] = Counter()
        self._buffered = 0

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._open))

    def add(self, connection: Connection) -> None:
        """Count a new connection."""
        self._open.add(connection)
        name = self._limited_address(connection.address)
        if name is not None and not connection.is_authenticated:
            connection.counted_for = name
            self._unauthenticated[name] += 1

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self.release_buffer(connection)
        self.trust(connection)

    def trust(self, connection: Connection) -> None:
        """Do not limit the connection by its address any more."""
        name, connection.counted_for = connection.counted_for, None
        if name is not None:
            self._unauthenticated[name] -= 1
            if not self._unauthenticated[name]:
                del self._unauthenticated[name]

    def buffer(self, connection: Connection, size: int) -> None:
        """Count bytes that were received and kept."""
        connection.buffered += size
        self._buffered += size

    def release_buffer(self, connection: Connection) -> None:
        """Forget the bytes of a connection's request."""
        self._buffered -= connection.buffered
        connection.buffered = 0

    def exceeding(self, newest: Connection) -> Connection | None:
        """Return the connection to close because `newest` is one too many, if it is.

        It is the one that has waited longest for its client: of the same address if that has too
        many, else of all. It is `newest` itself if all others have requests running.
        """
        if newest.counted_for is not None:
            name = newest.counted_for
            if self._unauthenticated[name] > self._limits.unauthenticated_per_address:
                return _longest_waiting(
                    (each for each in self._open if each.counted_for == name), newest
                )
        if len(self._open) > self._limits.connections:
            return _longest_waiting(self._open, newest)
        return None

    def overflowing(self) -> Connection | None:
        """Return the connection to close because too many bytes are buffered, if they are.

        It is the one whose request or answer has been under way for longest.
        """
        if self._buffered <= self._limits.buffer_bytes:
            return None
        under_way = (each for each in self._open if each.phase in _UNDER_WAY)
        return min(under_way, key=lambda each: each.since, default=None)

    def longest_waiting(self) -> Connection | None:
        """Return the connection that has waited longest for its client."""
        return _longest_waiting(self._open, None)

    def _limited_address(self, address: Any) -> str | None:
        """Return what the limit counts for an address: an IPv6 client has a whole /64."""
        if not isinstance(address, tuple) or _ip_in_allow_list(address[0], *self._trusted):
            return None
        ip = ipaddress.ip_address(address[0].partition("%")[0])
        if ip.version == 6:
            ip = ip.ipv4_mapped or ipaddress.ip_address(int(ip) >> 64 << 64)
        return str(ip)


def _longest_waiting(
    connections: Iterable[Connection], otherwise: Connection | None
) -> Connection | None:
    """Return a connection that waits; one that has authenticated itself only if no other waits."""
    return min(
        (each for each in connections if each.phase in WAITING and each is not otherwise),
        key=lambda each: (each.is_authenticated, each.since),
        default=otherwise,
    )
