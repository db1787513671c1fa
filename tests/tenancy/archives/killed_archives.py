"""Back up and restore in processes that kill themselves, one for each moment.

Run as a program with a command, its archive or folder, a slug, a tier and a moment per line of
input; it prints nothing. A moment is `<step>:done` (its effect is there, its record is not),
`<step>:recorded`, `load_rows:before_<function>` (within that step), a phase of the switch, or a
moment of a backup.
"""

from collections.abc import Callable
from dataclasses import replace

from killed_children import after, die, kill_children

from trially.tenancy.archives import backups, restoring
from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.replacing import REPLACE, replace_with
from trially.tenancy.archives.restoring import RESTORE, RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle import operations
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed
from trially.tenancy.lifecycle.operations import OperationKind, Step


def end_at(kind: OperationKind, moment: str) -> None:
    """Change the kind of operation so that its process dies at a moment."""
    name, _, state = moment.partition(":")
    steps = list(kind.steps)
    names = [step.name for step in steps]
    if not state:
        progressed.connect(_dies_in(name), weak=False)
    elif state.startswith("before_"):
        vars(restoring)[state.removeprefix("before_")] = die
    elif state == "done":
        index = names.index(name)
        steps[index] = replace(steps[index], do=after(steps[index].do))
    else:
        steps.insert(names.index(name) + 1, Step("death", work=die))
    operations.KINDS[kind.name] = replace(kind, steps=tuple(steps))


def _dies_in(phase: str) -> Callable[[MoveProgress], None]:
    def die_in(progress: MoveProgress) -> None:
        if progress.phase == phase:
            die()

    return die_in


def run(command: str, place: str, slug: str, tier: str, moment: str) -> None:
    if command == "backup":
        if moment == "written":
            vars(backups)["Archive"] = die
        back_up(slug, BackupOptions(place), die if moment == "writing" else lambda *_: None)
    elif command == "restore":
        end_at(RESTORE, moment)
        restore_as(place, slug, verify_before(place), RestoreOptions(tier=Tier(tier)))
    else:
        end_at(REPLACE, moment)
        manifest, options = verify_before(place), RestoreOptions(tier=Tier(tier))
        folder = place.rpartition("/")[0]
        replace_with(place, slug, manifest, options, BackupOptions(folder))


if __name__ == "__main__":
    kill_children(lambda _, line: run(*line.split()))
