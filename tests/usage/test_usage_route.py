"""A tenant's members read what is counted for its bill."""

import datetime as dt

from members import AsMember, MakePatient, MakeTenant
from usage_days import LATER, ONE_DAY, SOON, Count, MakeOlder, today

from trially.auth.roles import PhiLevel, Role
from trially.tenancy.catalog_choices import Tier


def test_a_month_and_a_day_of_the_own_tenant(
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    tier: Tier,
    count: Count,
) -> None:
    one, other = make_tenant(tier), make_tenant(tier)
    member = as_member(one)
    make_patient(member)
    day = today(one)
    for each in (one, other):
        count(each, day.ended_at + SOON)
        count(each, day.ended_at + LATER)

    of_month = member.get(f"/usage?month={day.date:%Y-%m}").json
    of_day = member.get(f"/usage?day={day.date}").json

    assert of_month["first"] == f"{day.date:%Y-%m}-01"
    assert (of_day["first"], of_day["last"]) == (str(day.date), str(day.date))
    for answer in (of_month, of_day):
        meters = {each["meter"]: each for each in answer["meters"]}
        assert meters["patients"]["quantity"] == 1
        assert meters["patients"]["rule"] == "highest"
        assert meters["requests"]["rule"] == "sum"
        [counted] = meters["patients"]["days"]
        assert (counted["day"], counted["quality"]) == (str(day.date), "exact")
    neighbour = as_member(other).get(f"/usage?day={day.date}").json
    assert {each["meter"]: each["quantity"] for each in neighbour["meters"]}["patients"] == 0


def test_the_present_month_by_default(make_tenant: MakeTenant, as_member: AsMember) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS, time_zone="Pacific/Auckland")

    answer = as_member(tenant).get("/usage").json

    assert answer["first"] == f"{today(tenant).date:%Y-%m}-01"
    assert answer["time_zone"] == "Pacific/Auckland"
    assert answer["meters"] == []


def test_a_month_has_the_highest_day_and_the_sum(
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    make_older: MakeOlder,
    count: Count,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 1)
    member = as_member(tenant)
    first, second = make_patient(member), make_patient(member)
    day = today(tenant)
    count(tenant, day.ended_at + SOON)
    for patient in (first, second):
        assert member.delete(f"/patients/{patient['id']}").status_code == 204
    count(tenant, day.ended_at + ONE_DAY + SOON)

    meters = {}
    for month in {f"{date:%Y-%m}" for date in (day.date, day.date + ONE_DAY)}:
        for each in member.get(f"/usage?month={month}").json["meters"]:
            if each["meter"] == "patients" and each["quantity"]:
                meters = each

    assert (meters["quantity"], meters["unit_days"]) == (2, 2)


def test_who_may_read_it(make_tenant: MakeTenant, as_member: AsMember) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)

    statuses = {role: as_member(tenant, role).get("/usage").status_code for role in Role}

    assert {role for role, status in statuses.items() if status == 200} == {Role.OWNER, Role.ADMIN}
    without_phi = as_member(tenant, Role.ADMIN, phi_level=PhiLevel.NONE)
    assert without_phi.get("/usage").status_code == 200


def test_a_wrong_period(make_tenant: MakeTenant, as_member: AsMember) -> None:
    member = as_member(make_tenant(Tier.POOLED_ROWS))
    day = dt.date(2026, 11, 26)

    for query in ("month=2026-13", "month=november", "day=2026-11-31", f"month=2026-11&day={day}"):
        assert member.get(f"/usage?{query}").status_code == 400, query
