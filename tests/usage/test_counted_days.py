"""A tenant's day is counted once, when it has ended, from the tenant's own rows."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from sqlalchemy import text
from tenant_databases import ask_in, placement_of
from usage_days import LATER, ONE_DAY, SOON, Count, Days, DaysOf, MakeOlder, today

from trially.database.session import transaction
from trially.jobs.routines import enqueue_due
from trially.jobs.wakeups import wake
from trially.jobs.worker import Worker
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.usage.bringing_up_to_date import MOST_DAYS, count_days, next_count_at
from trially.usage.days import Day, Month
from trially.usage.meters import Meter, Quality


def test_each_tenant_is_counted_alone_on_every_tier(
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    tier: Tier,
    count: Count,
    days_of: DaysOf,
    copies_of: DaysOf,
) -> None:
    one, other = make_tenant(tier), make_tenant(tier)
    member, neighbour = as_member(one), as_member(other)
    as_member(one)  # does nothing, so is not active
    make_patient(member)
    make_patient(member)
    make_patient(neighbour)
    day = today(one)

    assert count(one, day.ended_at + SOON) == [day.date]
    assert count(other, day.ended_at + SOON) == [day.date]

    counted = days_of(one)
    quantities = {meter: counted[day.date, meter]["quantity"] for _, meter in counted}
    assert quantities == {
        "patients": 2,
        "matches": 0,
        "active_members": 1,
        "active_members_of_month": 1,
        "storage_bytes": 0,
    }
    assert {row["quality"] for row in counted.values()} == {Quality.EXACT}
    assert counted[day.date, "patients"]["ended_at"] == day.ended_at
    [active] = counted[day.date, "active_members"]["unit_ids"]
    assert active == _member_id(member)
    assert days_of(other)[day.date, "patients"]["quantity"] == 1
    _assert_copied(counted, copies_of(one))


def test_a_day_is_counted_once(
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    count: Count,
    days_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    member = as_member(tenant)
    make_patient(member)
    day = today(tenant)
    count(tenant, day.ended_at + SOON)
    first = days_of(tenant)

    make_patient(member)
    assert count(tenant, day.ended_at + 2 * SOON) == []

    assert days_of(tenant) == first


def test_rows_of_the_next_day_do_not_count(
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    make_older: MakeOlder,
    count: Count,
    days_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 1)
    make_patient(as_member(tenant))
    day = today(tenant)

    assert count(tenant, day.began_at + SOON) == [day.date - ONE_DAY]

    counted = days_of(tenant)
    assert counted[day.date - ONE_DAY, "patients"]["quantity"] == 0
    assert counted[day.date - ONE_DAY, "active_members"]["quantity"] == 0


def test_a_missed_day_is_made_up_and_says_so(
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    count: Count,
    days_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_patient(as_member(tenant))
    day = today(tenant)
    following = day.date + ONE_DAY

    assert count(tenant, day.ended_at + ONE_DAY + SOON) == [day.date, following]

    counted = days_of(tenant)
    assert counted[day.date, "patients"]["quality"] == Quality.ESTIMATED
    assert counted[day.date, "active_members"]["quality"] == Quality.LATE
    assert counted[day.date, "active_members"]["quantity"] == 1
    assert counted[following, "patients"]["quality"] == Quality.EXACT
    assert counted[following, "active_members"]["quantity"] == 0


def test_at_most_some_days_are_made_up(
    make_tenant: MakeTenant, make_older: MakeOlder, count: Count
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 400)

    counted = count(tenant, dt.datetime.now(dt.UTC))

    assert len(counted) == MOST_DAYS
    assert counted[-1] == today(tenant).date - ONE_DAY


def test_members_of_the_month_are_counted_once(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    count: Count,
    days_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_patient(as_member(tenant))
    make_patient(as_member(tenant))
    day = today(tenant)
    count(tenant, day.ended_at + SOON)

    count(tenant, day.ended_at + ONE_DAY + SOON)

    following = day.date + ONE_DAY
    of_month = days_of(tenant)[following, "active_members_of_month"]["quantity"]
    is_same_month = Month.of(day.date) == Month.of(following)
    assert of_month == (2 if is_same_month else 0)


def test_a_restored_tenant_keeps_what_was_billed(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    count: Count,
    days_of: DaysOf,
    copies_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.DEDICATED_DATABASE)
    make_patient(as_member(tenant))
    day = today(tenant)
    count(tenant, day.ended_at + SOON)
    copied = copies_of(tenant)
    schema = placement_of(app, tenant).schema
    ask_in(app, tenant, f"DELETE FROM {schema}.daily_usage")
    ask_in(app, tenant, f"DELETE FROM {schema}.patient")

    assert count(tenant, day.ended_at + 2 * SOON) == []

    back = days_of(tenant)[day.date, "patients"]
    assert (back["quantity"], back["quality"]) == (1, Quality.EXACT)
    assert copies_of(tenant) == copied


def test_a_day_is_that_of_the_tenants_zone(
    app: Flask, make_tenant: MakeTenant, count: Count, days_of: DaysOf
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS, time_zone="Asia/Kolkata")
    day = today(tenant)
    count(tenant, day.ended_at + SOON)

    ended_at = days_of(tenant)[day.date, "patients"]["ended_at"].astimezone(dt.UTC)
    assert (ended_at.hour, ended_at.minute) == (18, 30)
    with app.app_context(), tenant_context(str(tenant.id)):
        # The samples of this day are still missing.
        assert next_count_at() == day.ended_at + dt.timedelta(minutes=10)


def test_days_of_23_and_25_hours() -> None:
    spring = Day.of(dt.date(2026, 3, 8), "America/Chicago")
    autumn = Day.of(dt.date(2026, 11, 1), "America/Chicago")

    assert spring.ended_at - spring.began_at == dt.timedelta(hours=23)
    assert autumn.ended_at - autumn.began_at == dt.timedelta(hours=25)


def test_samples_follow_some_minutes_later(
    app: Flask, make_tenant: MakeTenant, count: Count, days_of: DaysOf
) -> None:
    one, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    day = today(one)
    _note(app, one, day.began_at, requests=7, database_us=5_999, egress_bytes=100)
    _note(app, one, day.ended_at - dt.timedelta(hours=1), requests=2, database_us=0, egress_bytes=1)
    _note(app, one, day.ended_at, requests=1000, database_us=0, egress_bytes=0)

    count(one, day.ended_at + SOON)
    assert (day.date, Meter.REQUESTS) not in days_of(one)
    count(one, day.ended_at + LATER)
    count(other, day.ended_at + LATER)

    counted = days_of(one)
    assert counted[day.date, "requests"]["quantity"] == 9
    assert counted[day.date, "database_ms"]["quantity"] == 5
    assert counted[day.date, "egress_bytes"]["quantity"] == 101
    assert counted[day.date, "requests"]["quality"] == Quality.SAMPLED
    assert days_of(other)[day.date, "requests"]["quantity"] == 0


def test_a_worker_counts_by_itself(
    app: Flask,
    make_tenant: MakeTenant,
    make_older: MakeOlder,
    as_member: AsMember,
    days_of: DaysOf,
    copies_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 1)
    _visit_soon(app, tenant)

    Worker(app, threads=1).run_due()

    yesterday = today(tenant).date - ONE_DAY
    counted = days_of(tenant)
    assert (yesterday, Meter.PATIENTS) in counted
    _assert_copied(counted, copies_of(tenant))
    assert [job["state"] for job in _jobs_of(as_member, tenant)] == ["done"]
    with app.app_context(), tenant_context(str(tenant.id)):
        next_at = next_count_at()
    assert next_at is not None
    assert next_at > dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)


def test_a_worker_copies_what_another_one_has_only_counted(
    app: Flask,
    make_tenant: MakeTenant,
    make_older: MakeOlder,
    days_of: DaysOf,
    copies_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 2)
    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        count_days(dt.datetime.now(dt.UTC) - ONE_DAY)
    assert copies_of(tenant) == {}
    _visit_soon(app, tenant)

    Worker(app, threads=1).run_due()

    _assert_copied(days_of(tenant), copies_of(tenant))


def test_two_workers_ask_for_one_job(
    app: Flask, make_tenant: MakeTenant, make_older: MakeOlder, as_member: AsMember
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 1)

    for _ in range(2):
        with app.app_context(), tenant_context(str(tenant.id)):
            enqueue_due()

    assert [job["kind"] for job in _jobs_of(as_member, tenant)] == ["count_usage"]


def test_a_tenant_that_has_moved_keeps_its_days(
    app: Flask,
    make_tenant: MakeTenant,
    count: Count,
    days_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    day = today(tenant)
    count(tenant, day.ended_at + SOON)
    before = days_of(tenant)

    with app.app_context():
        options = MoveOptions(max_pause=5, give_up_seconds=60)
        move_tenant(tenant.slug, Tier.OWN_SCHEMA, None, options)

    assert days_of(tenant) == before
    assert count(tenant, day.ended_at + ONE_DAY + SOON) == [day.date + ONE_DAY]


def test_a_suspended_tenant_is_counted_by_the_command(
    make_tenant: MakeTenant,
    make_older: MakeOlder,
    run_command: Callable[..., Any],
    days_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 1)
    run_command("tenants", "suspend", tenant.slug, "--yes")

    counted = run_command("usage", "count", "--tenant", tenant.slug)

    assert counted.output == "Counted 1 day of 1 tenant.\n"
    assert (today(tenant).date - ONE_DAY, Meter.PATIENTS) in days_of(tenant)


def _assert_copied(counted: Days, copies: Days) -> None:
    assert copies.keys() == counted.keys()
    for key, copy in copies.items():
        assert copy == {name: counted[key][name] for name in copy}


def _member_id(member: Member) -> UUID:
    return UUID(member.get("/me").json["id"])


def _jobs_of(as_member: AsMember, tenant: Tenant) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = as_member(tenant).get("/jobs").json["data"]
    return jobs


def _visit_soon(app: Flask, tenant: Tenant) -> None:
    with app.app_context():
        wake(tenant.id)


def _note(app: Flask, tenant: Tenant, hour: dt.datetime, **sums: int) -> None:
    """Store a sample as a process of its own sends it."""
    with app.app_context(), control_engine().begin() as catalog:
        catalog.execute(
            text(
                "INSERT INTO usage_sample VALUES (:tenant_id, :hour, gen_random_uuid(), :requests,"
                " :database_us, :egress_bytes)"
            ),
            {"tenant_id": tenant.id, "hour": hour, **sums},
        )
