"""Which archives are kept: the newest of each day, week and month, for some of them."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import click
from sqlalchemy import func, select, update

from trially.tenancy.archives.finding import are_of_tenants
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.places import remove_file
from trially.tenancy.catalog_sessions import catalog_transaction

_PERIODS: Mapping[str, Callable[[dt.datetime], tuple[int, ...]]] = {
    "h": lambda at: (at.year, at.timetuple().tm_yday, at.hour),
    "d": lambda at: (at.year, at.timetuple().tm_yday),
    "w": lambda at: tuple(at.isocalendar())[:2],
    "m": lambda at: (at.year, at.month),
    "y": lambda at: (at.year,),
}
"""The hour, day, ISO week, month or year of a time, in UTC."""

_RULE = re.compile(r"([1-9][0-9]{0,3})([hdwmy])")


@dataclass(frozen=True)
class Keep:
    """For how many periods of each length the newest archive is kept."""

    counts: Mapping[str, int]

    def __str__(self) -> str:
        """Return the rule as it is written."""
        return ",".join(f"{count}{unit}" for unit, count in self.counts.items())

    def superfluous(self, archives: Sequence[Archive]) -> list[Archive]:
        """Return the archives of one tenant that no rule keeps.

        The newest one is always kept. An archive that was found damaged is kept in no other's
        place.
        """
        newest_first = sorted(archives, key=lambda each: each.snapshot_at, reverse=True)
        intact = [archive for archive in newest_first if archive.verification is None]
        kept = {*newest_first[:1], *intact[:1]}
        for unit, count in self.counts.items():
            periods: set[tuple[int, ...]] = set()
            for archive in intact:
                period = _PERIODS[unit](archive.snapshot_at.astimezone(dt.UTC))
                if period not in periods and len(periods) < count:
                    periods.add(period)
                    kept.add(archive)
        return [archive for archive in newest_first if archive not in kept]


class KeepRule(click.ParamType[Keep]):
    """An option such as `7d,4w,6m`."""

    name = "rule"

    def convert(
        self, value: str | Keep, param: click.Parameter | None, ctx: click.Context | None
    ) -> Keep:
        """Return the rule, or fail with what is wrong."""
        if isinstance(value, Keep):
            return value
        found = [_RULE.fullmatch(part.strip()) for part in value.split(",")]
        if not all(found):
            self.fail(
                f"{value!r} is no rule. Write numbers of hours, days, weeks, months or years, such"
                " as 7d,4w,6m.",
                param,
                ctx,
            )
        return Keep({match[2]: int(match[1]) for match in found if match})


def superfluous_archives(keep: Keep, slugs: Sequence[str]) -> list[Archive]:
    """Return the archives that a rule does not keep, of all tenants or of some."""
    query = select(Archive).where(Archive.removed_at.is_(None))
    if slugs:
        query = query.where(are_of_tenants(slugs))
    by_tenant: dict[object, list[Archive]] = {}
    with catalog_transaction() as session:
        for archive in session.scalars(query):
            by_tenant.setdefault(archive.tenant_id, []).append(archive)
    return [each for archives in by_tenant.values() for each in keep.superfluous(archives)]


def remove(archives: Sequence[Archive]) -> Iterator[Archive]:
    """Remove archives, and yield each when its file is gone. Raises `UnusablePlaceError`."""
    for archive in archives:
        remove_file(archive.url)
        with catalog_transaction() as session:
            session.execute(
                update(Archive).where(Archive.id == archive.id).values(removed_at=func.now())
            )
        yield archive
