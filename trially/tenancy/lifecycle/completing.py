"""Shell completion of slugs and of names of servers, from the catalog."""

from collections.abc import Callable, Sequence

import click

from trially.terminal.command import app_of


def complete_slug(ctx: click.Context, _parameter: click.Parameter, beginning: str) -> list[str]:
    """Return the slugs that begin with what was typed."""
    from trially.tenancy.lifecycle.listing import complete_slugs

    return _ask(ctx, lambda: complete_slugs(beginning))


def complete_server(ctx: click.Context, _parameter: click.Parameter, beginning: str) -> list[str]:
    """Return the names of servers that begin with what was typed."""
    from trially.tenancy.lifecycle.listing import complete_servers

    return _ask(ctx, lambda: complete_servers(beginning))


def _ask(ctx: click.Context, read: Callable[[], Sequence[str]]) -> list[str]:
    """Return the answer of the catalog, or nothing: an error would garble the command line."""
    try:
        with app_of(ctx, needs_routes=False).app_context():
            return list(read())
    except Exception:  # noqa: BLE001
        return []
