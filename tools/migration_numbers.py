"""`python -m tools.migration_numbers` fails unless each lineage's migrations form one sequence.

Two branches that each add a migration both give it the next number, and git merges them without a
conflict. Alembic would then run only one of the two. No database is needed.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

LINEAGES = ("migrations/catalog/versions", "migrations/tenant/versions")

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.py")


def find_problems(folder: Path) -> Iterator[str]:
    """Yield a sentence, or several, for each migration that breaks the sequence 0001, 0002, …."""
    by_number = defaultdict(list)
    for path in sorted(folder.glob("*.py")):
        name = _NAME.fullmatch(path.name)
        if name is None:
            yield f"{path.name} is not named like 0005_add_opened_at_to_study.py."
            continue
        by_number[int(name[1])].append(path)
    for number, paths in sorted(by_number.items()):
        if len(paths) > 1:
            last = max(by_number)
            yield (
                f"{' and '.join(path.name for path in paths)} have the same number. Keep the one"
                " that is on the main branch. Renumber the other one: rename its file to"
                f' {last + 1:04d}_…, and set `revision = "{last + 1:04d}"` and'
                f' `down_revision = "{last:04d}"` in it.'
            )
            continue
        if number > 1 and number - 1 not in by_number:
            yield f"{paths[0].name} has no predecessor {number - 1:04d}. Renumber it."
        previous = f'"{number - 1:04d}"' if number > 1 else "None"
        for line in (f'revision = "{number:04d}"', f"down_revision = {previous}"):
            if line not in paths[0].read_text(encoding="utf-8").splitlines():
                yield f"{paths[0].name} does not contain the line `{line}`. Correct it."


def main() -> int:
    """Print the problems of both lineages, and return the exit status."""
    root = Path(__file__).resolve().parent.parent
    status = 0
    for lineage in LINEAGES:
        for problem in find_problems(root / lineage):
            sys.stderr.write(f"{lineage}: {problem}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
