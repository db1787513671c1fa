"""The addresses that a name of somebody else may lead to.

A name or URL that others choose could otherwise make this process send requests inside its own
network.
"""

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

_TRANSLATED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")))
"""IPv6 networks that lead to IPv4 addresses, which may be private."""


class PrivateHostError(ValueError):
    """A name leads to an address that is not public."""


def is_public(address: str) -> bool:
    """Return whether an address is one of the internet."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if any(found in network for network in _TRANSLATED if network.version == found.version):
        return False
    return found.is_global and not found.is_multicast


def may_be_public(host: str) -> bool:
    """Return whether a host could have a public address. Names are looked up when one is needed."""
    try:
        return is_public(host)
    except ValueError:
        return host != "localhost" and not host.endswith((".localhost", ".internal"))


def public_addresses(host: str) -> Sequence[str]:
    """Return the addresses of a host, or raise `PrivateHostError` if one of them is not public.

    Raises `OSError` for a name without address. Connect to one of them, not to the name again: the
    next answer of the name server may be another one.
    """
    found = [
        str(address[0]) for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    ]
    if not all(map(is_public, found)):
        raise PrivateHostError("The name leads to an address that is not public.")
    return found


def refuse_private_host(url: str) -> None:
    """Raise `PrivateHostError` if a URL leads to an address that is not public."""
    public_addresses(urlsplit(url).hostname or "")
