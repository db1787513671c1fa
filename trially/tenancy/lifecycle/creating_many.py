"""Create the tenants of a file in parallel. A second run creates only what is missing."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from trially.config import current_settings
from trially.errors import OperatorError
from trially.tenancy.catalog import Operation, Tenant, TenantSlug
from trially.tenancy.catalog_choices import OperationState, TenantStatus
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.entitlements.model import DEFAULT_PLAN
from trially.tenancy.lifecycle.operations import run_operation
from trially.tenancy.lifecycle.provisioning import create_tenant, find_tenant_record, tier_for
from trially.tenancy.lifecycle.tenant_files import Wanted, differences, refuse_faults
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.servers.choice import choose_server
from trially.tenancy.tiers import TIERS


class Result(StrEnum):
    """What became of a tenant of the file."""

    TO_CREATE = "to create"
    TO_FINISH = "to finish"
    """A process that was killed had begun to create it."""

    CREATED = "created"
    EXISTS = "exists"
    FAILED = "failed"


@dataclass
class Planned:
    """A tenant of the file, and what is to be done."""

    wanted: Wanted = field(repr=False)
    result: Result
    operation_id: UUID | None = None
    tenant_id: UUID | None = None
    ms: float | None = None
    error: str | None = None

    def carry_out(self) -> None:
        """Create or finish the tenant. A failure is kept, so that others are created all the same.

        What was created of a tenant that fails is removed.
        """
        started = time.perf_counter()
        try:
            self.tenant_id = self._create().id
            self.result = Result.CREATED
        except Exception as error:  # noqa: BLE001  the tenants after this one must be created
            self.result, self.error = Result.FAILED, describe_failure(error)
        self.ms = round((time.perf_counter() - started) * 1000, 1)

    def _create(self) -> Tenant:
        if self.operation_id is not None:
            return find_tenant_record(run_operation(self.operation_id).tenant_id)
        return create_tenant(self.wanted.slug, self.wanted.name, **self.wanted.options)


class SomeFailedError(OperatorError):
    """Some tenants of the file could not be created."""


def plan(wanted: Sequence[Wanted]) -> list[Planned]:
    """Compare the file with the catalog, and return what is to be done.

    Raises `FaultyFileError` if a slug is another tenant's, if an existing tenant differs from the
    file, or if no server takes a tenant.
    """
    faults: list[str] = []
    planned: list[Planned] = []
    existing, unfinished = _find({each.slug for each in wanted})
    servers = _Servers()
    for each in wanted:
        tenant = existing.get(each.slug)
        reasons = servers.objections(each) if tenant is None else _objections(tenant, each)
        faults += [f"{each.place}: {reason}" for reason in reasons]
        operation_id = unfinished.get(each.slug)
        if tenant is None:
            planned.append(Planned(each, Result.TO_CREATE))
        elif operation_id is not None:
            planned.append(Planned(each, Result.TO_FINISH, operation_id))
        else:
            planned.append(Planned(each, Result.EXISTS, tenant_id=tenant.id))
    refuse_faults(faults)
    return planned


def carry_out(planned: Sequence[Planned], workers: int) -> Iterator[Planned]:
    """Create the tenants that are missing, several at a time, and yield each when it is done."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def run(each: Planned) -> Planned:
        with app.app_context():
            each.carry_out()
        return each

    executor = ThreadPoolExecutor(workers, thread_name_prefix="creation")
    try:
        pending = [
            executor.submit(run, each) for each in planned if each.result is not Result.EXISTS
        ]
        for future in as_completed(pending):
            yield future.result()
    finally:
        executor.shutdown(cancel_futures=True)


class _Servers:
    """The servers that take new tenants. Each kind of tenant is asked about once."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], list[str]] = {}

    def objections(self, wanted: Wanted) -> list[str]:
        """Return why no server takes a tenant."""
        options = wanted.options
        try:
            with catalog_transaction() as session:
                tier = tier_for(session, options.get("plan") or DEFAULT_PLAN, options)
        except OperatorError as error:
            return [str(error)]
        if not TIERS[tier].is_offered_by_plans and not current_settings().pinned_tenant:
            return [f"The tier {tier} is for instances of one tenant."]
        key = (tier, options.get("region"), options.get("server"))
        if key not in self._known:
            self._known[key] = []
            try:
                with catalog_transaction() as session:
                    choose_server(session, *key)
            except OperatorError as error:
                self._known[key] = [str(error)]
        return self._known[key]


def _find(slugs: set[str]) -> tuple[dict[str, Tenant], dict[str, UUID]]:
    """Return the tenants that have or had these slugs, and their unfinished creations."""
    with catalog_transaction() as session:
        rows = session.execute(
            select(TenantSlug.slug, Tenant)
            .join(Tenant, Tenant.id == TenantSlug.tenant_id)
            .where(TenantSlug.slug.in_(slugs))
        )
        tenants = dict(rows.all())
        operations = session.execute(
            select(Operation.tenant_slug, Operation.id).where(
                Operation.tenant_id.in_([tenant.id for tenant in tenants.values()]),
                Operation.tenant_slug.in_(slugs),
                Operation.state == OperationState.RUNNING,
            )
        )
        return tenants, dict(operations.all())


def _objections(tenant: Tenant, wanted: Wanted) -> list[str]:
    if tenant.slug != wanted.slug:
        return [f"{wanted.slug!r} is a former slug of {tenant.slug!r}. Choose another one."]
    if tenant.status == TenantStatus.SUSPENDED:
        return []
    return [f"{tenant.slug} exists already, and {each}." for each in differences(tenant, wanted)]
