"""Checks of the installation: the catalog, the secret key, and unfinished operations."""

import math
from collections import Counter
from collections.abc import Iterator

from trially.doctor.findings import Check, Problem, error, production_error, warning
from trially.doctor.fleet import Fleet
from trially.tenancy.catalog import CATALOG_SCHEMA, ServerPassword
from trially.tenancy.schema.installing import CatalogBehindError, check_catalog
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

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


def the_catalog_is_granted_to_its_reader_only(fleet: Fleet) -> Iterator[Problem]:
    """Check that request handling can read the catalog only, and no server's password."""
    with server_access().administer(fleet.settings.catalog_database) as raw:
        grants = execute(
            raw,
            "SELECT relname, coalesce(rolname, 'PUBLIC'), privilege_type FROM pg_class"
            " CROSS JOIN aclexplode(relacl) LEFT JOIN pg_roles ON pg_roles.oid = grantee"
            " WHERE relnamespace = %s::regnamespace AND grantee <> relowner ORDER BY 1, 2, 3",
            CATALOG_SCHEMA,
        )
    for table, grantee, privilege in grants:
        is_expected = (grantee, privilege) == (fleet.reader, "SELECT")
        if not is_expected or table == ServerPassword.__tablename__:
            what = f"{grantee} has {privilege} on {CATALOG_SCHEMA}.{table}"
            yield error(what, f"REVOKE {privilege} ON {CATALOG_SCHEMA}.{table} FROM {grantee};")


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


def the_limits_of_connections_fit_the_threads(fleet: Fleet) -> Iterator[Problem]:
    """Compare the limits of connections with what all processes together may open."""
    settings = fleet.settings
    threads = settings.threads * settings.processes
    of_tenant = math.ceil(settings.threads * settings.tenant_thread_share) * settings.processes
    for name, limit, most in (
        ("TRIALLY_CONNECTIONS_PER_TENANT", settings.connections_per_tenant, of_tenant),
        (
            "TRIALLY_CONNECTIONS_PER_SHARED_DATABASE",
            settings.connections_per_shared_database,
            threads,
        ),
    ):
        if most > limit:
            yield warning(
                f"{settings.processes} processes may want {most} connections; {name} is {limit}",
                f"Raise {name} for new tenants and the CONNECTION LIMIT of the roles that exist,"
                " or run fewer processes or threads. Until then, requests wait for connections.",
            )


def every_operation_is_finished(fleet: Fleet) -> Iterator[Problem]:
    """Look for operations that a killed process left unfinished."""
    for operation in fleet.unfinished:
        what = f"{operation.kind} of {operation.tenant_slug} is {operation.state}"
        remedy = f"If its process has died, run `flask operations resume {operation.id}`."
        yield warning(what, remedy)


def entropy_bits(text: str) -> float:
    """Return the Shannon entropy of a text in bits, from the frequency of its characters."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -len(text) * sum(share * math.log2(share) for share in shares)


INSTALLATION_CHECKS: tuple[Check[Fleet], ...] = (
    the_catalog_is_at_the_head_revision,
    the_catalog_is_granted_to_its_reader_only,
    the_secret_key_is_strong,
    the_limits_of_connections_fit_the_threads,
    every_operation_is_finished,
)
