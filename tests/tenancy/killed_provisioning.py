"""Create tenants in processes that kill themselves, one for each moment of the operation.

Run as a program with a slug and a moment per line of input; it prints nothing. Each moment is
`<step>:done` (its effect is there, its record is not) or `<step>:recorded`.
"""

from dataclasses import replace

from killed_children import after, die, kill_children

from trially.tenancy.lifecycle import operations, provisioning
from trially.tenancy.lifecycle.operations import Step


def fail(*_arguments):
    raise RuntimeError("This step fails.")


def after_last(record_step):
    def record_step_and_die(catalog, kind, step, operation):
        record_step(catalog, kind, step, operation)
        if step is kind.steps[-1]:
            die()

    return record_step_and_die


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
        operations._record_step = after_last(operations._record_step)
    else:
        steps.insert(names.index(name) + 1, Step("death", die))
    operations.KINDS["provision"] = replace(provisioning.PROVISION, steps=tuple(steps), undo=undo)


def run(slug, moment):
    prepare(moment)
    provisioning.create_tenant(slug, "Killed", parameters={"owner": "who|1"})


if __name__ == "__main__":
    kill_children(lambda _, line: run(*line.split()))
