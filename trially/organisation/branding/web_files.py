"""Read a small file of a web site of the internet, whatever the site does.

The name of the site comes from a tenant. So only public addresses are connected to, the answer is
bounded in time and size, and a redirect is not followed.
"""

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPSConnection
from threading import Timer

HTTPS_PORT = 443
MOST_SECONDS = 5.0
"""How long an attempt to connect may take, and then the whole answer."""

MOST_ADDRESSES = 2
"""The addresses of a name that are tried."""

MOST_BYTES = 1024


def read_text(host: str, path: str) -> str | None:
    """Return a text at `https://host/path` without surrounding blanks, or None if there is none."""
    try:
        with _opened(host) as connection:
            connection.request("GET", path, headers={"Accept": "text/plain"})
            response = connection.getresponse()
            if response.status != 200:
                return None
            return response.read(MOST_BYTES).decode("ascii", "replace").strip()
    except (OSError, HTTPException):
        return None


@contextmanager
def _opened(host: str) -> Iterator[HTTPSConnection]:
    """Yield a connection over TLS, which is shut down after `MOST_SECONDS`.

    The timeout of a socket limits each call only, so a site that drips bytes would never reach it.
    A copy of the socket is shut down, because TLS replaces the socket itself.
    """
    with _connected(host) as plain, plain.dup() as copy:
        timer = Timer(MOST_SECONDS, _shut_down, (copy,))
        timer.start()
        try:
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured:
                connection = HTTPSConnection(host)
                connection.sock = secured
                yield connection
        finally:
            timer.cancel()


def _connected(host: str) -> socket.socket:
    """Connect to a public address of a host. Raises `OSError` if there is none that answers."""
    public = [each for each in _addresses_of(host) if _is_public(each[0])]
    for address in public[:MOST_ADDRESSES]:
        with suppress(OSError):
            return socket.create_connection(address, MOST_SECONDS)
    raise OSError(f"{host} has no public address that answers.")


def _addresses_of(host: str) -> list[tuple[str, int]]:
    found = socket.getaddrinfo(host, HTTPS_PORT, type=socket.SOCK_STREAM)
    return [(str(address[0]), int(address[1])) for *_, address in found]


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_global


def _shut_down(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
