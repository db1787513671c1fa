"""Commands that check the catalog's revision before they run."""

from collections.abc import Callable
from typing import Any

import click

from trially.terminal.command import Losses, command


def catalog_command(
    name: str, *, loses: Losses, **options: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator for a command that needs the catalog at this version's revision."""
    return command(name, loses=loses, prepare=_require_catalog, **options)


def _require_catalog() -> None:
    from trially.tenancy.schema.catalog_revision import require_catalog

    require_catalog()
