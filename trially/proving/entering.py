"""Begin a tenant's transaction as a worker with an outdated placement would."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg2
from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from trially.database.placement import (
    Placement,
    StalePlacementError,
    TenantSuspendedError,
    enter_placement,
)
from trially.database.session import check_tenant_open
from trially.proving.attempts import Attempt, Target
from trially.tenancy.catalog_choices import TenantStatus

STALE, SUSPENDED = "enter with an old epoch", "enter while suspended"
_REMEDY = (
    "Run `flask db upgrade` to restore the function trially.enter in the database {database}, and"
    " `flask doctor` to compare trially.placement with the catalog."
)


def enter_by_the_guard(target: Target) -> Iterator[Attempt]:
    """Enter the target with an old epoch, and while it is suspended."""
    outdated = replace(target.placement, epoch=target.placement.epoch - 1)
    yield _enter(target, STALE, outdated, "epoch")
    if target.tenant.status == TenantStatus.SUSPENDED:
        yield _enter(target, SUSPENDED, target.placement, "suspension")
    else:
        yield target.not_applicable(SUSPENDED, None, "the tenant is not suspended")


def _enter(target: Target, path: str, placement: Placement, reason: str) -> Attempt:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with app.app_context():
        enter_placement(placement)
        try:
            check_tenant_open()
        except (StalePlacementError, TenantSuspendedError):
            return target.held(path, None, f"the guard: {reason}")
        except (SQLAlchemyError, psycopg2.Error) as error:
            return target.inconclusive(path, None, type(error).__name__)
    remedy = _REMEDY.format(database=target.record.database)
    return target.breached(path, None, "the guard accepted the transaction", remedy)
