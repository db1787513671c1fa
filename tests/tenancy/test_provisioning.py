import re
from pathlib import Path
from threading import Barrier, Thread

import pytest
from killed_programs import run_killed
from killed_provisioning import fail
from psycopg2 import errors
from sqlalchemy import Engine, event
from tenant_databases import TIERS, ask

from trially.auth.roles import Role
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_choices import OperationState, TenantStatus, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import UnknownTenantError, directory
from trially.tenancy.lifecycle import operations, provisioning
from trially.tenancy.lifecycle.operations import Step, run_operation, unfinished_operations
from trially.tenancy.lifecycle.provisioning import TenantExistsError, create_tenant
from trially.tenancy.lifecycle.status import get_tenant
from trially.tenancy.names import InvalidSlugError
from trially.tenancy.servers.access import NoServerError

STEPS = [step.name for step in provisioning.PROVISION.steps]
MOMENTS = [f"{step}:{state}" for step in STEPS for state in ("done", "recorded")]
UNDOINGS = ["undo:begun", "undo:done"]


def existing_objects(app):
    """Return every database and role, and the number of rows in the catalog's tables of tenants."""
    return {
        "databases": set(ask(app, "SELECT datname FROM pg_database")),
        "roles": set(ask(app, "SELECT rolname FROM pg_roles")),
        "rows": ask(
            app,
            "SELECT (SELECT count(*) FROM catalog.tenant),"
            " (SELECT count(*) FROM catalog.placement),"
            " (SELECT count(*) FROM catalog.tenant_slug)",
            database="trially_catalog",
        ),
    }


@pytest.fixture(scope="module")
def killed(app, settings):
    """Kill a process at each moment of provisioning, and return the operation that each left."""
    slugs = {moment: "killed-" + moment.replace(":", "-").replace("_", "-") for moment in MOMENTS}
    slugs |= {moment: "killed-" + moment.replace(":", "-") for moment in UNDOINGS}
    program = Path(__file__).with_name("killed_provisioning.py")
    lines = [f"{slug} {moment}" for moment, slug in slugs.items()]
    run_killed(program, lines, settings, seconds=120)
    with app.app_context():
        left = {operation.tenant_slug: operation for operation in operations.all_operations()}
        unfinished = {operation.tenant_slug for operation in unfinished_operations()}
    # The record of the last step is the end.
    assert unfinished == set(slugs.values()) - {slugs["activate:recorded"]}
    return {moment: left[slug] for moment, slug in slugs.items()}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_creation_is_resumed(app, run_command, as_member, killed, moment):
    operation = killed[moment]
    with app.app_context():
        if moment != "activate:recorded":
            with pytest.raises(UnknownTenantError):
                directory().find(operation.tenant_slug)

    result = run_command("operations", "resume", str(operation.id))

    assert result.exit_code == 0, result.output
    with app.app_context():
        tenant = get_tenant(operation.tenant_slug)
        assert tenant.status == TenantStatus.ACTIVE
        assert run_operation(operation.id).state == OperationState.DONE
    member = as_member(tenant, Role.ADMIN)
    assert member.post("/sites", json={"name": "Riverside"}).status_code == 201
    members = run_command("tenants", "members", "list", tenant.slug, "--json").output
    assert members.count('"who|1"') == 1


@pytest.mark.parametrize("moment", UNDOINGS)
def test_a_killed_undo_is_resumed_as_an_undo(app, killed, moment):
    operation = killed[moment]

    with app.app_context():
        assert run_operation(operation.id).state == OperationState.UNDONE
        assert run_operation(operation.id).state == OperationState.UNDONE
        with pytest.raises(UnknownTenantError):
            get_tenant(operation.tenant_slug)
        create_tenant(operation.tenant_slug, "Again")


@pytest.mark.parametrize("step", STEPS)
def test_a_failed_step_leaves_nothing(app, monkeypatch, step):
    steps = [Step(s.name, fail) if s.name == step else s for s in provisioning.PROVISION.steps]
    kind = operations.OperationKind("provision", steps, provisioning.PROVISION.undo)
    monkeypatch.setitem(operations.KINDS, "provision", kind)
    before = existing_objects(app)
    slug = f"fails-at-{step.replace('_', '-')}"

    with app.app_context():
        with pytest.raises(RuntimeError, match="This step fails"):
            create_tenant(slug, "Fails", parameters={"owner": "who|1"})
        assert unfinished_operations() == []
        undone = operations.all_operations(1)[0]
    assert (undone.state, undone.error) == (OperationState.UNDONE, f"{step}: RuntimeError")
    assert existing_objects(app) == before

    monkeypatch.undo()
    with app.app_context():
        assert create_tenant(slug, "Works").status == TenantStatus.ACTIVE


