"""Options that the commands of imports share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from trially.database.model import length_of
from trially.errors import OperatorError
from trially.plain_text import is_plain
from trially.recruiting.imports.model import ImportJob
from trially.recruiting.sources.known import describe_sources
from trially.recruiting.sources.model import MANUAL_SOURCE
from trially.tenancy.context import tenant_context

_Function = TypeVar("_Function", bound=Callable[..., Any])


class MissingSourceError(OperatorError):
    """An import was started without the name of its source."""


def source_option(function: _Function) -> _Function:
    """Add the option `--source`, which `require_source` requires."""
    return click.option(
        "--source",
        callback=lambda _context, _parameter, value: None if value is None else check_source(value),
        help="Name of the system that the records come from: it assigned their ids. Required.",
    )(function)


def dry_run_option(function: _Function) -> _Function:
    """Add the option `--dry-run`."""
    return click.option(
        "--dry-run", is_flag=True, help="Show what would be imported, and change nothing."
    )(function)


def require_source(slug: str, source: str | None) -> str:
    """Return the name of the source, or raise `MissingSourceError`, which lists known ones."""
    if source is None:
        with tenant_context(slug):
            raise MissingSourceError(f"Say where the records come from. {describe_sources()}")
    return source


def check_source(source: str) -> str:
    """Return the name of a source, or raise `click.BadParameter`."""
    longest = length_of(ImportJob.source)
    if not source.strip() or len(source) > longest or not is_plain(source):
        raise click.BadParameter(
            f"Enter a name of 1 to {longest} characters, not only spaces, and without control"
            " characters."
        )
    if source == MANUAL_SOURCE:
        raise click.BadParameter(
            f"'{MANUAL_SOURCE}' is reserved for patients entered by hand. Choose another name."
        )
    return source
