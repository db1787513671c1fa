"""A picture of where a tenant's rows are: the server, the databases on it, and what it shares."""

from collections.abc import Mapping
from typing import Any

from fpdf import FPDF

from trially.terminal import plural

HEIGHT = 62.0
"""In millimetres."""

_OWN, _OTHERS, _SERVER = (205, 232, 213), (232, 232, 232), (250, 250, 250)
_PADDING = 4.0
_LINE = 5.0


def draw_placement(page: FPDF, placement: Mapping[str, Any], slug: str) -> None:
    """Draw the picture at the cursor, over the whole width. The tenant's own part is green."""
    left, top, width = page.l_margin, page.get_y(), page.epw
    region = f", {placement['region']}" if placement["region"] else ""
    _box(page, left, top, width, HEIGHT, _SERVER, f"Server {placement['server']}{region}")
    inner, below = left + _PADDING, top + _LINE + _PADDING
    half = (width - 3 * _PADDING) / 2
    height = HEIGHT - _LINE - 2 * _PADDING
    neighbours = placement["neighbours"]
    elsewhere = neighbours["on_server"] - neighbours["in_database"]
    _draw_own(page, inner, below, half, height, placement, slug)
    _box(
        page,
        inner + half + _PADDING,
        below,
        half,
        height,
        _OTHERS,
        f"Other databases: {plural(elsewhere, 'other tenant')}",
    )
    page.set_y(top + HEIGHT + _PADDING)


def _draw_own(
    page: FPDF,
    x: float,
    y: float,
    width: float,
    height: float,
    placement: Mapping[str, Any],
    slug: str,
) -> None:
    """Draw the tenant's database, with the other tenants in it if it is shared."""
    database = placement["database"]
    if placement["shares"] == "database":
        _box(page, x, y, width, height, _OWN, f"Database {database}: only {slug}")
        return
    others = plural(placement["neighbours"]["in_database"], "other tenant")
    whole, own, rest = {
        "schema": (
            f"Database {database}",
            f"Schema {placement['schema']}: only {slug}",
            f"Other schemas: {others}",
        ),
        "tables": (f"Shared tables of {database}", f"Rows of {slug}", f"Rows of {others}"),
    }[placement["shares"]]
    _box(page, x, y, width, height, _SERVER, whole)
    part = (height - _LINE - 2 * _PADDING) / 2
    x, y, width = x + _PADDING, y + _LINE + _PADDING / 2, width - 2 * _PADDING
    _box(page, x, y, width, part, _OWN, own)
    _box(page, x, y + part + _PADDING / 2, width, part, _OTHERS, rest)


def _box(
    page: FPDF,
    x: float,
    y: float,
    width: float,
    height: float,
    colour: tuple[int, int, int],
    title: str,
) -> None:
    page.set_fill_color(*colour)
    page.rect(x, y, width, height, style="DF", round_corners=True, corner_radius=1.5)
    page.set_xy(x + _PADDING / 2, y + _PADDING / 4)
    page.set_font(size=8)
    page.multi_cell(width - _PADDING, _LINE - 1, title, align="L")
