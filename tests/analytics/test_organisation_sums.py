"""What the people of an organisation see: sums over its present tenants, of any day."""

import datetime as dt

from flask import Flask
from members import AsMember, MakePatient, MakeTenant
from shared_patients import AddPatients, Count, MakeNetwork, MakeOlder, OwnerOf, accept
from sqlalchemy import insert, text

from trially.analytics.sums import today
from trially.database.changes import note_derived
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.recruiting.studies.model import RecruitingStatus, Study
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant
from trially.tenancy.organisations.managing import invite_tenant, remove_tenant
from trially.tenancy.organisations.model import About

PATIENTS = ("patients", None, None)


def ago(days: int) -> str:
    return (today() - dt.timedelta(days=days)).isoformat()


def test_another_organisations_sums_are_not_there(
    make_tenant: MakeTenant, add_patients: AddPatients, make_network: MakeNetwork
) -> None:
    own, foreign = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    add_patients(own, 11)
    add_patients(foreign, 22)
    network, other = make_network(own), make_network(foreign)

    assert network.sums()[PATIENTS] == (11, 21)
    for path in (f"/{other.id}/analytics", f"/{own.id}/analytics", f"/{foreign.id}/analytics"):
        answer = network.analyst.get(path)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    listed = network.analyst.get().json["organisations"]
    assert [each["id"] for each in listed] == [network.id]
    assert other.short_name not in network.analyst.get().text


def test_a_tenant_that_left_is_in_no_sum_of_any_day(
    app: Flask,
    make_tenant: MakeTenant,
    tier: Tier,
    add_patients: AddPatients,
    make_network: MakeNetwork,
    make_older: MakeOlder,
    owner_of: OwnerOf,
) -> None:
    stays, leaves, is_removed = (make_tenant(tier) for _ in range(3))
    for tenant, number in ((stays, 11), (leaves, 22), (is_removed, 44)):
        add_patients(tenant, number)
    network = make_network(stays, leaves, is_removed)
    for tenant in (stays, leaves, is_removed):
        make_older(tenant)
    days = (None, ago(0), ago(3), ago(8))
    assert {network.sums(day)[PATIENTS] for day in days} == {(77, 107)}
    assert network.sums(ago(9)) == {}

    answer = owner_of(leaves).delete(f"/sharing/{network.id}", headers={"If-Match": "*"})
    assert answer.status_code == 204
    assert {network.sums(day)[PATIENTS] for day in days} == {(55, 75)}

    with app.app_context():
        remove_tenant(network.short_name, is_removed.id)
    assert {network.sums(day)[PATIENTS] for day in days} == {(11, 21)}
    assert network.answer().json["tenants"] == 1


def test_a_tenant_is_in_no_sum_of_a_day_before_it_joined(
    app: Flask,
    tenant: Tenant,
    add_patients: AddPatients,
    make_network: MakeNetwork,
    make_older: MakeOlder,
) -> None:
    add_patients(tenant, 11)
    first = make_network(tenant)
    make_older(tenant)
    second = make_network(tenant)

    assert first.sums(ago(3))[PATIENTS] == (11, 21)
    assert second.sums(ago(3)) == {}
    assert second.sums()[PATIENTS] == (11, 21)


def test_a_suspended_tenant_is_in_no_sum(
    app: Flask, tenant: Tenant, add_patients: AddPatients, make_network: MakeNetwork
) -> None:
    add_patients(tenant, 11)
    network = make_network(tenant)

    with app.app_context():
        suspend_tenant(tenant.slug)
    assert network.sums() == {}
    with app.app_context():
        resume_tenant(tenant.slug)
    assert network.sums()[PATIENTS] == (11, 21)


def test_few_changes_are_in_no_difference_of_two_days(
    tenant: Tenant,
    add_patients: AddPatients,
    make_network: MakeNetwork,
    make_older: MakeOlder,
    count: Count,
) -> None:
    add_patients(tenant, 20)
    network = make_network(tenant)
    assert count(tenant) == []  # A week has not passed.
    make_older(tenant)

    add_patients(tenant, 10)
    assert count(tenant) == [About.WORK]
    assert network.sums() == network.sums(ago(8))


def test_after_many_changes_all_numbers_are_renewed(
    tenant: Tenant,
    add_patients: AddPatients,
    make_network: MakeNetwork,
    make_older: MakeOlder,
    count: Count,
) -> None:
    add_patients(tenant, 20)
    network = make_network(tenant)
    make_older(tenant)
    add_patients(tenant, 11, sex="male")

    assert count(tenant) == [About.PATIENTS, About.WORK]

    assert network.sums(ago(8))[PATIENTS] == (11, 21)
    assert network.sums()[PATIENTS] == (22, 32)
    assert network.sums()["patients_by_sex", None, "male"] == (11, 21)


