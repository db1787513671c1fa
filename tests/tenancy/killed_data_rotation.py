"""Rotate the data keys of all tenants in processes that kill themselves.

Run as a program; each line of input is a moment of the rotation of one tenant's key: `wrapped`,
when the provider has wrapped the new version, `inserted`, before that is committed, or `committed`.
"""

import os
import signal
import sys
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from trially import create_app
from trially.config import read_settings
from trially.keys.data_keys import DataKey
from trially.keys.providers import WrappedKey
from trially.tenancy.data_keys.masters import Masters
from trially.tenancy.data_keys.model import TenantKey


def die(*_arguments: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


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


def main() -> None:
    for moment in sys.stdin.read().split():
        child = os.fork()
        if child == 0:
            end_at(moment)
            app = create_app(read_settings())
            app.test_cli_runner().invoke(args=["keys", "rotate-data", "--all"])
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{moment} did not kill its process.")


if __name__ == "__main__":
    main()
