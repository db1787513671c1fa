"""Erase tenants in processes that kill themselves, one for each moment of the operation.

Run as a program with a slug and a moment per line of input; it prints nothing. Each moment is
`<step>:done` (its effect is there, its record is not) or `<step>:recorded`.
"""

import datetime as dt
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from trially import create_app
from trially.config import read_settings
from trially.tenancy.erasing.ordering import order_erasure
from trially.tenancy.erasing.steps import ERASE, erase
from trially.tenancy.lifecycle import operations
from trially.tenancy.lifecycle.operations import Step


def die(*_arguments: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(do: Callable[..., None]) -> Callable[..., None]:
    def do_and_die(*arguments: Any) -> None:
        do(*arguments)
        die()

    return do_and_die


def prepare(moment: str) -> None:
    """Change the operation so that it ends at this moment."""
    name, _, state = moment.partition(":")
    steps = list(ERASE.steps)
    index = [step.name for step in steps].index(name)
    if state == "done":
        steps[index] = replace(steps[index], do=after(steps[index].do))
    elif index == len(steps) - 1:
        do_step = operations._do_step

        def do_step_and_die(*arguments: Any) -> None:
            do_step(*arguments)
            if arguments[2] is steps[-1]:
                die()

        operations._do_step = do_step_and_die
    else:
        steps.insert(index + 1, Step("death", die))
    operations.KINDS[ERASE.name] = replace(ERASE, steps=tuple(steps))


def main() -> None:
    for line in sys.stdin.read().splitlines():
        slug, moment = line.split()
        child = os.fork()
        if child == 0:
            prepare(moment)
            with create_app(read_settings()).app_context():
                erase(order_erasure(slug, dt.timedelta(0), "killed").erasure.id)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{moment} did not kill its process.")


if __name__ == "__main__":
    main()
