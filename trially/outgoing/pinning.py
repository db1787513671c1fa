"""Connections to public addresses only, whatever a name leads to a moment later.

The address that was checked is the one that is connected to. Otherwise a name server could answer
with a public address first, and then with a private one.
"""

from http.client import HTTPSConnection

from trially.outgoing.addresses import public_addresses
from trially.outgoing.deadlines import LimitedConnection


class _Pinned(LimitedConnection):
    """A connection to a public address of its host."""

    def connect(self) -> None:
        """Connect over TCP, or raise `PrivateHostError` if an address of the host is private."""
        name, self.host = self.host, public_addresses(self.host)[0]
        try:
            super().connect()
        finally:
            self.host = name


class PinnedTLSConnection(HTTPSConnection, _Pinned):
    """The same over TLS, for the certificate of the name.

    `HTTPSConnection.connect` calls `_Pinned.connect` for the TCP part.
    """
