"""The arguments that all commands of faults have: which to run, and where the figures go."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar


class Named(Protocol):
    """Something that can be run by its name."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    @property
    def what(self) -> str:
        """What happens, in a sentence."""


Chosen = TypeVar("Chosen", bound=Named)


def choose(
    parser: argparse.ArgumentParser, known: Mapping[str, Chosen]
) -> tuple[argparse.Namespace, list[Chosen]]:
    """Parse the command line, and return its options and what is to be run.

    `--list` prints the names, and ends the process. A name that is not known does so, too.
    """
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to run; default: all")
    parser.add_argument("--list", action="store_true", help="list the names, and run none")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page of all figures")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"There is no {', '.join(unknown)}. --list shows all names.")
    chosen = [known[name] for name in options.names or known]
    if options.list:
        for each in chosen:
            print(f"{each.name:24} {each.what}")
        parser.exit()
    return options, chosen