def test_a_failed_undo_is_finished_later(app, monkeypatch):
    steps = [*provisioning.PROVISION.steps[:-1], Step("activate", fail)]
    monkeypatch.setitem(
        operations.KINDS, "provision", operations.OperationKind("provision", steps, fail)
    )
    before = existing_objects(app)

    with app.app_context():
        with pytest.raises(RuntimeError, match="This step fails"):
            create_tenant("fails-twice", "Fails")
        (left,) = unfinished_operations()
        assert left.state == OperationState.UNDOING
        monkeypatch.undo()
        assert run_operation(left.id).state == OperationState.UNDONE

    assert existing_objects(app) == before


def test_of_two_concurrent_creations_with_one_slug_one_succeeds(app):
    barrier, ended = Barrier(2), []

    def create():
        with app.app_context():
            barrier.wait()
            try:
                ended.append(create_tenant("wanted-by-two", "Wanted").slug)
            except TenantExistsError as error:
                ended.append(str(error))

    threads = [Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ended) == [
        "The slug 'wanted-by-two' is already taken. Choose another one.",
        "wanted-by-two",
    ]


def test_tenants_are_created_concurrently(app):
    ended = []

    def create(number):
        with app.app_context():
            ended.append(create_tenant(f"at-once-{number}", "At once").status)

    threads = [Thread(target=create, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ended == [TenantStatus.ACTIVE] * 4


def test_an_invalid_request_is_refused_before_anything_is_created(app, tenant):
    before = existing_objects(app)

    with app.app_context():
        with pytest.raises(InvalidSlugError):
            create_tenant("Not A Slug", "X")
        with pytest.raises(TenantExistsError):
            create_tenant(tenant.slug, "X")
        with pytest.raises(NoServerError):
            create_tenant("nowhere", "X", server="nowhere")

    assert existing_objects(app) == before


def test_every_step_is_repeatable(app, tenant):
    with app.app_context(), catalog_transaction() as session:
        operation = session.query(Operation).filter_by(tenant_id=tenant.id).one()
        for step in provisioning.PROVISION.steps:
            step.do(session, operation)
            step.do(session, operation)


@pytest.mark.parametrize(
    ("tier", "skipped"),
    [
        (Tier.DEDICATED_DATABASE, set()),
        (Tier.OWN_SCHEMA, set()),
        (Tier.POOLED_ROWS, {"create_role", "create_storage"}),
    ],
)
def test_a_tier_skips_the_steps_that_it_does_not_need(app, make_tenant, monkeypatch, tier, skipped):
    make_tenant(tier)
    done = []
    do_step = operations._do_step

    def record(catalog, step, operation):
        done.append(step.name)
        do_step(catalog, step, operation)

    monkeypatch.setattr(operations, "_do_step", record)

    make_tenant(tier, parameters={"owner": "who|1"})

    assert done == [step for step in STEPS if step not in skipped]


@pytest.mark.parametrize("tier", TIERS)
def test_an_operation_reads_its_placement_once(app, tier):
    with app.app_context():
        reads = []

        def count(_connection, _cursor, statement, *_rest):
            if re.search(r"(FROM|JOIN) \(?placement\b", statement):
                reads.append(statement)

        new = create_tenant(f"reads-{tier.replace('_', '-')}", "Reads", tier=tier)
        with catalog_transaction() as session:
            operation = session.query(Operation).filter_by(tenant_id=new.id).one()
            operation.state, operation.step = OperationState.RUNNING, None
        event.listen(Engine, "before_cursor_execute", count)
        try:
            run_operation(operation.id)
        finally:
            event.remove(Engine, "before_cursor_execute", count)

    assert len(reads) == 1


def test_a_database_that_another_process_creates_meanwhile_is_no_error(app, tenant, monkeypatch):
    """A server finishes a CREATE DATABASE after its client was killed."""
    from trially.tenancy.tiers import dedicated_database as tier

    def execute(raw, statement, *parameters):
        if "CREATE DATABASE" in repr(statement):
            raise errors.UniqueViolation
        return real(raw, statement, *parameters)

    real = tier.execute
    monkeypatch.setattr(tier, "execute", execute)

    with app.app_context():
        tier.DedicatedDatabase().create_storage(tenant.placement)
