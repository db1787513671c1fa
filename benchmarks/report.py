"""The options and the output that all scripts share."""

import argparse
import json
from typing import Any


def make_parser(script: str, *, rounds: int, seconds: float) -> argparse.ArgumentParser:
    """Return the parser of a script's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks." + script.rpartition(".")[2])
    parser.add_argument(
        "--rounds", type=int, default=rounds, help="number of measurements (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=seconds,
        help="length of a measurement, or most seconds for all rounds (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    return parser


def print_outcome(line: str, figures: dict[str, Any], *, as_json: bool) -> None:
    """Print one line, or all figures as JSON."""
    print(json.dumps({"line": line, **figures}) if as_json else line, flush=True)
