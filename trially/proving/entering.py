"""Enter a tenant as a worker would that has not heard the news."""

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
from trially.tenancy.catalog import TenantStatus

STALE, SUSPENDED = "enter with an old epoch", "enter while suspended"
_REMEDY = (
    "In database {database}, see that trially.enter is this version's (`flask db upgrade`) and that"
    " trially.placement says what the catalog says (`flask doctor`)."
)


def enter_by_the_guard(target: Target) -> Iterator[Attempt]:
    """Try an epoch that is over, and a tenant that is suspended."""
    yield _enter(
        target, STALE, replace(target.placement, epoch=target.placement.epoch - 1), "epoch"
    )
    if target.tenant.status == TenantStatus.SUSPENDED:
        yield _enter(target, SUSPENDED, target.placement, "suspension")
    else:
        yield target.not_applicable(SUSPENDED, None, "the tenant is not suspended")


def _enter(target: Target, path: str, placement: Placement, wall: str) -> Attempt:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with app.app_context():
        enter_placement(placement)
        try:
            check_tenant_open()
        except (StalePlacementError, TenantSuspendedError):
            return target.held(path, None, f"the guard: {wall}")
        except (SQLAlchemyError, psycopg2.Error) as error:
            return target.unproved(path, None, type(error).__name__)
    remedy = _REMEDY.format(database=target.record.database)
    return target.reached(path, None, "the guard let it in", remedy)
