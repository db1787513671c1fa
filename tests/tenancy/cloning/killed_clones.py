"""Clone tenants in processes that kill themselves, one for each moment of the operation.

Run as a program with a source, a slug and a moment per line of input. A moment is `<step>:done`
(its effect is there, its record is not), `<step>:recorded`, or `copying`, after the first rows.
"""

from dataclasses import replace

from killed_children import after, die, kill_children

from trially.tenancy.cloning import copying, steps
from trially.tenancy.cloning.clones import CloneOptions, clone_tenant
from trially.tenancy.lifecycle import operations
from trially.tenancy.lifecycle.operations import Step


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


def run(source: str, slug: str, moment: str) -> None:
    prepare(moment)
    clone_tenant(source, slug, CloneOptions(masked=True, owner="who|1"))


if __name__ == "__main__":
    kill_children(lambda _, line: run(*line.split()))
