"""The file that a job was sent with: encrypted parts in the tenant's own tables.

So the file moves, is archived and is erased with its tenant, and any worker can read it. Each part
is sealed for its tenant, job and number, so that it cannot take the place of another part.
"""

from collections.abc import Callable, Iterator
from uuid import UUID

from sqlalchemy import delete, select

from trially.database.placement import current_placement
from trially.database.rows import insert_item, of_current_tenant, table_of
from trially.database.session import db
from trially.jobs.kinds import JobError
from trially.jobs.model import JobFilePart
from trially.keys import Purpose, UnsealError, current_keys, seal, unseal_with_any

PART_BYTES = 1 << 20


def store_file(job_id: UUID, read: Callable[[int], bytes]) -> None:
    """Store a file for a job in the open transaction. `read` returns the next bytes."""
    number = 0
    while part := read(PART_BYTES):
        sealed = seal(current_keys().in_use, Purpose.JOB_FILES, part, _context(job_id, number))
        insert_item(JobFilePart, {"job_id": job_id, "number": number, "sealed": sealed}, ("id",))
        number += 1


def read_parts(job_id: UUID) -> Iterator[bytes]:
    """Yield the parts of a job's file in their order, one statement for each.

    Raises `JobError` if the file was sealed with a secret key that this process does not have.
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
            yield unseal_with_any(
                current_keys().accepted, Purpose.JOB_FILES, sealed, _context(job_id, number)
            )
        except UnsealError:
            raise JobError(
                "The uploaded file cannot be decrypted, because the secret key was changed since."
                " Send the file again."
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


def _context(job_id: UUID, number: int) -> bytes:
    """Return what a part is bound to."""
    return current_placement().tenant_id.bytes + job_id.bytes + number.to_bytes(8, "big")
