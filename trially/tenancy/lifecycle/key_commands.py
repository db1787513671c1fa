"""`flask keys …`."""

from collections.abc import Sequence
from typing import Any

import click

from trially.keys import current_keys
from trially.tenancy.lifecycle.key_rotation import adopt_key_without_previous, begin_rotation
from trially.tenancy.lifecycle.key_use import (
    ServerKeys,
    all_login_roles,
    examine,
    recorded_keys,
)
from trially.tenancy.lifecycle.master_key_use import MasterKeyUse, examine_master_key
from trially.tenancy.recorded_keys import short_name
from trially.tenancy.schema.catalog_revision import require_catalog
from trially.terminal import (
    NOTHING,
    Loss,
    command,
    json_option,
    plural,
    print_items,
    print_json,
    progress_bar,
)

COLUMNS = ("server", "new", "previous", "unknown", "missing", "stored_password", "error")

MOST_NAMES = 20


def loss_of_rotating(*, dry_run: bool, is_lost: bool, ends_sessions: bool, **_: Any) -> Loss | None:
    """Return whom a rotation may shut out."""
    if dry_run:
        return None
    if is_lost:
        sentence = (
            "Every password of this installation will be replaced, and processes with another key"
            " will stop."
        )
    else:
        require_catalog()
        newest = current_keys().newest
        states = _examine_all()
        passwords = sum(len(state.remaining(newest)) for state in states)
        sentence = (
            f"{plural(passwords, 'password')} on {plural(len(states), 'server')} will be replaced."
            " Processes without the new key will be refused."
        )
    if ends_sessions:
        sentence += " Sessions that are open now will be ended."
    return Loss(sentence, "Rotate the key?")


@command("status", loses=NOTHING, only_reads=True)
@json_option
def status(*, as_json: bool) -> None:
    """Show which keys passwords, stored values and data keys need.

    The servers and the provider of the master key are asked. Exits with 1 if a password or stored
    value needs another key than TRIALLY_SECRET_KEY, or a data key another one than that of
    TRIALLY_MASTER_KEY.
    """
    require_catalog()
    _print_states(_examine_all(), (), as_json=as_json, masters=examine_master_key())


@command("rotate", loses=loss_of_rotating)
@click.option("--dry-run", is_flag=True, help="Show what would be changed, and stop.")
@click.option(
    "--end-sessions",
    "ends_sessions",
    is_flag=True,
    help="End each role's older sessions, which may be an intruder's. Requests are retried.",
)
@click.option(
    "--force",
    "is_forced",
    is_flag=True,
    help="Rotate although processes without the new key read the catalog. They will fail.",
)
@click.option(
    "--previous-is-lost",
    "is_lost",
    is_flag=True,
    help="Rotate without the previous key. Tenants are refused until their password is set.",
)
@json_option
def rotate(
    *,
    dry_run: bool,
    ends_sessions: bool,
    is_forced: bool,
    is_lost: bool,
    as_json: bool,
) -> None:
    """Set all passwords, and encrypt all stored values, with TRIALLY_SECRET_KEY.

    Before, restart all processes with TRIALLY_PREVIOUS_SECRET_KEY set to the previous key: they
    accept both. Run the command again after an interruption. Exits with 1 if something remains.

    \b
    Example:
      flask keys rotate --dry-run
    """  # noqa: D301
    if is_lost and not dry_run:
        adopt_key_without_previous()
    require_catalog()
    if dry_run:
        _print_plan(_examine_all(), as_json=as_json)
        return
    with begin_rotation(is_forced=is_forced or is_lost, ends_sessions=ends_sessions) as rotation:
        with progress_bar(rotation.run(), "Setting passwords", rotation.total) as visited:
            for _ in visited:
                pass
        states = rotation.finish()
    _print_states(states, rotation.problems, as_json=as_json)


def _examine_all() -> list[ServerKeys]:
    return [examine(server, roles) for server, roles in all_login_roles()]


def _print_plan(states: Sequence[ServerKeys], *, as_json: bool) -> None:
    newest = current_keys().newest
    items = [{**_describe(state), "to_change": len(state.remaining(newest))} for state in states]
    if as_json:
        print_json(items)
    else:
        print_items(
            items,
            ("server", "to_change", "stored_password", "error"),
            as_json=False,
            texts=("error",),
        )
        click.echo("Nothing was changed.")


def _print_states(
    states: Sequence[ServerKeys],
    problems: Sequence[str],
    *,
    as_json: bool,
    masters: MasterKeyUse | None = None,
) -> None:
    """Print the states and what to do next. Exits with 1 if something needs another key."""
    recorded, own = recorded_keys(), current_keys()
    is_done = all(state.is_done(own.newest) for state in states) and recorded == {own.newest: True}
    remains = _sentences(states, recorded, is_done=is_done)
    if as_json:
        print_json(
            {
                "is_done": is_done,
                "may_remove_previous": is_done,
                "recorded": {short_name(name): current for name, current in recorded.items()},
                "servers": [_describe(state) for state in states],
                "problems": [*problems, *remains],
                **({"master_key": masters.described()} if masters else {}),
            }
        )
    else:
        print_items(
            [_describe(state) for state in states], COLUMNS, as_json=False, texts=("error",)
        )
        for sentence in (*problems, *remains):
            click.echo(sentence, err=True)
        if is_done:
            click.echo(_conclusion(is_changing=len(own.fingerprints) > 1))
        for sentence in masters.sentences() if masters else ():
            click.echo(sentence)
    if not is_done or problems or (masters and not masters.is_usable):
        raise click.exceptions.Exit(1)


def _sentences(
    states: Sequence[ServerKeys], recorded: dict[str, bool], *, is_done: bool
) -> list[str]:
    newest = current_keys().newest
    sentences = []
    for state in states:
        remaining = state.remaining(newest)
        tenants = [slug for role in remaining for slug in role.tenants]
        if state.error is not None:
            sentences.append(f"{state.error} Its tenants are {_names(tenants)}.")
        elif remaining:
            roles = _names([role.name for role in remaining])
            sentences.append(
                f"On the server {state.server.name}, passwords do not derive from"
                f" TRIALLY_SECRET_KEY: those of {roles}. Their tenants are {_names(tenants)}."
            )
    if not recorded.get(newest):
        sentences.append("The rotation has not begun. Run `flask keys rotate`.")
    elif not is_done:
        sentences.append(
            "The rotation is not finished. Keep TRIALLY_PREVIOUS_SECRET_KEY, and run"
            " `flask keys rotate` again."
        )
    return sentences


def _names(names: Sequence[str]) -> str:
    """Return some names as text, with the number of the others."""
    shown = ", ".join(names[:MOST_NAMES]) or "none"
    return f"{shown} and {len(names) - MOST_NAMES} others" if len(names) > MOST_NAMES else shown


def _conclusion(*, is_changing: bool) -> str:
    if is_changing:
        return (
            "All passwords derive from TRIALLY_SECRET_KEY. Restart all processes without"
            " TRIALLY_PREVIOUS_SECRET_KEY."
        )
    return "All passwords derive from TRIALLY_SECRET_KEY."


def _describe(state: ServerKeys) -> dict[str, Any]:
    own = current_keys()
    stored = state.sealed_with
    if isinstance(stored, str):
        word = "new" if stored == own.newest else "previous"
    else:
        word = "unknown" if state.error and stored.name == "UNKNOWN" else ""
    served = [slug for role in state.remaining(own.newest) for slug in role.tenants]
    return {
        "server": state.server.name,
        **state.counts(own),
        "stored_password": word,
        "error": state.error,
        "tenants_remaining": served,
    }
