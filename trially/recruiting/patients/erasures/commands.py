"""The command `flask patients erase`."""

from typing import Any
from uuid import UUID

import click
from sqlalchemy import select

from trially.audit.actors import operator_name
from trially.audit.working import working
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.database.session import transaction
from trially.errors import OperatorError
from trially.http.problems import Problem
from trially.recruiting.duplicates.finding import find_duplicates
from trially.recruiting.patients.erasing import erase_as_operator
from trially.recruiting.patients.erasures.reasons import GIVEN_BY_TRIALLY, ErasureReason
from trially.recruiting.patients.model import Patient
from trially.recruiting.sources.locking import lock_sources_of
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.erasing.certificates import describe
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant
from trially.terminal import Loss, json_option, print_json


class PersonNotErasedError(OperatorError):
    """The patient does not exist, or may not be erased."""


def loss_of_erasing(slug: str, patient_id: UUID, **_: Any) -> Loss | None:
    """Return what erasing a person takes away. The operator types the id."""
    tenant = get_tenant(slug)
    return Loss(
        f"Everything about the patient {patient_id} of {tenant.slug} ({tenant.name}) will be erased"
        " now. Nothing brings it back.",
        "Type the patient's id to go on",
        typed=str(patient_id),
    )


@catalog_command("erase", loses=loss_of_erasing)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("patient_id", type=click.UUID)
@click.option(
    "--why",
    type=click.Choice([each.value for each in ErasureReason if each not in GIVEN_BY_TRIALLY]),
    default=ErasureReason.REQUEST.value,
    show_default=True,
    help="The reason that the certificate gives.",
)
@click.option("--replaced", is_flag=True, help="Erase the records too that were merged into it.")
@click.option("--yes", "is_confirmed", metavar="PATIENT_ID", help="The id, instead of a question.")
@json_option
def erase_(slug: str, patient_id: UUID, *, why: str, replaced: bool, as_json: bool) -> None:
    """Erase the patient PATIENT_ID of TENANT, and print the certificate.

    It does what `POST /patients/{id}/erasure` does. A patient under a legal hold stays.

    \b
    Example:
      flask patients erase acme 019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa --why request
    """  # noqa: D301
    with administered_tenant(slug), working(), transaction():
        tombstone = _erase(patient_id, ErasureReason(why), may_delete_replaced=replaced)
    if as_json:
        print_json(tombstone["certificate"])
    else:
        click.echo(describe(tombstone["certificate"]["certificate"]))


def _erase(patient_id: UUID, reason: ErasureReason, *, may_delete_replaced: bool) -> Item:
    patient = table_of(Patient).c
    found = fetch_items(
        select(patient.id, patient.source, patient.replaced_by_id).where(
            of_current_tenant(Patient), patient.id == patient_id
        )
    )
    if not found:
        raise PersonNotErasedError(f"The tenant has no patient {patient_id}.")
    lock_sources_of(found[0])
    try:
        tombstone = erase_as_operator(
            patient_id,
            may_delete_replaced=may_delete_replaced,
            reason=reason,
            by=operator_name(),
        )
    except Problem as problem:
        raise PersonNotErasedError(problem.detail) from None
    if found[0]["replaced_by_id"] is not None:
        find_duplicates([found[0]["replaced_by_id"]])
    return tombstone
