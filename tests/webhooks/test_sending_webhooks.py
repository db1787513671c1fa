"""Events reach the endpoints of their tenant: signed, again after refusals, and without PHI."""

import base64
import datetime as dt
import hashlib
import hmac
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from receivers import Message, Receiver, receiving, work

from trially.auth.roles import Role
from trially.database.session import db, transaction
from trially.jobs.wakeups import wake
from trially.jobs.worker import Worker
from trially.state import state_of
from trially.tenancy.context import tenant_context
from trially.webhooks.claiming import claim_endpoints
from trially.webhooks.dispatching import wait_for_senders
from trially.webhooks.emitting import emit
from trially.webhooks.model import EventType
from trially.webhooks.senders import Senders

PATIENT = '{"resourceType": "Patient", "id": "1", "gender": "male", "name": [{"family": "Ewald"}]}'


def create(owner: Member, receiver: Receiver, *types: str) -> Any:
    body = {"url": receiver.url, "event_types": types or ["import.finished"]}
    created = owner.post("/webhooks", json=body)
    assert created.status_code == 201, created.text
    return created.json


def send_import(owner: Member) -> str:
    options = {"data": PATIENT, "content_type": "application/fhir+ndjson"}
    answer = owner.post(f"/imports?source=clinic-{uuid4().hex[:8]}", **options)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def deliveries(owner: Member, webhook: Any) -> list[Any]:
    return list(owner.get(f"/webhooks/{webhook['id']}/deliveries").json["data"])


def is_signed(message: Message, secret: str) -> bool:
    """Verify a message as the specification says, without the code under test."""
    headers = message.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + message.raw
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split()


def test_an_event_is_sent_signed_and_with_ids_only(owner: Member, receiver: Receiver) -> None:
    webhook = create(owner, receiver)
    import_id = send_import(owner)
    work(owner.app)

    [message] = receiver.messages
    assert message.body == {
        "type": "import.finished",
        "timestamp": message.body["timestamp"],
        "data": {"tenant_id": str(owner.tenant.id), "import_id": import_id, "state": "done"},
    }
    assert is_signed(message, webhook["secret"])
    assert not is_signed(message, webhook["secret"][:-4] + "AAA=")
    assert message.headers["webhook-id"].startswith("msg_")
    assert abs(int(message.headers["webhook-timestamp"]) - time.time()) < 60
    assert message.headers["content-type"] == "application/json"
    [delivery] = deliveries(owner, webhook)
    assert (delivery["state"], delivery["status"], delivery["attempts"]) == ("delivered", 204, 1)
    assert message.headers["webhook-id"] == f"msg_{UUID(delivery['event_id']).hex}"
    work(owner.app)
    assert len(receiver.messages) == 1


def test_an_endpoint_gets_the_events_that_it_wants(owner: Member, receiver: Receiver) -> None:
    with receiving() as other:
        create(owner, receiver, "study.match_decided", "import.finished")
        create(owner, other, "study.match_decided")
        send_import(owner)
        work(owner.app)

        assert [each.body["type"] for each in receiver.messages] == ["import.finished"]
        assert other.messages == []


def test_a_decision_is_told_without_the_patient(
    owner: Member, receiver: Receiver, make_patient: MakePatient
) -> None:
    create(owner, receiver, "study.match_decided")
    study = owner.post(
        "/studies", json={"protocol_number": "P-1", "title": "T", "sponsor": "S"}
    ).json["id"]
    patient = make_patient(owner, family_name="Secretname")
    path = f"/studies/{study}/decisions/{patient['id']}"
    decided = owner.request("PUT", path, json={"decision": "excluded", "reason": "Too frail"})
    owner.delete(path)
    work(owner.app)

    assert [each.body["data"] for each in receiver.messages] == [
        {
            "tenant_id": str(owner.tenant.id),
            "study_id": study,
            "decision_id": decided.json["id"],
        }
    ] * 2
    for message in receiver.messages:
        assert patient["id"] not in message.raw.decode()
        assert "frail" not in message.raw.decode()


