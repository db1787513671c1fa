"""`python -m faults.moves [NAME…]`: move tenants under load, with faults and without."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence

from faults.choosing import choose
from faults.installation import Installation
from faults.moves.catalogue import MOVE_FAULTS
from faults.moves.fault import MoveFault, MoveOutcome
from faults.moves.installing import new_installation
from faults.moves.pair_running import run_pair
from faults.moves.pairs import PAIRS, Pair, PairOutcome
from faults.moves.report import describe, write_page
from faults.moves.running import run

Case = MoveFault | Pair
CASES: Mapping[str, Case] = {**PAIRS, **MOVE_FAULTS}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults.moves", description=__doc__)
    options, chosen = choose(parser, CASES)
    logging.disable(logging.WARNING)  # the app of this process only administers
    outcomes, not_run = run_all(chosen)
    if options.write:
        write_page(options.write, outcomes, not_run)
    return int(bool(not_run) or not all(outcome.is_held for outcome in outcomes))


def run_all(cases: Sequence[Case]) -> tuple[list[MoveOutcome | PairOutcome], dict[str, str]]:
    """Run cases in turn, and return the outcomes, and why others were not run, by name.

    After a case that cannot be run, the next ones get a new installation.
    """
    left, outcomes, not_run = list(cases), list[MoveOutcome | PairOutcome](), {}
    while left:
        with new_installation() as installed:
            while left:
                case = left.pop(0)
                try:
                    outcomes.append(_run(case, installed))
                except Exception as error:  # noqa: BLE001  the other cases are run all the same
                    not_run[case.name] = type(error).__name__
                    print(f"{case.name}: not run. {error}", file=sys.stderr, flush=True)
                    break
                print(describe(outcomes[-1]), flush=True)
    return outcomes, not_run


def _run(case: Case, installed: Installation) -> MoveOutcome | PairOutcome:
    return run_pair(case, installed) if isinstance(case, Pair) else run(case, installed)


if __name__ == "__main__":
    sys.exit(main())
