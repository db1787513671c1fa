"""Headers that every answer has, unless it has said otherwise."""

from collections.abc import Mapping

from werkzeug.datastructures import Headers


def add_missing(headers: Headers, wanted: Mapping[str, str]) -> None:
    """Add those of the wanted headers that are not there, after one look at what is."""
    there = {name.lower() for name, _ in headers}
    for name, value in wanted.items():
        if name.lower() not in there:
            headers.add(name, value)
