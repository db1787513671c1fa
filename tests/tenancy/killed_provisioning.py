"""Create tenants in processes that kill themselves, one for each moment of the operation.

Run as a program with a slug and a moment per line of input; it prints nothing. Each moment is
`<step>:done` (its effect is there, its record is not) or `<step>:recorded`.
"""

import os
import signal
import sys
from dataclasses import replace

from trially import create_app
from trially.config import read_settings
from trially.tenancy.lifecycle import operations, provisioning
from trially.tenancy.lifecycle.operations import Step


def die(*_arguments, **_options):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(*_arguments):
    raise RuntimeError("This step fails.")


def after(do):
    def do_and_die(*arguments):
        do(*arguments)
        die()

    return do_and_die


def after_last(do_step):
    def do_step_and_die(catalog, kind, step, operation):
        do_step(catalog, kind, step, operation)
        if step is kind.steps[-1]:
            die()

    return do_step_and_die


def prepare(moment):
    """Change the operation so that it ends at this moment."""
    name, _, state = moment.partition(":")
    steps = list(provisioning.PROVISION.steps)
    undo = provisioning.PROVISION.undo
    names = [step.name for step in steps]
    if name == "undo":
        steps[names.index("activate")] = Step("activate", fail)
        undo = after(undo) if state == "done" else die
    elif state == "done":
        index = names.index(name)
        steps[index] = Step(name, after(steps[index].do))
    elif name == names[-1]:
        operations._do_step = after_last(operations._do_step)
    else:
        steps.insert(names.index(name) + 1, Step("death", die))
    operations.KINDS["provision"] = replace(provisioning.PROVISION, steps=tuple(steps), undo=undo)


def main():
    for line in sys.stdin.read().splitlines():
        slug, moment = line.split()
        child = os.fork()
        if child == 0:
            prepare(moment)
            with create_app(read_settings()).app_context():
                provisioning.create_tenant(slug, "Killed", parameters={"owner": "who|1"})
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{moment} did not kill its process.")


if __name__ == "__main__":
    main()
