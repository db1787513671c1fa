"""`flask tenants erase` and `flask tenants erased`."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import orjson

from trially.errors import OperatorError
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.erasing import ordering
from trially.tenancy.erasing.certificates import check, describe
from trially.tenancy.erasing.due import Done, erase_due, list_erasures
from trially.tenancy.erasing.erased_tenant import read_tenant
from trially.tenancy.erasing.model import Erasure
from trially.tenancy.erasing.searching import look
from trially.tenancy.erasing.steps import erase
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import count_members, get_tenant
from trially.tenancy.lifecycle.listing_commands import describe as describe_tenant
from trially.tenancy.lifecycle.status import find_to_change
from trially.tenancy.repeating import in_rounds
from trially.terminal import (
    NOTHING,
    Loss,
    json_option,
    plural,
    print_item,
    print_items,
    print_json,
    table_options,
)
from trially.terminal.durations import Duration

PERIOD = "30d"
FORMS = ("legal_hold", "release_hold", "cancel", "dry_run")
_FILE = click.Path(dir_okay=False, path_type=Path)


class NotErasedError(OperatorError):
    """An erasure that was due could not be carried out."""


def loss_of_erasing(slug: str | None, *, now: bool, after: float, **options: Any) -> Loss | None:
    """Return what erasing a tenant takes away. The operator types its slug."""
    if slug is None or any(options[each] for each in FORMS):
        return None
    tenant = get_tenant(slug)
    when = "now. Nothing brings them back" if now else f"after {after / 86400:g} days"
    shut_out = f"{plural(count_members(tenant), 'member')} will be shut out at once."
    return Loss(
        f"All data of {tenant.slug} ({tenant.name}) will be erased {when}: rows, files, roles and"
        f" the data key, so that no archive of it can be read. {shut_out}",
        "Type the slug to go on",
        typed=tenant.slug,
    )


@catalog_command("erase", loses=loss_of_erasing)
@click.argument("slug", required=False, shell_complete=complete_slug)
@click.option(
    "--after",
    type=Duration(),
    default=PERIOD,
    show_default=True,
    help="The period in which the tenant is suspended and can be brought back.",
)
@click.option("--now", is_flag=True, help="Erase without a period.")
@click.option("--legal-hold", metavar="REASON", help="Forbid to erase the tenant.")
@click.option("--release-hold", is_flag=True, help="Release the legal hold.")
@click.option("--cancel", is_flag=True, help="Bring the tenant back.")
@click.option("--dry-run", is_flag=True, help="Only show what each store holds of the tenant.")
@click.option("--due", is_flag=True, help="Carry out all erasures whose period has ended.")
@click.option("--every", type=Duration(), help="With --due: repeat at this interval, such as 1h.")
@click.option("--certificate", type=_FILE, help="Write the signed certificate to this file.")
@click.option(
    "--verify",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check the signature of a certificate, and print it.",
)
@click.option("--yes", "is_confirmed", metavar="SLUG", help="The slug, instead of a question.")
@click.option("--reason", help="Why; it is recorded, and the certificate has it.")
@json_option
def erase_(slug: str | None, *, as_json: bool, **options: Any) -> None:
    """Erase the tenant SLUG from every store, and certify what was searched.

    The tenant is suspended at once, and erased when the period ends: `flask tenants erase --due`
    carries it out. Until then `--cancel` brings it back. A legal hold forbids to erase it.

    \b
    Examples:
      flask tenants erase acme --after 30d --reason "the contract has ended"
      flask tenants erase acme --cancel
      flask tenants erase --due --every 1h
    """  # noqa: D301
    if options["verify"] is not None:
        _print_certificate(check(options["verify"].read_bytes()), as_json=as_json)
    elif options["due"]:
        _erase_due(options["every"], as_json=as_json)
    elif slug is None:
        raise click.UsageError("Name the tenant, or use --due or --verify.")
    else:
        _about_one(slug, options, as_json=as_json)


@catalog_command("erased", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("tenant_id", required=False, type=click.UUID)
@table_options
def erased(tenant_id: UUID | None, *, as_json: bool) -> None:
    """List the tenants that were erased, or print the certificate of TENANT_ID."""
    found = list_erasures(tenant_id)
    if tenant_id is None:
        _print_erased(found, as_json=as_json)
    elif not found:
        raise ordering.NoErasureError(f"No tenant {tenant_id} was erased here.")
    elif as_json:
        print_json(found[0].certificate)
    else:
        _print_certificate((found[0].certificate or {})["certificate"], as_json=False)


def _about_one(slug: str, options: Mapping[str, Any], *, as_json: bool) -> None:
    if sum(bool(options[each]) for each in (*FORMS, "now")) > 1:
        raise click.UsageError(
            "Use one of --now, --legal-hold, --release-hold, --cancel, --dry-run."
        )
    if options["dry_run"]:
        _print_found(slug, as_json=as_json)
    elif options["legal_hold"]:
        tenant = ordering.hold(slug, options["legal_hold"])
        _print_tenant(tenant, f"{tenant.slug} is under a legal hold.", as_json=as_json)
    elif options["release_hold"]:
        tenant = ordering.release_hold(slug)
        _print_tenant(tenant, f"{tenant.slug} is under no legal hold.", as_json=as_json)
    elif options["cancel"]:
        tenant = ordering.cancel_erasure(slug)
        sentence = f"The erasure of {tenant.slug} is cancelled. It is {tenant.status}."
        _print_tenant(tenant, sentence, as_json=as_json)
    else:
        _order(slug, options, as_json=as_json)


def _order(slug: str, options: Mapping[str, Any], *, as_json: bool) -> None:
    period = dt.timedelta(0 if options["now"] else options["after"] / 86400)
    ordered = ordering.order_erasure(slug, period, options["reason"])
    if options["now"]:
        done = erase(ordered.erasure.id)
        if options["certificate"] is not None:
            options["certificate"].write_bytes(_as_file(done))
        if as_json:
            print_json(done.certificate)
        else:
            _print_certificate((done.certificate or {})["certificate"], as_json=False)
        return
    tenant, due_at = ordered.tenant, ordered.erasure.due_at
    sentence = (
        f"{tenant.slug} is suspended, and will be erased after {due_at:%Y-%m-%d %H:%M} UTC."
        f" `flask tenants erase {tenant.slug} --cancel` brings it back until then."
    )
    _print_tenant(tenant, sentence, as_json=as_json)


def _erase_due(every: float | None, *, as_json: bool) -> None:
    def erase_once() -> Sequence[Done]:
        done = list(erase_due())
        if done or as_json:
            _print_done(done, as_json=as_json)
        elif every is None:
            click.echo("No erasure is due.")
        return done

    if failed := [each for each in in_rounds(every, erase_once) if each.error is not None]:
        raise NotErasedError(
            f"{plural(len(failed), 'erasure')} could not be carried out. Correct the causes, and"
            " run the command again."
        )


def _print_done(done: Sequence[Done], *, as_json: bool) -> None:
    items = [
        {
            "tenant_id": str(each.tenant_id),
            "erased_at": each.erasure and each.erasure.erased_at,
            "error": each.error,
        }
        for each in done
    ]
    columns = ("tenant_id", "erased_at", "error")
    print_items(items, columns, as_json=as_json, texts=("error",), optional=("error",))


def _print_found(slug: str, *, as_json: bool) -> None:
    with catalog_transaction() as session:
        tenant = read_tenant(session, find_to_change(session, slug))
    items = [
        {"store": each.store, "holds": each.count, "unit": each.unit, "remains": each.remains}
        for each in look(tenant)
        if as_json or each.count
    ]
    columns = ("store", "holds", "unit", "remains")
    print_items(items, columns, as_json=as_json, texts=("remains",), optional=("remains",))


def _print_erased(found: Sequence[Erasure], *, as_json: bool) -> None:
    items = [
        {
            "tenant_id": str(each.tenant_id),
            "ordered_at": each.ordered_at,
            "ordered_by": each.ordered_by,
            "erased_at": each.erased_at,
            "reason": each.reason,
        }
        for each in found
    ]
    columns = ("tenant_id", "ordered_at", "ordered_by", "erased_at", "reason")
    print_items(items, columns, as_json=as_json, texts=("reason",), optional=("reason",))


def _print_tenant(tenant: Any, sentence: str, *, as_json: bool) -> None:
    print_item(describe_tenant(tenant), sentence, as_json=as_json)


def _print_certificate(content: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(content)
    else:
        click.echo(describe(content))


def _as_file(erasure: Erasure) -> bytes:
    return orjson.dumps(erasure.certificate, option=orjson.OPT_INDENT_2)
