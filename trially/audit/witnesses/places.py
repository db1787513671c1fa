"""The witnesses that the settings or a command name by URLs."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from trially.audit.witnesses.directory import DirectoryWitness
from trially.audit.witnesses.entry import WitnessEntry
from trially.config import current_settings
from trially.errors import OperatorError

if TYPE_CHECKING:
    from cryptography import x509

STORES = frozenset({"s3", "gs", "az", "memory"})
TIME_STAMPS = "rfc3161+"
TIME_STAMP_DIRECTORY = "audit-time-stamps"


class InvalidWitnessUrlError(OperatorError):
    """A URL names no witness that can be used."""


class Witness(Protocol):
    """A place that keeps the hashes of seals. Several logs are kept apart."""

    name: str

    is_removable: bool
    """Whether entries can be removed for certain. A store with a retention lock may refuse."""

    def last_number(self, log: str) -> int:
        """Return the number of the last seal that the witness has of a log; 0 if it has none."""

    def append(self, log: str, entries: Sequence[WitnessEntry]) -> None:
        """Keep entries that follow the last one."""

    def entries(self, log: str) -> Iterator[WitnessEntry]:
        """Yield the entries of a log."""

    def remove(self, log: str) -> None:
        """Remove the entries of a log, because its tenant is erased."""


def configured_witnesses() -> list[Witness]:
    """Return the witnesses of the settings. Raises `InvalidWitnessUrlError`."""
    return [open_witness(url) for url in current_settings().audit_witnesses]


def open_witness(url: str) -> Witness:
    """Return the witness at a URL, or in a directory. Raises `InvalidWitnessUrlError`."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file") and not parts.netloc and parts.path:
        return DirectoryWitness(Path(parts.path))
    if parts.scheme in STORES:
        return _open_store(url, f"{parts.scheme}://{parts.hostname or ''}{parts.path}")
    if url.startswith((f"{TIME_STAMPS}https://", f"{TIME_STAMPS}http://127.0.0.1")):
        return _open_authority(url.removeprefix(TIME_STAMPS))
    raise InvalidWitnessUrlError(
        f"The witness {parts.scheme}:… is not supported. Use a directory, or a URL that begins with"
        " file:///, s3://, gs://, az:// or rfc3161+https://."
    )


def _open_store(url: str, name: str) -> Witness:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    from trially.audit.witnesses.object_store import ObjectStoreWitness

    try:
        return ObjectStoreWitness(from_url(url), name)
    except (BaseError, ValueError) as error:
        raise InvalidWitnessUrlError(f"The witness {name} cannot be used. {error}") from None


def _open_authority(url: str) -> Witness:
    from trially.audit.witnesses.time_stamps import TimeStampWitness, asking

    settings = current_settings()
    if settings.audit_time_stamp_roots is None:
        raise InvalidWitnessUrlError(
            "A time-stamp authority is a witness, but TRIALLY_AUDIT_TIME_STAMP_ROOTS is not set."
            " Set it to a PEM file of the authority's root certificates."
        )
    folder = hashlib.sha256(url.encode()).hexdigest()[:12]
    directory = settings.instance / TIME_STAMP_DIRECTORY / folder
    roots = _read_roots(settings.audit_time_stamp_roots)
    return TimeStampWitness(url, asking(url), directory, roots)


def _read_roots(path: Path) -> "list[x509.Certificate]":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        raise InvalidWitnessUrlError(
            f"TRIALLY_AUDIT_TIME_STAMP_ROOTS ({path}) is not a readable PEM file of certificates."
        ) from None
