"""Faults of the issuer of tokens."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from faults.fault import Fault, Reach
from faults.issuer import Mood
from faults.scene import Scene


def issuer(mood: Mood) -> Callable[[Scene], AbstractContextManager[None]]:
    """Return a fault in which the issuer behaves like this."""

    @contextmanager
    def happen(scene: Scene) -> Iterator[None]:
        with scene.installation.issuer.being(mood):
            yield

    return happen


FAULTS = (
    Fault(
        "issuer_hangs_at_start",
        "The issuer does not answer when gunicorn starts.",
        issuer(Mood.HANGS),
        Reach.EVERYONE,
        is_before_start=True,
        seconds=10,
    ),
    Fault(
        "issuer_fails_at_start",
        "The issuer answers 500 when gunicorn starts.",
        issuer(Mood.FAILS),
        Reach.EVERYONE,
        is_before_start=True,
        seconds=8,
        is_quick=True,
    ),
    Fault(
        "issuer_hangs",
        "The issuer does not answer while gunicorn runs.",
        issuer(Mood.HANGS),
        Reach.NOBODY,
    ),
)
