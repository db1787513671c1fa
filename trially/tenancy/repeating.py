"""Repeat what a command does, also when the catalog was away: such commands run as services."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

import click
import psycopg2
import sqlalchemy.exc

from trially.tenancy.schema.failures import describe_failure

Result = TypeVar("Result")

OUTAGES = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
)
"""What a round raises if the catalog does not answer, or is lost meanwhile."""


def in_rounds(
    every: float | None,
    act: Callable[[], Result],
    pause: Callable[[float], object] | None = None,
) -> Result:
    """Call `act` once and return its result; or, with `every`, again and again without end.

    A round begins every so many seconds. One that takes longer is followed by the next at once. An
    outage is told, and ends only its round: what it has left undone is for a later one. `pause`
    waits for so many seconds, or until there is a reason for the next round.
    """
    if every is None:
        return act()
    while True:
        started_at = monotonic()
        try:
            act()
        except OUTAGES as error:
            click.echo(f"The catalog does not answer: {describe_failure(error)}", err=True)
        (pause or sleep)(max(0.0, every - (monotonic() - started_at)))
