"""Carry out the erasures whose period has ended, and finish those that were interrupted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, or_, select

from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.erasing.model import Erasure, ErasureState
from trially.tenancy.erasing.steps import erase
from trially.tenancy.lifecycle.attempts import OperationBusyError
from trially.tenancy.schema.failures import describe_failure


@dataclass(frozen=True)
class Done:
    """What was done about one erasure that was due."""

    tenant_id: UUID
    erasure: Erasure | None
    error: str | None = None


def due_erasures() -> Sequence[Erasure]:
    """Return the erasures that are due or were interrupted, oldest first.

    Those of tenants under a legal hold wait.
    """
    with catalog_transaction() as session:
        return session.scalars(
            select(Erasure)
            .outerjoin(Tenant, Tenant.id == Erasure.tenant_id)
            .where(
                or_(
                    Erasure.state == ErasureState.RUNNING,
                    (Erasure.state == ErasureState.SCHEDULED)
                    & (Erasure.due_at <= func.now())
                    & Tenant.legal_hold.is_(None),
                )
            )
            .order_by(Erasure.due_at)
        ).all()


def erase_due() -> Iterator[Done]:
    """Erase each tenant whose erasure is due. A failure is yielded, and the others go on."""
    for each in due_erasures():
        try:
            yield Done(each.tenant_id, erase(each.id))
        except OperationBusyError:
            continue  # another process is at it, or the tenant is moved
        except Exception as error:  # noqa: BLE001  the other tenants are erased
            yield Done(each.tenant_id, None, describe_failure(error))


def list_erasures(tenant_id: UUID | None = None) -> Sequence[Erasure]:
    """Return the erasures that are done, newest first; of one tenant or of all."""
    query = (
        select(Erasure).where(Erasure.state == ErasureState.DONE).order_by(Erasure.erased_at.desc())
    )
    if tenant_id is not None:
        query = query.where(Erasure.tenant_id == tenant_id)
    with catalog_transaction() as session:
        return session.scalars(query).all()
