"""Draw curves with two logarithmic axes as SVG, with nothing but the standard library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 96, 36, 44
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#444444")
LEAST_GAP = 13
"""Pixels between the names of two curves."""


@dataclass(frozen=True)
class Curve:
    """Values by size; all are more than 0."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Curves with the same axes."""

    title: str
    axis: str
    curves: Sequence[Curve]


def draw(panels: Sequence[Panel]) -> str:
    """Return an SVG with the panels beside each other."""
    inner = "\n".join(
        f'<g transform="translate({number * WIDTH} 0)">\n{_draw_panel(panel)}\n</g>'
        for number, panel in enumerate(panels)
    )
    width = WIDTH * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}"'
        f' height="{HEIGHT}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="{width}" height="{HEIGHT}" fill="white"/>\n{inner}\n</svg>\n'
    )


class _Scale:
    """Maps values to pixels, one decade after the other."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.first = math.floor(math.log10(min(values)) + 1e-9)
        self.last = max(self.first + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self._start, self._step = start, (end - start) / (self.last - self.first)

    def place(self, value: float) -> float:
        return self._start + (math.log10(value) - self.first) * self._step

    def decades(self) -> list[float]:
        return [10.0**power for power in range(self.first, self.last + 1)]


def _draw_panel(panel: Panel) -> str:
    points = [point for curve in panel.curves for point in curve.points]
    across = _Scale([size for size, _ in points], LEFT, WIDTH - RIGHT)
    up = _Scale([value for _, value in points], HEIGHT - BOTTOM, TOP)
    parts = [f'<text x="{LEFT}" y="18" font-size="13">{escape(panel.title)}</text>']
    for size in across.decades():
        x = across.place(size)
        parts.append(_rule(x, TOP, x, HEIGHT - BOTTOM))
        parts.append(_text(x, HEIGHT - BOTTOM + 16, f"{size:,.0f}", "middle"))
    for value in up.decades():
        y = up.place(value)
        parts.append(_rule(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 6, y + 4, f"{value:,g}", "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, panel.axis, "middle"))
    names = _spread([up.place(curve.points[-1][1]) for curve in panel.curves])
    for number, (curve, name_y) in enumerate(zip(panel.curves, names, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(
            f"{across.place(size):.1f},{up.place(value):.1f}" for size, value in curve.points
        )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        end = across.place(curve.points[-1][0])
        parts.append(_text(end + 6, name_y + 4, curve.name, "start", colour))
    return "\n".join(parts)


def _spread(places: Sequence[float]) -> list[float]:
    """Return the places, moved downwards where two would overlap."""
    moved = list(places)
    lowest = -math.inf
    for index in sorted(range(len(places)), key=places.__getitem__):
        moved[index] = lowest = max(places[index], lowest + LEAST_GAP)
    return moved


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333333") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
