"""`python -m tools.lint_migrations` checks the SQL of all migrations, as `flask db lint` does.

It needs neither settings nor a database, so `make check` runs it.
"""

import sys

from trially.errors import OperatorError
from trially.tenancy.linting.checking import lint


def main() -> int:
    """Print the findings that are not accepted, and return the exit status."""
    try:
        findings, needless = lint()
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for each in findings:
        sys.stderr.write(f"{each.migration}: {each.rule}: {each.subject}\n  {each.advice}\n")
    for sentence in needless:
        sys.stderr.write(f"{sentence}\n")
    return int(bool(findings or needless))


if __name__ == "__main__":
    sys.exit(main())
