"""The command line: commands and their errors, questions before losses, tables and JSON."""

from trially.terminal.command import NOTHING, Command, CommandGroup, command
from trially.terminal.confirming import Loss, is_at_terminal
from trially.terminal.lazy import LazyCommand
from trially.terminal.printing import (
    importing_bar,
    json_option,
    plural,
    print_item,
    print_json,
    print_record,
    progress_bar,
    uses_colour,
)
from trially.terminal.tables import print_items, table_options

__all__ = [
    "NOTHING",
    "Command",
    "CommandGroup",
    "LazyCommand",
    "Loss",
    "command",
    "importing_bar",
    "is_at_terminal",
    "json_option",
    "plural",
    "print_item",
    "print_items",
    "print_json",
    "print_record",
    "progress_bar",
    "table_options",
    "uses_colour",
]
