"""Quantities as people read them."""

UNITS = ("B", "KB", "MB", "GB", "TB")
STEP = 1000


def format_bytes(number: float | None) -> str:
    """Return a number of bytes with its unit, such as `3.2 GB`; `unknown` for None."""
    if number is None:
        return "unknown"
    size, unit = float(number), UNITS[0]
    for unit in UNITS:
        if abs(size) < STEP or unit == UNITS[-1]:
            break
        size /= STEP
    return f"{size:,.0f} {unit}" if unit == UNITS[0] else f"{size:,.1f} {unit}"


def format_share(share: float) -> str:
    """Return a share of 1 as per cent, such as `85 %`."""
    return f"{share:.0%}".replace("%", " %")
