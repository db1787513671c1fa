"""The options that all scripts share, and the one line that each prints."""

import argparse
import json
from typing import Any


def make_parser(script: str, *, rounds: int, seconds: float) -> argparse.ArgumentParser:
    """Make the parser of a script's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks." + script.rpartition(".")[2])
    parser.add_argument("--rounds", type=int, default=rounds, help="(default: %(default)s)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=seconds,
        help="of each measurement; the longest, where work is counted (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    return parser


def print_outcome(line: str, figures: dict[str, Any], *, as_json: bool) -> None:
    """Print the one line, or everything."""
    print(json.dumps({"line": line, **figures}) if as_json else line, flush=True)
