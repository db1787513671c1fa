"""Seal and verify the catalog's log of operators' actions, with the same witnesses."""

from collections.abc import Iterator, Mapping, Sequence

from trially.audit.sealer import Sealed
from trially.audit.verification import TenantVerdict, last_witnessed, merge_hashes
from trially.audit.witnesses import Witness
from trially.audit.witnesses.sending import send_seals
from trially.tenancy.operators.keeping import (
    OPERATORS,
    last_operator_seal,
    read_operator_seals,
    seal_operators,
    verify_operators,
)
from trially.tenancy.schema.failures import describe_failure

NAME = "operators"


def seal_catalog(witnesses: Sequence[Witness] = ()) -> Iterator[Sealed]:
    """Seal the catalog's log, and yield what was done. A failure is described in it."""
    try:
        seals = seal_operators()
        last = last_operator_seal()
        lags = send_seals(witnesses, OPERATORS.name, last, read_operator_seals)
        yield Sealed(NAME, len(seals), sum(each.count for each in seals), witnesses=lags)
    except Exception as error:  # noqa: BLE001  tenants' logs do not depend on it
        yield Sealed(NAME, error=describe_failure(error))


def verify_catalog(hashes: Sequence[Mapping[int, bytes]] = ()) -> TenantVerdict:
    """Verify the catalog's log, with the hashes that each witness has."""
    merged, problems = merge_hashes(hashes)
    return TenantVerdict(verify_operators(hashes=merged), [], problems, last_witnessed(hashes))
