"""`python -m faults.moves [NAME…]`: run faults of moves under load, and print what they did."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from faults.moves.catalogue import MOVE_FAULTS
from faults.moves.fault import MoveFault, MoveOutcome
from faults.moves.installing import new_installation
from faults.moves.report import describe, write_page
from faults.moves.running import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults.moves", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to run; default: all")
    parser.add_argument("--list", action="store_true", help="list the faults, and run none")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page of all figures")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in MOVE_FAULTS]:
        parser.error(f"There is no fault {', '.join(unknown)}. --list shows all.")
    chosen = [MOVE_FAULTS[name] for name in options.names or MOVE_FAULTS]
    if options.list:
        for fault in chosen:
            print(f"{fault.name:24} {fault.what}")
        return 0
    logging.disable(logging.WARNING)  # the app of this process only administers
    outcomes, not_run = run_all(chosen)
    if options.write:
        write_page(options.write, outcomes, not_run)
    return int(bool(not_run) or not all(outcome.is_held for outcome in outcomes))


def run_all(faults: Sequence[MoveFault]) -> tuple[list[MoveOutcome], dict[str, str]]:
    """Run faults in turn, and return the outcomes, and why others were not run, by name.

    After a fault that cannot be run, the next ones get a new installation.
    """
    left, outcomes, not_run = list(faults), [], {}
    while left:
        with new_installation() as installed:
            while left:
                fault = left.pop(0)
                try:
                    outcomes.append(run(fault, installed))
                except Exception as error:  # noqa: BLE001  the other faults are run all the same
                    not_run[fault.name] = type(error).__name__
                    print(f"{fault.name}: not run. {error}", file=sys.stderr, flush=True)
                    break
                print(describe(outcomes[-1]), flush=True)
    return outcomes, not_run


if __name__ == "__main__":
    sys.exit(main())
