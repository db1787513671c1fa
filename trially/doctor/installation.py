"""Checks of the installation: the catalog, the secret key, and unfinished operations."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy.exc import ProgrammingError

from trially.doctor.findings import Check, Problem, error, production_error, warning
from trially.doctor.fleet import Fleet
from trially.jobs.wakeups import OVERDUE_SECONDS, waiting_in
from trially.rate_limits.counts import WINDOW_SECONDS
from trially.rate_limits.store import PATIENCE_SECONDS, Store
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.filling import read_stocks
from trially.tenancy.schema.catalog_revision import (
    CatalogBehindError,
    CatalogNewerError,
    check_catalog,
)
from trially.tenancy.schema.revisions import Revision, compare
from trially.tenancy.tasks.claiming import longest_wait

SECRET_BITS = 128
COMMON_WORDS = (
    "secret",
    "password",
    "passwort",
    "change",
    "example",
    "trially",
    "test",
    "0123",
    "abcd",
)


def the_catalog_is_at_the_head_revision(_fleet: Fleet) -> Iterator[Problem]:
    """Check that the catalog is at the revision that this version of the app needs."""
    try:
        check_catalog()
    except CatalogBehindError:
        yield error(
            "the catalog is not at the head revision",
            "Run `flask db --directory migrations/catalog upgrade`.",
        )
    except CatalogNewerError:
        yield error(
            "a newer version of trially has migrated the catalog",
            "Run `flask doctor` of that version.",
        )


def schemas_are_at_the_head_revision(fleet: Fleet) -> Iterator[Problem]:
    """Count the tenants that the catalog records as behind. Checks of databases name them."""
    tenants = [tenant for database in fleet.databases for tenant in database.served]
    counts = Counter(compare(tenant.placement.revision, fleet.head) for tenant in tenants)
    for revision in (Revision.BEHIND, Revision.OUTDATED, Revision.UNKNOWN, Revision.NEWER):
        if counts[revision]:
            what = f"the recorded revision of {counts[revision]} of {len(tenants)} tenants is"
            yield warning(f"{what} {revision}", "Run `flask db upgrade` of the newest version.")


def the_secret_key_is_strong(fleet: Fleet) -> Iterator[Problem]:
    """Estimate the strength of the secret that passwords, signatures and seals are derived from."""
    secret = fleet.settings.secret_key
    remedy = (
        'Generate one with `python3 -c "import secrets; print(secrets.token_urlsafe(48))"`. After'
        " the change every role needs a new password."
    )
    if any(word in secret.lower() for word in COMMON_WORDS):
        yield production_error("TRIALLY_SECRET_KEY contains a common word", remedy)
    elif entropy_bits(secret) < SECRET_BITS:
        what = f"TRIALLY_SECRET_KEY has fewer than {SECRET_BITS} bits of entropy"
        yield production_error(what, remedy)


def every_operation_is_finished(fleet: Fleet) -> Iterator[Problem]:
    """Look for operations that a killed process left unfinished."""
    for operation in fleet.unfinished:
        what = f"{operation.kind} of {operation.tenant_slug} is {operation.state}"
        remedy = f"If its process has died, run `flask operations resume {operation.id}`."
        yield warning(what, remedy)


def ready_tenants_are_as_many_as_wanted(_fleet: Fleet) -> Iterator[Problem]:
    """Look for tenants that are kept ready and that the setting does not ask for."""
    for stock in read_stocks():
        if stock.ready > stock.wanted:
            what = (
                f"{stock.ready} ready tenants of tier {stock.tier} on {stock.server} are more than"
                f" the {stock.wanted} that are wanted"
            )
            yield warning(what, "Run `flask tenants ready`.")


def workers_run_the_jobs(_fleet: Fleet) -> Iterator[Problem]:
    """Look for tenants whose jobs, or whose expired leases, no worker has visited of late."""
    with suppress(ProgrammingError), control_engine().connect() as catalog:  # an older catalog
        waiting = waiting_in(catalog)
        if waiting.are_overdue:
            what = f"tenants with jobs have waited {waiting.overdue_seconds:.0f} s for a worker"
            yield warning(what, "Start `flask worker`, or more of them.")


def workers_carry_out_the_tasks(_fleet: Fleet) -> Iterator[Problem]:
    """Look for tasks of the platform API that no worker has begun."""
    with suppress(ProgrammingError):  # an older catalog
        waited = longest_wait()
        if waited > OVERDUE_SECONDS:
            what = f"an operation of the platform API has waited {waited:.0f} s for a worker"
            yield warning(what, "Start `flask worker`, or more of them.")


def processes_share_their_counts(fleet: Fleet) -> Iterator[Problem]:
    """Count once in the store of limits, under a name that no tenant has."""
    url = fleet.settings.redis_url
    if url is not None and Store(url).add("doctor", 1, WINDOW_SECONDS) is None:
        yield warning(
            f"the store of limits does not answer within {PATIENCE_SECONDS * 1000:.0f} ms",
            "Check TRIALLY_REDIS_URL. Until then, each process allows its share of the limits.",
        )


def entropy_bits(text: str) -> float:
    """Return the Shannon entropy of a text in bits, from the frequency of its characters."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -len(text) * sum(share * math.log2(share) for share in shares)


INSTALLATION_CHECKS: tuple[Check[Fleet], ...] = (
    the_catalog_is_at_the_head_revision,
    schemas_are_at_the_head_revision,
    the_secret_key_is_strong,
    every_operation_is_finished,
    ready_tenants_are_as_many_as_wanted,
    workers_run_the_jobs,
    workers_carry_out_the_tasks,
    processes_share_their_counts,
)
