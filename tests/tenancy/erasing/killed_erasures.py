"""Erase tenants in processes that kill themselves, one for each moment of the operation.

Run as a program with a slug and a moment per line of input; it prints nothing. Each moment is
`<step>:done` (its effect is there, its record is not) or `<step>:recorded`.
"""

import datetime as dt
from dataclasses import replace
from typing import Any

from killed_children import after, die, kill_children

from trially.tenancy.erasing.ordering import order_erasure
from trially.tenancy.erasing.steps import ERASE, erase
from trially.tenancy.lifecycle import operations
from trially.tenancy.lifecycle.operations import Step


def prepare(moment: str) -> None:
    """Change the operation so that it ends at this moment."""
    name, _, state = moment.partition(":")
    steps = list(ERASE.steps)
    index = [step.name for step in steps].index(name)
    if state == "done":
        steps[index] = replace(steps[index], do=after(steps[index].do))
    elif index == len(steps) - 1:
        record_step = operations._record_step

        def record_step_and_die(*arguments: Any) -> None:
            record_step(*arguments)
            if arguments[2] is steps[-1]:
                die()

        operations._record_step = record_step_and_die
    else:
        steps.insert(index + 1, Step("death", die))
    operations.KINDS[ERASE.name] = replace(ERASE, steps=tuple(steps))


def run(slug: str, moment: str) -> None:
    prepare(moment)
    erase(order_erasure(slug, dt.timedelta(0), "killed").erasure.id)


if __name__ == "__main__":
    kill_children(lambda _, line: run(*line.split()))
