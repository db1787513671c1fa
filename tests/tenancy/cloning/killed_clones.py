"""Clone tenants in processes that kill themselves, one for each moment of the operation.

Run as a program with a source, a slug and a moment per line of input. A moment is `<step>:done`
(its effect is there, its record is not), `<step>:recorded`, or `copying`, after the first rows.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from trially import create_app
from trially.config import read_settings
from trially.tenancy.cloning import copying, steps
from trially.tenancy.cloning.clones import CloneOptions, clone_tenant
from trially.tenancy.lifecycle import operations
from trially.tenancy.lifecycle.operations import Step


def die(*_arguments: Any, **_options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(do: Callable[..., Any]) -> Callable[..., Any]:
    def do_and_die(*arguments: Any, **options: Any) -> None:
        do(*arguments, **options)
        die()

    return do_and_die


def prepare(moment: str) -> None:
    """Change the operation so that it ends at this moment."""
    name, _, state = moment.partition(":")
    if name == "copying":
        copying.insert_rows = after(copying.insert_rows)
        return
    changed = list(steps.CLONE.steps)
    index = [step.name for step in changed].index(name)
    if state == "recorded":
        changed.insert(index + 1, Step("death", die))
    else:
        step = changed[index]
        changed[index] = replace(step, do=after(step.do))
    operations.KINDS["clone"] = replace(steps.CLONE, steps=tuple(changed))


def main() -> None:
    for line in sys.stdin.read().splitlines():
        source, slug, moment = line.split()
        child = os.fork()
        if child == 0:
            prepare(moment)
            with create_app(read_settings()).app_context():
                clone_tenant(source, slug, CloneOptions(masked=True, owner="who|1"))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{moment} did not kill its process.")


if __name__ == "__main__":
    main()
