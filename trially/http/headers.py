"""Default headers of every answer."""

from collections.abc import Mapping

from werkzeug.datastructures import Headers


def add_missing(headers: Headers, defaults: Mapping[str, str]) -> None:
    """Add the defaults that an answer lacks. Reading all headers once beats many `setdefault`s."""
    present = {name.lower() for name, _ in headers}
    for name, value in defaults.items():
        if name.lower() not in present:
            headers.add(name, value)