def test_matches_are_shared_by_nct_id_alone(
    app: Flask, tenant: Tenant, add_patients: AddPatients, make_network: MakeNetwork
) -> None:
    eligible, potential = add_patients(tenant, 12), add_patients(tenant, 3)
    ruled_out = add_patients(tenant, 30)
    titles = {"NCT05512345": "Zzyzx study", None: "Another Zzyzx study"}
    with app.app_context(), tenant_context(tenant.slug), transaction():
        for nct_id, title in titles.items():
            study_id = _insert_study(tenant, nct_id, title)
            for verdict, patients in (
                ("eligible", eligible),
                ("potential", potential),
                ("ineligible", ruled_out),
            ):
                for patient_id in patients:
                    _insert_match(tenant, study_id, patient_id, verdict)
        _insert_study(tenant, "NCT00000001", "Closed", recruiting_status=RecruitingStatus.CLOSED)
    network = make_network(tenant)

    sums = network.sums()
    assert sums["matches", "NCT05512345", "eligible"] == (11, 21)
    assert sums["matches", "NCT05512345", "potential"] == (0, 10)
    assert {key[1] for key in sums if key[0] == "matches"} == {"NCT05512345"}
    assert not [key for key in sums if key[2] == "ineligible"]
    assert sums["active_studies", None, None] == (2, 2)
    assert sums["active_studies_by_phase", None, "phase_2"] == (2, 2)
    assert "zyzx" not in network.answer().text


def test_no_text_of_a_tenant_or_patient_is_shared(
    app: Flask,
    make_tenant: MakeTenant,
    tier: Tier,
    as_member: AsMember,
    make_patient: MakePatient,
    make_network: MakeNetwork,
    owner_of: OwnerOf,
) -> None:
    canary = "Zzyzxcanary"
    tenant = make_tenant(tier)
    member = as_member(tenant)
    site = member.post("/sites", json={"name": canary}).json
    patients = [
        make_patient(member, given_name=canary, family_name=canary, race=canary, site_id=site["id"])
        for _ in range(12)
    ]
    network = make_network(tenant)

    texts = [
        network.answer().text,
        network.analyst.get().text,
        owner_of(tenant).get("/sharing").text,
    ]
    with app.app_context(), catalog_transaction() as session:
        texts += session.scalars(text("SELECT to_jsonb(shared_count)::text FROM shared_count"))
    hidden = [canary, *(each["id"] for each in patients), *(each["mrn"] for each in patients)]
    assert network.sums()[PATIENTS] == (11, 21)
    for each in hidden:
        assert not [one for one in texts if each in one]


def test_the_tenants_name_and_id_are_not_shown(
    tenant: Tenant, add_patients: AddPatients, make_network: MakeNetwork
) -> None:
    add_patients(tenant, 11)

    shown = make_network(tenant).answer().text

    for each in (str(tenant.id), tenant.slug, tenant.name):
        assert each not in shown


def test_tenants_that_share_ids_of_patients_are_summed_up_apart(
    make_tenant: MakeTenant, tier: Tier, add_patients: AddPatients, make_network: MakeNetwork
) -> None:
    one, other = make_tenant(tier), make_tenant(tier)
    for patient_id in add_patients(one, 11):
        add_patients(other, 1, id=patient_id, mrn=patient_id, source_id=patient_id, sex="male")

    sums = make_network(one, other).sums()
    assert sums[PATIENTS] == (22, 42)
    assert sums["patients_by_sex", None, "male"] == (11, 31)


def test_a_day_that_has_not_begun_is_refused(tenant: Tenant, make_network: MakeNetwork) -> None:
    network = make_network(tenant)

    assert network.answer(ago(-1)).status_code == 400
    assert network.answer("yesterday").status_code == 400


def test_an_invited_tenant_is_in_no_sum(
    app: Flask,
    tenant: Tenant,
    add_patients: AddPatients,
    make_network: MakeNetwork,
    owner_of: OwnerOf,
    count: Count,
) -> None:
    add_patients(tenant, 11)
    network, other = make_network(), make_network(tenant)
    with app.app_context():
        invite_tenant(network.short_name, tenant.id)
    count(tenant)

    assert other.sums()[PATIENTS] == (11, 21)
    assert network.sums() == {}
    assert accept(owner_of(tenant), network.id).status_code == 200
    count(tenant)
    assert network.sums()[PATIENTS] == (11, 21)


def _insert_study(
    tenant: Tenant,
    nct_id: str | None,
    title: str,
    recruiting_status: RecruitingStatus = RecruitingStatus.OPEN,
) -> object:
    row = db.session.execute(
        insert(table_of(Study))
        .values(
            tenant_id=tenant.id,
            protocol_number=title,
            nct_id=nct_id,
            title=title,
            phases=["phase_2"],
            recruiting_status=recruiting_status,
        )
        .returning(table_of(Study).c.id)
    )
    note_derived("study")
    return row.scalar_one()


def _insert_match(tenant: Tenant, study_id: object, patient_id: str, verdict: str) -> None:
    db.session.execute(
        text(
            "INSERT INTO match (tenant_id, id, study_id, protocol_version_id, patient_id, verdict,"
            " met, not_met, unknowns, rank, score) SELECT :tenant_id, gen_random_uuid(), :study_id,"
            " gen_random_uuid(), :patient_id, :verdict, 0, 0, 0, 0, 0"
        ),
        {
            "tenant_id": tenant.id,
            "study_id": study_id,
            "patient_id": patient_id,
            "verdict": verdict,
        },
    )
