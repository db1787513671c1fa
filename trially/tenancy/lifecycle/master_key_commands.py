"""`flask keys create-master`, `rotate-master`, `destroy-former-versions` and `rotate-data`."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import click

from trially.errors import OperatorError
from trially.keys.providers import KeyProviderError
from trially.state import app_state
from trially.tenancy.data_keys import rewrapping, rotate_data_key
from trially.tenancy.data_keys.rewrapping import (
    MasterRotation,
    begin_master_rotation,
    count_by_master,
    keys_to_wrap,
    newest_of,
)
from trially.tenancy.lifecycle.data_key_ages import TenantKeyAge, key_ages
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.schema.catalog_revision import require_catalog
from trially.terminal import (
    NOTHING,
    Loss,
    command,
    json_option,
    plural,
    print_item,
    print_json,
    progress_bar,
)

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be changed, and stop."
)


class ContradictionError(OperatorError):
    """Options contradict each other, or nothing was chosen."""


class MasterKeyExistsError(OperatorError):
    """There is a master key already. A new one would not unwrap the data keys."""


@command("create-master", loses=NOTHING)
@json_option
def create_master(*, as_json: bool) -> None:
    """Create the master key that TRIALLY_MASTER_KEY names.

    It creates a key ring's file or a key in a PKCS#11 token, and never replaces one.
    """
    provider = app_state().data_keys.masters.current
    try:
        provider.create_key()
    except FileExistsError:
        raise MasterKeyExistsError(
            "The master key of TRIALLY_MASTER_KEY exists. `flask keys rotate-master` creates a new"
            " version of it."
        ) from None
    item = {"provider": provider.kind, "name": provider.key_name}
    sentence = (
        f"Created the master key {provider.key_name} ({provider.kind}). Back it up now, apart from"
        " the databases: without it, no tenant's encrypted values can be read."
    )
    print_item(item, sentence, as_json=as_json)


@command("rotate-master", loses=NOTHING)
@click.option(
    "--no-new-version",
    is_flag=True,
    help="Create no version: only wrap what the newest one has not wrapped.",
)
@click.option(
    "--create-only",
    is_flag=True,
    help="Create the version and wrap nothing, to copy a key ring to other machines first.",
)
@dry_run_option
@json_option
def rotate_master(*, no_new_version: bool, create_only: bool, dry_run: bool, as_json: bool) -> None:
    """Wrap all data keys with a new version of the master key.

    If some data keys lack the newest version, it wraps these and creates none. So run it again
    after an interruption, after a rotation by the key's provider, and after a change of
    TRIALLY_MASTER_KEY. Exits with 1 if a data key remains.

    \b
    Example:
      flask keys rotate-master --dry-run
    """  # noqa: D301
    require_catalog()
    if dry_run:
        _print_plan(creates_version=not no_new_version, as_json=as_json)
        return
    if create_only and no_new_version:
        raise ContradictionError("--create-only and --no-new-version exclude each other.")
    with begin_master_rotation(creates_version=not no_new_version) as rotation:
        if create_only:
            _print_created(rotation, as_json=as_json)
            return
        total = len(rotation.remaining)
        with progress_bar(rotation.run(), "Wrapping data keys", total) as wrapped:
            for _ in wrapped:
                pass
        left = len(keys_to_wrap(rotation.newest))
    _print_rotation(rotation, left, as_json=as_json)
    if left or rotation.problems:
        raise click.exceptions.Exit(1)


def loss_of_destroying(**_: Any) -> Loss | None:
    """Return which versions of the master key would be destroyed."""
    require_catalog()
    versions = app_state().data_keys.masters.current.former_versions()
    if not versions:
        return None
    return Loss(
        f"The versions {', '.join(versions)} of the master key will be destroyed. Data keys in"
        " older copies of the catalog cannot be unwrapped any more.",
        "Destroy the former versions?",
    )


@command("destroy-former-versions", loses=loss_of_destroying)
@json_option
def destroy_former_versions(*, as_json: bool) -> None:
    """Destroy all versions of the master key but the newest one.

    Older copies of the catalog hold data keys that former versions have wrapped, also those of
    erased tenants. Refused while a data key needs a former version.
    """
    require_catalog()
    versions = rewrapping.destroy_former_versions()
    sentence = (
        f"Destroyed the versions {', '.join(versions)} of the master key. Destroy their backups"
        " too."
        if versions
        else "The master key has no former version."
    )
    print_item({"destroyed": versions}, sentence, as_json=as_json)


@command("rotate-data", loses=NOTHING)
@click.argument("tenant", required=False)
@click.option("--all", "is_all", is_flag=True, help="Rotate the key of every tenant.")
@click.option(
    "--older-than",
    "min_days",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="DAYS",
    help="With --all: leave out keys that are younger.",
)
@dry_run_option
@json_option
def rotate_data(
    *, tenant: str | None, is_all: bool, min_days: int, dry_run: bool, as_json: bool
) -> None:
    """Create a new version of the data key of TENANT.

    New values are encrypted with it, and all former versions can still be read. A tenant without a
    data key gets one. An interrupted --all is continued by the next run. Exits with 1 if a key
    failed.

    \b
    Examples:
      flask keys rotate-data acme
      flask keys rotate-data --all --older-than 365
    """  # noqa: D301
    require_catalog()
    chosen = _choose(tenant, min_days, is_all=is_all)
    if dry_run:
        items = [each.described() for each in chosen]
        sentence = f"{plural(len(chosen), 'data key')} would be rotated. Nothing was changed."
        print_item({"tenants": items}, sentence, as_json=as_json)
        return
    done: list[dict[str, Any]] = []
    problems: list[str] = []
    with progress_bar(chosen, "Rotating data keys", len(chosen)) as each_chosen:
        for each in each_chosen:
            try:
                key = rotate_data_key(each.tenant_id)
            except KeyProviderError as error:
                problems.append(f"{each.slug}: {error}")
            else:
                done.append({"tenant": each.slug, "version": key.version})
    sentence = f"Rotated {plural(len(done), 'data key')}."
    print_item({"rotated": done, "problems": problems}, sentence, as_json=as_json)
    _tell(problems, as_json=as_json)
    if problems:
        raise click.exceptions.Exit(1)


def _choose(tenant: str | None, min_days: int, *, is_all: bool) -> Sequence[TenantKeyAge]:
    if (tenant is None) != is_all:
        raise ContradictionError("Name one tenant, or pass --all.")
    if tenant is not None:
        return key_ages([get_tenant(tenant).id])
    youngest = dt.datetime.now(dt.UTC) - dt.timedelta(days=min_days)
    return [each for each in key_ages() if each.created_at is None or each.created_at <= youngest]


def _print_plan(*, creates_version: bool, as_json: bool) -> None:
    newest = newest_of(app_state().data_keys.masters)
    remaining = keys_to_wrap(newest)
    creates_version = creates_version and not remaining
    by_master = count_by_master(remaining)
    item = {
        "newest": str(newest),
        "creates_version": creates_version,
        "to_wrap": [
            {"provider": kind, "name": name, "version": version, "data_keys": count}
            for (kind, name, version), count in sorted(by_master.items())
        ],
    }
    if creates_version:
        sentence = f"A version after {newest} would be created, and all data keys wrapped with it."
    else:
        sentence = f"{plural(len(remaining), 'data key')} would be wrapped with {newest}."
    print_item(item, f"{sentence} Nothing was changed.", as_json=as_json)


def _print_created(rotation: MasterRotation, *, as_json: bool) -> None:
    origin = "Created" if rotation.is_new else "A rotation is unfinished, so none was created:"
    sentence = (
        f"{origin} {rotation.newest}. When all machines have it, run `flask keys rotate-master`,"
        f" which wraps {plural(len(rotation.remaining), 'data key')}."
    )
    item = {"newest": str(rotation.newest), "is_new_version": rotation.is_new}
    print_item(item, sentence, as_json=as_json)


def _print_rotation(rotation: MasterRotation, left: int, *, as_json: bool) -> None:
    item = {
        "newest": str(rotation.newest),
        "is_new_version": rotation.is_new,
        "wrapped": len(rotation.remaining) - left,
        "remaining": left,
        "problems": rotation.problems,
    }
    if as_json:
        print_json(item)
        return
    origin = "a new version" if rotation.is_new else "the newest version, which existed"
    click.echo(
        f"Wrapped {plural(len(rotation.remaining) - left, 'data key')} with {rotation.newest}"
        f" ({origin})."
    )
    _tell(rotation.problems, as_json=False)
    if left:
        click.echo(f"{plural(left, 'data key')} remain. Run the command again.", err=True)


def _tell(problems: Sequence[str], *, as_json: bool) -> None:
    for problem in () if as_json else problems:
        click.echo(problem, err=True)
