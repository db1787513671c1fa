"""Which archives a rule keeps."""

import datetime as dt
from collections.abc import Sequence
from uuid import uuid4

import click
import pytest

from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.retention import Keep, KeepRule

TODAY = dt.datetime(2026, 11, 27, 2, 0, tzinfo=dt.UTC)


def archive_of(at: dt.datetime, verification: str | None = None) -> Archive:
    return Archive(id=uuid4(), snapshot_at=at, verification=verification)


def daily(days: int) -> list[Archive]:
    return [archive_of(TODAY - dt.timedelta(days=day)) for day in range(days)]


def kept_days(rule: str, archives: Sequence[Archive]) -> list[int]:
    """Return the ages in days of the archives that a rule keeps, youngest first."""
    gone = set(KeepRule().convert(rule, None, None).superfluous(archives))
    kept = sorted(archive.snapshot_at for archive in archives if archive not in gone)
    return [(TODAY - at).days for at in reversed(kept)]


def test_days_weeks_and_months_keep_their_newest_archive() -> None:
    # 27 November 2026 is a Friday: the weeks before end on the 22nd, 15th and 8th.
    assert kept_days("7d", daily(30)) == list(range(7))
    assert kept_days("3w", daily(30)) == [0, 5, 12]
    assert kept_days("3m", daily(100)) == [0, 27, 58]
    assert kept_days("2d,3w,3m", daily(100)) == [0, 1, 5, 12, 27, 58]
    assert kept_days("2y", daily(700)) == [0, 331]


def test_periods_without_an_archive_do_not_count() -> None:
    archives = [archive_of(TODAY - dt.timedelta(days=day)) for day in (0, 40, 90)]
    assert kept_days("2d", archives) == [0, 40]


def test_of_several_archives_of_a_day_the_newest_is_kept() -> None:
    archives = [archive_of(TODAY - dt.timedelta(hours=hour)) for hour in (0, 1, 5, 9)]
    gone = KeepRule().convert("2d", None, None).superfluous(archives)
    assert [archive.snapshot_at for archive in gone] == [
        archives[1].snapshot_at,
        archives[3].snapshot_at,
    ]


def test_the_newest_archive_stays_whatever_the_rule_says() -> None:
    archives = [archive_of(TODAY - dt.timedelta(days=3000))]
    assert Keep({}).superfluous(archives) == []


def test_a_damaged_archive_takes_no_other_ones_place() -> None:
    archives = daily(4)
    archives[0].verification = archives[1].verification = "The archive is damaged."
    assert kept_days("1d", archives) == [0, 2]
    assert kept_days("2d", archives) == [0, 2, 3]


def test_hours_in_the_two_days_of_a_change_of_year_differ() -> None:
    new_year = dt.datetime(2027, 1, 1, 0, 30, tzinfo=dt.UTC)
    archives = [archive_of(new_year), archive_of(new_year - dt.timedelta(hours=1))]
    assert KeepRule().convert("2h,2d,2y", None, None).superfluous(archives) == []


@pytest.mark.parametrize("rule", ["", "7", "d", "0d", "7d;4w", "-1d", "7D", "99999d", "7d,,4w"])
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(click.BadParameter, match="is no rule"):
        KeepRule().convert(rule, None, None)


def test_a_rule_is_written_as_it_was_read() -> None:
    assert str(KeepRule().convert("7d, 4w,6m", None, None)) == "7d,4w,6m"
