"""What an import needs to know of its source."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from trially.database.changes import note_change, note_derived
from trially.database.placement import current_placement
from trially.database.rows import columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.errors import OperatorError
from trially.recruiting.imports.fhir.meta import Version
from trially.recruiting.sources.erasure import erasure_digest, identifier_digest
from trially.recruiting.sources.model import RecordSource
from trially.recruiting.sources.server_urls import split_patient_url


class SourceChangedError(OperatorError):
    """Another import has set the server of the source to another one."""


@dataclass
class SourceState:
    """A source: its own server, its time zone, and the salt of its erased records."""

    name: str
    base_url: str | None = None
    time_zone: str | None = None
    salt: bytes = field(default=b"", repr=False)
    is_changed: bool = False
    """Whether `base_url` was found by this import and is not stored yet."""

    def foreign_base(self, base_url: str) -> str:
        """Return the base URL of a record of another server, empty for the source's own records.

        The first URL that is seen is the source's own, unless one is configured.
        """
        if not base_url:
            return ""
        if self.base_url is None:
            self.base_url, self.is_changed = base_url, True
        return "" if base_url == self.base_url else base_url

    def patient_key(self, key: str, base_url: str) -> str:
        """Return the key of a patient that a record with this base URL refers to.

        A relative reference is to the same server. Keys of identifiers stay as they are.
        """
        if key.startswith("?"):
            return key
        if "/" not in key:
            return f"{base_url}/Patient/{key}" if base_url else key
        server, source_id = split_patient_url(key)
        base = self.foreign_base(server) if server else base_url
        return f"{base}/Patient/{source_id}" if base else source_id

    def complete(self, row: dict[str, Any], base_url: str, version: Version) -> None:
        """Add what identifies a record and its version to a translated row."""
        row["base_url"] = base_url
        row["version_at"], row["version_number"] = version
        if "patient_source_id" in row:
            row["patient_source_id"] = self.patient_key(row["patient_source_id"], base_url)
            for part in row.get("parts", ()):
                part["binary_base"] = self._base_of_binary(part["binary_base"], base_url)
            return
        if row.get("link_source_id") is not None:
            row["link_base_url"] = self._base_of_link(row["link_base_url"], base_url)
        if row.get("replaces") is not None:
            row["replaces"] = [
                {"base_url": self._base_of_link(server, base_url), "source_id": source_id}
                for server, source_id in row["replaces"]
            ]

    def _base_of_link(self, server: str, base_url: str) -> str:
        """Return the base URL of a linked record. A relative link is to the same server."""
        return self.foreign_base(server) if server else base_url

    def _base_of_binary(self, server: str, base_url: str) -> str:
        """Return the base URL of a Binary. Its URL does not tell which server is the source's own.

        Files may be on another server than the records.
        """
        if not server:
            return base_url
        return "" if server == (self.base_url or server) else server

    def digest_of(self, base_url: str, source_id: str) -> bytes:
        """Return the digest by which an erased patient is recognised."""
        return erasure_digest(self.salt, base_url, source_id)

    def digest_of_identifier(self, key: str) -> bytes:
        """Return the digest by which an identifier of an erased patient is recognised."""
        return identifier_digest(self.salt, key)


def load_source(name: str) -> SourceState:
    """Return a source, and create it if it is new."""
    table = table_of(RecordSource)
    created = db.session.execute(
        insert(table)
        .values(tenant_id=current_placement().tenant_id, name=name)
        .on_conflict_do_nothing()
        .returning(table.c.id)
    ).scalar()
    if created is not None:
        note_change(RecordSource, created, {}, {"name": (None, name)})
    note_derived(table.name)
    columns = columns_named(RecordSource, ("base_url", "time_zone", "erasure_salt"))
    [row] = fetch_items(
        select(*columns).where(of_current_tenant(RecordSource), table.c.name == name)
    )
    return SourceState(name, row["base_url"], row["time_zone"], bytes(row["erasure_salt"]))


def store_base_url(source: SourceState) -> None:
    """Store the base URL that the import has found.

    Raises `SourceChangedError` if another import has stored another one meanwhile: the records of
    this import would get the keys of the other server.
    """
    if source.is_changed:
        table = table_of(RecordSource)
        stored = db.session.execute(
            table.update()
            .where(
                of_current_tenant(RecordSource),
                table.c.name == source.name,
                table.c.base_url.is_(None) | (table.c.base_url == source.base_url),
            )
            .values(base_url=source.base_url)
            .returning(table.c.id)
        ).scalar()
        if stored is None:
            raise SourceChangedError(
                "Another import of this source ran at the same time and has set the source's"
                " server. Import again."
            )
        note_change(RecordSource, stored, {}, {"base_url": (None, source.base_url)})
        source.is_changed = False
