"""Look for the proof that a domain is a tenant's: in the DNS, else in a file of its web site."""

from enum import StrEnum
from typing import TYPE_CHECKING

from trially.config import current_settings
from trially.organisation.branding.domains import FILE_PATH, proof_of, record_name
from trially.organisation.branding.web_files import read_text

if TYPE_CHECKING:
    from dns.resolver import Resolver

DNS_SECONDS = 5.0
"""How long all questions to the DNS may take together."""

MOST_RECORDS = 50


class Failure(StrEnum):
    """Why a domain was not verified."""

    NO_PROOF = "no_proof"
    """Neither the DNS nor the web site has the proof."""

    UNREACHABLE = "unreachable"
    """The DNS did not answer, and the web site has no proof."""

    TAKEN = "taken"
    """Another tenant holds the domain."""


def find_proof(domain: str, token: str) -> Failure | None:
    """Return None if the domain shows the proof of this token now, else what is missing."""
    from dns.exception import DNSException

    proof = proof_of(token)
    try:
        if proof in _read_records(record_name(domain)):
            return None
        missing = Failure.NO_PROOF
    except (DNSException, OSError):
        missing = Failure.UNREACHABLE
    return None if read_text(domain, FILE_PATH) == proof else missing


def _read_records(name: str) -> list[str]:
    """Return the TXT records of a name. Raises `DNSException` or `OSError` without an answer."""
    from dns.resolver import NXDOMAIN, NoAnswer

    resolver = _resolver()
    try:
        answer = resolver.resolve(name, "TXT", lifetime=DNS_SECONDS, search=False)
    except (NXDOMAIN, NoAnswer):
        return []
    texts = [b"".join(record.strings) for record in list(answer)[:MOST_RECORDS]]
    return [text.decode("ascii", "replace") for text in texts]


def _resolver() -> "Resolver":
    """Return a resolver of the configured servers, else of the system's."""
    from dns.resolver import Resolver

    servers = current_settings().dns_servers
    resolver = Resolver(configure=not servers)
    if servers:
        addresses = [server.rpartition(":") for server in servers]
        resolver.nameservers = [host for host, _, _ in addresses]
        resolver.nameserver_ports = {host: int(port) for host, _, port in addresses}
    return resolver
