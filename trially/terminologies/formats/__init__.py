"""The formats in which publishers distribute their terminologies."""

from collections.abc import Callable, Sequence

from trially.terminologies.building import Builder
from trially.terminologies.reading import InputFile

Reader = Callable[[Sequence[InputFile], Builder], str | None]
"""Reads files into a builder, and returns the version that they name."""
