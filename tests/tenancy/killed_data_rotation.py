"""Rotate the data keys of all tenants in processes that kill themselves.

Run as a program; each line of input is a moment of the rotation of one tenant's key: `wrapped`,
when the provider has wrapped the new version, `inserted`, before that is committed, or `committed`.
"""

from typing import Any

from flask import Flask
from killed_children import die, kill_children
from sqlalchemy import event
from sqlalchemy.orm import Session

from trially.keys.data_keys import DataKey
from trially.keys.providers import WrappedKey
from trially.tenancy.data_keys.masters import Masters
from trially.tenancy.data_keys.model import TenantKey


def end_at(moment: str) -> None:
    """Let the process die at a moment of its second rotation."""
    remaining = [1]

    def die_next_time(*_arguments: Any) -> None:
        if not remaining:
            die()
        remaining.pop()

    if moment == "wrapped":
        wrap = Masters.wrap

        def wrap_and_die(masters: Masters, key: DataKey) -> WrappedKey:
            wrapped = wrap(masters, key)
            die_next_time()
            return wrapped

        type.__setattr__(Masters, "wrap", wrap_and_die)
    elif moment == "inserted":
        event.listen(Session, "before_commit", _when_inserting(die_next_time))
    else:
        event.listen(Session, "after_commit", _when_inserting(die_next_time))


def _when_inserting(act: Any) -> Any:
    """Return a listener that acts in the transactions that have inserted a data key."""

    def listen(session: Session) -> None:
        if session.info.pop("has_inserted", False):
            act()

    @event.listens_for(Session, "do_orm_execute")
    def note(state: Any) -> None:
        if state.is_insert and state.statement.table.name == TenantKey.__tablename__:
            state.session.info["has_inserted"] = True

    return listen


def run(app: Flask, moment: str) -> None:
    end_at(moment)
    app.test_cli_runner().invoke(args=["keys", "rotate-data", "--all"])


if __name__ == "__main__":
    kill_children(run)
