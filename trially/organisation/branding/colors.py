"""Colours as CSS writes them, and whether text in them can be read (WCAG 2.2, 1.4.3)."""

import re

HEX_PATTERN = "^#[0-9a-fA-F]{6}$"
"""The only form of a colour that is accepted: it cannot hold anything else than a colour."""

NEEDED_CONTRAST = 4.5
"""The least contrast of text of any size on the level AA."""

_LINEAR_UP_TO = 0.04045
_WEIGHTS = (0.2126, 0.7152, 0.0722)


def normal_color(value: str) -> str:
    """Return a colour in lower case. Raises `ValueError` for one of another form."""
    if not re.fullmatch(HEX_PATTERN[1:-1], value):
        raise ValueError(value)
    return value.lower()


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours: from 1, for equal ones, to 21, for black and white."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    """Return the relative luminance of a colour of sRGB, from 0 to 1."""
    parts = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return sum(weight * _linear(part) for weight, part in zip(_WEIGHTS, parts, strict=True))


def _linear(part: float) -> float:
    if part <= _LINEAR_UP_TO:
        return part / 12.92
    return float(((part + 0.055) / 1.055) ** 2.4)
