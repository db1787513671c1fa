"""`python -m faults [NAME…]`: run faults under load, and print what they did."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from faults.catalogue import FAULTS
from faults.installation import installation
from faults.pooler import CannotRunError
from faults.report import describe, write_page
from faults.running import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to run; default: all")
    parser.add_argument("--seconds", type=float, help="duration of each fault under load")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.add_argument("--list", action="store_true", help="list the faults, and run none")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page of all figures")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in FAULTS]:
        parser.error(f"There is no fault {', '.join(unknown)}. --list shows all.")
    if options.list:
        for fault in FAULTS.values():
            print(f"{fault.name:24} {fault.what}")
        return 0
    outcomes, not_run = [], {}
    with installation() as installed:
        for name in options.names or FAULTS:
            try:
                outcome = run(FAULTS[name], installed, seconds=options.seconds)
            except CannotRunError as error:
                not_run[name] = str(error)
                print(f"{name}: not run. {error}", file=sys.stderr)
                continue
            outcomes.append(outcome)
            text = json.dumps(dataclasses.asdict(outcome)) if options.json else describe(outcome)
            print(text, flush=True)
    if options.write:
        write_page(options.write, outcomes, not_run)
    return int(bool(not_run) or any(outcome.complaints for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
