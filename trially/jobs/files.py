"""The file that a job was sent with or has made: encrypted parts in the tenant's own tables.

So the file moves, is archived and is erased with its tenant, and any worker can read it. Each part
is sealed for its tenant, job and number, so that it cannot take the place of another part.

The key derives from the tenant's data key: once that is destroyed, no copy can be read. A tenant
without a data key has its files sealed with the installation's secret key, as versions before did.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from uuid import UUID

from sqlalchemy import delete, func, select

from trially.database.placement import current_placement
from trially.database.rows import insert_item, of_current_tenant, table_of
from trially.database.session import db
from trially.jobs.kinds import JobError
from trially.jobs.model import Job, JobFilePart
from trially.keys import Purpose, UnsealError, current_keys, seal, unseal_with_any
from trially.keys.data_keys import DataKey, DataPurpose
from trially.keys.sealing import seal_with, unseal_with
from trially.tenancy.data_keys import (
    DestroyedKeyError,
    NoMasterKeyError,
    UnknownKeyError,
    data_key,
    data_key_of_version,
)

PART_BYTES = 1 << 20
DATA_KEY_MARK = b"trially data key"
"""Begins a part that is sealed with a data key; the key's version follows in four bytes."""

VERSION_BYTES = 4


class FileWriter:
    """Stores what a job writes in the open transaction, a part at a time.

    Raises a `KeyProviderError` if the tenant's data key cannot be unwrapped now.
    """

    def __init__(self, job_id: UUID) -> None:
        self._job_id, self._key = job_id, _data_key()
        self._rest = bytearray()
        self._number = 0
        self._key = _data_key()
        self.bytes = 0

    def write(self, data: bytes, /) -> int:
        """Write the data."""
        self._rest += data
        self.bytes += len(data)
        while len(self._rest) >= PART_BYTES:
            self._store(bytes(self._rest[:PART_BYTES]))
            del self._rest[:PART_BYTES]
        return len(data)

    def flush(self) -> None:
        """Do nothing: parts are stored when they are full, and the last one by `close`."""

    def close(self) -> None:
        """Store the last part."""
        if self._rest:
            self._store(bytes(self._rest))
            self._rest.clear()

    def _store(self, part: bytes) -> None:
        sealed = _seal(self._key, part, self._job_id, self._number)
        values = {"job_id": self._job_id, "number": self._number, "sealed": sealed}
        insert_item(JobFilePart, values, ("id",))
        self._number += 1


def store_file(job_id: UUID, read: Callable[[int], bytes]) -> None:
    """Store a file for a job in the open transaction. `read` returns the next bytes.

    Raises a `KeyProviderError` if the tenant's data key cannot be unwrapped now.
    """
    writer = FileWriter(job_id)
    while part := read(PART_BYTES):
        writer.write(part)
    writer.close()


def read_parts(job_id: UUID) -> Iterator[bytes]:
    """Yield the parts of a job's file in their order, one statement for each.

    Raises `JobError` if the file was sealed with a key that is gone, and a `KeyProviderError` if
    the tenant's data key cannot be unwrapped now.
    """
    part = table_of(JobFilePart).c
    number = 0
    while True:
        sealed = db.session.execute(
            select(part.sealed).where(
                of_current_tenant(JobFilePart), part.job_id == job_id, part.number == number
            )
        ).scalar_one_or_none()
        if sealed is None:
            return
        try:
            yield _unseal(bytes(sealed), job_id, number)
        except (UnsealError, UnknownKeyError, DestroyedKeyError):
            raise JobError(
                "The file of the job cannot be decrypted, because its key was changed or destroyed"
                " since. Send the request again."
            ) from None
        number += 1


def has_file(job_id: UUID) -> bool:
    """Return whether the file of a job is stored."""
    part = table_of(JobFilePart).c
    statement = select(part.id).where(of_current_tenant(JobFilePart), part.job_id == job_id)
    return db.session.execute(statement.limit(1)).first() is not None


def delete_file(job_id: UUID) -> None:
    """Delete the file of a job in the open transaction."""
    part = table_of(JobFilePart)
    db.session.execute(delete(part).where(of_current_tenant(JobFilePart), part.c.job_id == job_id))


def delete_old_files(kind: str, hours: float) -> None:
    """Delete files that jobs of a kind have made, some hours after the jobs have ended."""
    part, job = table_of(JobFilePart), table_of(Job)
    ended = select(job.c.id).where(
        of_current_tenant(Job),
        job.c.kind == kind,
        job.c.ended_at < func.now() - dt.timedelta(hours=hours),
    )
    db.session.execute(delete(part).where(of_current_tenant(JobFilePart), part.c.job_id.in_(ended)))


def _data_key() -> DataKey | None:
    """Return the tenant's current data key, or None if it has none yet."""
    try:
        return data_key(current_placement().tenant_id)
    except (UnknownKeyError, NoMasterKeyError):
        return None


def _seal(key: DataKey | None, part: bytes, job_id: UUID, number: int) -> bytes:
    context = _context(job_id, number)
    if key is None:
        return seal(current_keys().in_use, Purpose.JOB_FILES, part, context)
    mark = DATA_KEY_MARK + key.version.to_bytes(VERSION_BYTES, "big")
    return mark + seal_with(_file_key(key, job_id), part, context)


def _unseal(sealed: bytes, job_id: UUID, number: int) -> bytes:
    context = _context(job_id, number)
    if not sealed.startswith(DATA_KEY_MARK):
        return unseal_with_any(current_keys().accepted, Purpose.JOB_FILES, sealed, context)
    marked = len(DATA_KEY_MARK) + VERSION_BYTES
    version = int.from_bytes(sealed[len(DATA_KEY_MARK) : marked], "big")
    key = data_key_of_version(current_placement().tenant_id, version)
    return unseal_with(_file_key(key, job_id), sealed[marked:], context)


def _file_key(key: DataKey, job_id: UUID) -> bytes:
    return key.derive(DataPurpose.JOB_FILES, context=job_id.bytes)


def _context(job_id: UUID, number: int) -> bytes:
    """Return what a part is bound to."""
    return current_placement().tenant_id.bytes + job_id.bytes + number.to_bytes(8, "big")
