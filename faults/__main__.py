"""`python -m faults [NAME…]`: run faults under load, and print what they did."""

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack

from faults.catalogue import FAULTS
from faults.choosing import choose
from faults.fault import Fault
from faults.installation import installation
from faults.outcome import Outcome
from faults.patroni_cluster import patroni_cluster
from faults.report import describe, write_page
from faults.running import run
from faults.scene import CannotRunError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--seconds", type=float, help="duration of each fault under load")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    options, chosen = choose(parser, FAULTS)
    logging.disable(logging.WARNING)  # the app of this process only administers
    outcomes: list[Outcome] = []
    not_run: dict[str, str] = {}
    for fault, result in _run_all(chosen, options.seconds):
        if isinstance(result, Outcome):
            outcomes.append(result)
            text = json.dumps(dataclasses.asdict(result)) if options.json else describe(result)
            print(text, flush=True)
        else:
            is_known = isinstance(result, CannotRunError)
            not_run[fault.name] = str(result) if is_known else type(result).__name__
            print(f"{fault.name}: not run. {result}", file=sys.stderr, flush=True)
    if options.write:
        write_page(options.write, outcomes, not_run)
    return int(bool(not_run) or not all(outcome.is_held for outcome in outcomes))


def _run_all(
    faults: list[Fault], seconds: float | None
) -> Iterator[tuple[Fault, Outcome | Exception]]:
    """Run faults in turn on one installation, and on a new one after a fault that failed to run."""
    left = [fault for fault in faults if not fault.is_of_patroni]
    while left:
        with installation() as installed:
            while left:
                fault = left.pop(0)
                try:
                    yield fault, run(fault, installed, seconds=seconds)
                except Exception as error:  # noqa: BLE001  the other faults are run all the same
                    yield fault, error
                    break
    for fault in faults:
        if fault.is_of_patroni:
            with ExitStack() as stack:
                try:
                    cluster = stack.enter_context(patroni_cluster())
                    installed = stack.enter_context(installation(cluster.url(), names=("one",)))
                    yield fault, run(fault, installed, seconds=seconds, patroni=cluster)
                except Exception as error:  # noqa: BLE001
                    yield fault, error


if __name__ == "__main__":
    sys.exit(main())
