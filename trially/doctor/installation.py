"""What the installation itself must have: a catalog at its head, a strong secret, no loose ends."""

import math
from collections import Counter
from collections.abc import Iterator

from trially.doctor.findings import Check, Problem, error, production_error, warning
from trially.doctor.fleet import Fleet
from trially.tenancy.catalog import ServerPassword
from trially.tenancy.schema.installing import CATALOG_SCHEMA, CatalogBehindError, check_catalog
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

SECRET_BITS = 128
GUESSABLE = (
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


def the_catalog_is_at_the_head(_fleet: Fleet) -> Iterator[Problem]:
    """See that the catalog is at the revision that this code needs."""
    try:
        check_catalog()
    except CatalogBehindError:
        yield error(
            "the catalog is behind", "Run `flask db --directory migrations/catalog upgrade`."
        )


def the_catalog_is_granted_to_its_reader_only(fleet: Fleet) -> Iterator[Problem]:
    """See that request handling reads the catalog, changes nothing, and sees no passwords."""
    with server_access().administer(fleet.settings.catalog_database) as raw:
        grants = execute(
            raw,
            "SELECT relname, coalesce(rolname, 'PUBLIC'), privilege_type FROM pg_class"
            " CROSS JOIN aclexplode(relacl) LEFT JOIN pg_roles ON pg_roles.oid = grantee"
            " WHERE relnamespace = %s::regnamespace AND grantee <> relowner ORDER BY 1, 2, 3",
            CATALOG_SCHEMA,
        )
    for table, grantee, privilege in grants:
        is_right = (grantee, privilege) == (fleet.reader, "SELECT")
        if not is_right or table == ServerPassword.__tablename__:
            what = f"{grantee} has {privilege} on {CATALOG_SCHEMA}.{table}"
            yield error(what, f"REVOKE {privilege} ON {CATALOG_SCHEMA}.{table} FROM {grantee};")


def the_secret_cannot_be_guessed(fleet: Fleet) -> Iterator[Problem]:
    """Estimate the secret from which passwords, signatures and seals derive."""
    secret = fleet.settings.secret_key
    remedy = (
        'Make one: `python3 -c "import secrets; print(secrets.token_urlsafe(48))"`. The roles need'
        " new passwords then."
    )
    if any(word in secret.lower() for word in GUESSABLE):
        yield production_error("TRIALLY_SECRET_KEY has words in it that are guessed first", remedy)
    elif entropy_bits(secret) < SECRET_BITS:
        yield production_error("TRIALLY_SECRET_KEY has little variety", remedy)


def operations_come_to_an_end(fleet: Fleet) -> Iterator[Problem]:
    """Look for operations that a killed process left."""
    for operation in fleet.unfinished:
        what = f"{operation.kind} of {operation.tenant_slug} is {operation.state}"
        yield warning(what, f"Unless it is at work: `flask operations resume {operation.id}`.")


def entropy_bits(text: str) -> float:
    """Return Shannon's entropy of a text, by how often each of its characters comes."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -len(text) * sum(share * math.log2(share) for share in shares)


INSTALLATION_CHECKS: tuple[Check[Fleet], ...] = (
    the_catalog_is_at_the_head,
    the_catalog_is_granted_to_its_reader_only,
    the_secret_cannot_be_guessed,
    operations_come_to_an_end,
)