def test_what_is_rolled_back_is_not_told(owner: Member, receiver: Receiver) -> None:
    create(owner, receiver, "study.version_activated")
    with owner.app.app_context(), tenant_context(owner.tenant.slug):
        emit(EventType.VERSION_ACTIVATED, study_id=uuid4(), version=1)
        db.session.rollback()
    work(owner.app)

    assert receiver.messages == []


def test_events_of_another_tenant_are_not_sent(
    owner: Member, receiver: Receiver, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    other = as_member(make_tenant(owner.tenant.placement.tier), Role.OWNER)
    create(owner, receiver)
    send_import(other)
    work(owner.app)

    assert receiver.messages == []


def test_many_messages_use_one_connection(owner: Member, receiver: Receiver) -> None:
    create(owner, receiver, "study.version_activated")
    with owner.app.app_context(), tenant_context(owner.tenant.slug), transaction():
        for number in range(120):
            emit(EventType.VERSION_ACTIVATED, study_id=uuid4(), version=number)
    work(owner.app)

    versions = [each.body["data"]["version"] for each in receiver.messages]
    assert versions == list(range(120))
    assert len(receiver.connections) == 3  # one for each batch


def test_a_refused_message_is_sent_again_and_does_not_stop_others(
    owner: Member, receiver: Receiver, run_sql: Callable[..., None]
) -> None:
    webhook = create(owner, receiver)
    receiver.status = 500
    send_import(owner)
    work(owner.app)
    [refused] = deliveries(owner, webhook)
    assert (refused["state"], refused["status"], refused["attempts"]) == ("pending", 500, 1)
    wait = dt.datetime.fromisoformat(refused["due_at"]) - dt.datetime.now(dt.UTC)
    assert wait < dt.timedelta(seconds=7)
    assert owner.get(f"/webhooks/{webhook['id']}").json["failing_since"] is not None

    receiver.status = 204
    send_import(owner)
    work(owner.app)
    assert [each["state"] for each in deliveries(owner, webhook)] == ["delivered", "pending"]

    run_sql(owner, "UPDATE webhook_delivery SET due_at = now() WHERE state = 'pending'")
    _wake(owner)
    work(owner.app)
    assert [each["state"] for each in deliveries(owner, webhook)] == ["delivered"] * 2
    first, _, again = receiver.messages
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.raw == again.raw
    assert is_signed(again, webhook["secret"])
    assert owner.get(f"/webhooks/{webhook['id']}").json["failing_since"] is None


def _wake(owner: Member) -> None:
    with owner.app.app_context():
        wake(owner.tenant.id)


def test_a_message_fails_after_its_last_attempt(
    owner: Member, receiver: Receiver, run_sql: Callable[..., None]
) -> None:
    webhook = create(owner, receiver)
    receiver.status = 404
    send_import(owner)
    run_sql(owner, "UPDATE webhook_delivery SET attempts = 9")
    work(owner.app)

    [delivery] = deliveries(owner, webhook)
    assert (delivery["state"], delivery["attempts"]) == ("failed", 10)
    _wake(owner)
    work(owner.app)
    assert len(receiver.messages) == 1


def test_a_redirect_is_not_followed(owner: Member, receiver: Receiver) -> None:
    with receiving() as elsewhere:
        webhook = create(owner, receiver)
        receiver.status, receiver.headers = 307, {"Location": elsewhere.url}
        send_import(owner)
        work(owner.app)

        assert elsewhere.messages == []
        assert deliveries(owner, webhook)[0]["status"] == 307


def test_a_dead_receiver_gets_nothing_for_a_while(
    owner: Member, run_sql: Callable[..., None]
) -> None:
    with receiving() as dead:
        webhook = create(owner, dead)
    for _ in range(3):
        send_import(owner)
    work(owner.app)

    log = deliveries(owner, webhook)
    assert [each["attempts"] for each in log] == [0, 0, 1]
    assert log[-1]["error"] == "no_connection"
    _wake(owner)
    work(owner.app)
    assert [each["attempts"] for each in deliveries(owner, webhook)] == [0, 0, 1]
    run_sql(owner, "UPDATE webhook_state SET retry_at = now()")
    run_sql(owner, "UPDATE webhook_delivery SET due_at = now()")
    _wake(owner)
    work(owner.app)
    assert sum(each["attempts"] for each in deliveries(owner, webhook)) == 2


def test_a_slow_receiver_delays_no_other(
    owner: Member, receiver: Receiver, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    """Neither another endpoint of the tenant, nor another tenant, nor the worker's jobs."""
    other = as_member(make_tenant(owner.tenant.placement.tier), Role.OWNER)
    may_answer = Event()
    with receiving() as slow:
        slow.wait = lambda: may_answer.wait(30)
        create(owner, slow)
        create(owner, receiver)
        create(other, receiver)
        state_of(owner.app).webhook_senders = None
        send_import(owner)
        send_import(other)
        worker = _worker_in_thread(owner.app)
        try:
            _wait_for(lambda: len(receiver.messages) == 2)
            assert len(slow.messages) == 1
            second = send_import(owner)
            _wait_for(lambda: len(receiver.messages) == 3)
            assert receiver.messages[-1].body["data"]["import_id"] == second
            assert len(slow.messages) == 1
        finally:
            may_answer.set()
            worker()
        assert len(slow.messages) == 2


def _worker_in_thread(app: Flask) -> Callable[[], None]:
    """Run a worker with one thread for jobs, and return what ends it."""
    worker = Worker(app, threads=1)
    thread = Thread(target=worker.run)
    thread.start()

    def end() -> None:
        with app.app_context():
            time.sleep(2.5)
            wait_for_senders(30)
        worker.stop()
        thread.join()

    return end


def _wait_for(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def test_a_tenant_has_a_share_of_the_threads(owner: Member) -> None:
    senders = Senders(owner.app, threads=3, per_tenant=2)
    one, other = uuid4(), uuid4()
    assert senders.free_places(one) == 2
    senders._busy[one] = 2
    assert (senders.free_places(one), senders.free_places(other)) == (0, 1)


def test_one_process_at_a_time_sends_to_an_endpoint(
    owner: Member, receiver: Receiver, run_sql: Callable[..., None]
) -> None:
    """If it is killed, another one sends when the lease is over, with the same id."""
    webhook = create(owner, receiver)
    send_import(owner)
    with owner.app.app_context(), tenant_context(owner.tenant.slug):
        with transaction():
            _, claimed = claim_endpoints(4)
        with transaction():
            _, again = claim_endpoints(4)
    assert ([str(each) for each in claimed], list(again)) == ([webhook["id"]], [])
    work(owner.app)
    assert receiver.messages == []

    run_sql(owner, "UPDATE webhook_state SET busy_until = now()")
    _wake(owner)
    work(owner.app)
    assert len(receiver.messages) == 1


def test_an_endpoint_that_is_gone_is_disabled(owner: Member, receiver: Receiver) -> None:
    webhook = create(owner, receiver)
    receiver.status = 410
    send_import(owner)
    send_import(owner)
    work(owner.app)

    shown = owner.get(f"/webhooks/{webhook['id']}").json
    assert (shown["is_enabled"], shown["disabled_reason"]) == (False, "gone")
    assert len(receiver.messages) == 1
    assert [each["state"] for each in deliveries(owner, webhook)] == ["failed"] * 2
    entry = owner.get("/audit?operator=trially: webhooks").json["data"][0]
    assert entry["changes"][0]["values"]["is_enabled"] == [True, False]


def test_an_endpoint_that_fails_for_days_is_disabled(
    owner: Member, receiver: Receiver, run_sql: Callable[..., None]
) -> None:
    webhook = create(owner, receiver)
    receiver.status = 500
    for days, is_enabled in ((4, True), (6, False)):
        send_import(owner)
        since = f"now() - interval '{days} days'"
        run_sql(owner, f"UPDATE webhook_state SET retry_at = now(), failing_since = {since}")
        _wake(owner)
        work(owner.app)
        assert owner.get(f"/webhooks/{webhook['id']}").json["is_enabled"] is is_enabled

    assert {each["error"] for each in deliveries(owner, webhook)} == {"endpoint_disabled"}
    send_import(owner)
    assert len(deliveries(owner, webhook)) == 2
    receiver.status = 204
    again = owner.patch(f"/webhooks/{webhook['id']}", json={"is_enabled": True}).json
    assert (again["disabled_reason"], again["failing_since"]) == (None, None)
    send_import(owner)
    work(owner.app)
    assert deliveries(owner, webhook)[0]["state"] == "delivered"


def test_a_receiver_may_ask_to_wait(owner: Member, receiver: Receiver) -> None:
    create(owner, receiver)
    receiver.status, receiver.headers = 429, {"Retry-After": "600"}
    send_import(owner)
    send_import(owner)
    work(owner.app)
    receiver.status = 204
    _wake(owner)
    work(owner.app)

    assert len(receiver.messages) == 1


def test_a_secret_is_rotated_with_an_overlap(
    owner: Member, receiver: Receiver, run_sql: Callable[..., None]
) -> None:
    webhook = create(owner, receiver)
    path = f"/webhooks/{webhook['id']}"
    any_version = {"If-Match": "*"}
    rotated = owner.post(f"{path}/rotate-secret", json={"overlap_hours": 1}, headers=any_version)
    assert rotated.status_code == 200, rotated.text
    assert rotated.json["secret"] != webhook["secret"]
    send_import(owner)
    work(owner.app)
    run_sql(owner, "UPDATE webhook_endpoint SET former_until = now()")
    send_import(owner)
    work(owner.app)

    during, after = receiver.messages
    assert len(during.headers["webhook-signature"].split()) == 2
    assert is_signed(during, webhook["secret"])
    assert is_signed(during, rotated.json["secret"])
    assert is_signed(after, rotated.json["secret"])
    assert not is_signed(after, webhook["secret"])
    assert "secret" not in owner.get(path).json
    for entry in owner.get("/audit").json["data"]:
        assert webhook["secret"] not in str(entry)


def test_deliveries_are_replayed(owner: Member, receiver: Receiver) -> None:
    webhook = create(owner, receiver)
    path = f"/webhooks/{webhook['id']}"
    send_import(owner)
    send_import(owner)
    work(owner.app)
    newest, oldest = deliveries(owner, webhook)

    replayed = owner.post(f"{path}/deliveries/{oldest['id']}/replay")
    assert (replayed.status_code, replayed.json["state"]) == (200, "pending")
    work(owner.app)
    assert receiver.messages[2].headers["webhook-id"] == receiver.messages[0].headers["webhook-id"]

    period = {"since": oldest["created_at"], "until": newest["created_at"]}
    for state, count in (("failed", 0), ("delivered", 1)):
        answer = owner.post(f"{path}/replay", json={**period, "state": state})
        assert answer.json == {"count": count}
    work(owner.app)
    assert len(receiver.messages) == 4
    assert receiver.messages[3].raw == receiver.messages[0].raw


def test_an_endpoint_can_be_tested(owner: Member, receiver: Receiver) -> None:
    webhook = create(owner, receiver)
    tested = owner.post(f"/webhooks/{webhook['id']}/test")
    assert tested.status_code == 200, tested.text
    work(owner.app)

    [message] = receiver.messages
    assert message.body["type"] == "webhook.test"
    path = f"/webhooks/{webhook['id']}/deliveries/{tested.json['id']}"
    assert owner.get(path).json["state"] == "delivered"


def test_old_events_are_deleted(
    owner: Member, receiver: Receiver, run_sql: Callable[..., None]
) -> None:
    webhook = create(owner, receiver)
    send_import(owner)
    work(owner.app)
    send_import(owner)
    run_sql(
        owner,
        "UPDATE webhook_event SET happened_at = now() - interval '31 days' WHERE id IN"
        " (SELECT event_id FROM webhook_delivery WHERE state = 'delivered')",
    )
    work(owner.app)

    assert len(deliveries(owner, webhook)) == 1


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.VIEWER, Role.AUDITOR])
def test_others_have_no_webhooks(owner: Member, as_member: AsMember, role: Role) -> None:
    other = as_member(owner.tenant, role)

    assert other.get("/webhooks").json["code"] == "missing_permission"
    assert other.post("/webhooks", json={}).json["code"] == "missing_permission"
