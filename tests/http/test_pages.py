"""Pages and the cursors between them, on an app that has nothing else."""

from collections.abc import Callable
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from flask import Flask

from trially import state
from trially.http.pages import make_page, read_cursor
from trially.http.problems import BadRequest
from trially.keys import SecretKeys

TENANT = uuid4()
ITEMS = [{"id": number, "at": None} for number in range(3)]


@pytest.fixture
def app() -> Flask:
    app = Flask("tiny", static_folder=None)
    state.init_app(
        app,
        SimpleNamespace(
            secret_key="a secret of this file", previous_secret_key="", cursor_lifetime_seconds=60
        ),
    )
    return app


@pytest.fixture
def make_cursor(app: Flask) -> Callable[..., str]:
    def make(tenant_id: UUID = TENANT, path: str = "/things", **filters: object) -> str:
        with app.test_request_context(path):
            page = make_page(ITEMS, 2, tenant_id=tenant_id, position=["at", "id"], query=filters)
        return str(page["page"]["next"])

    return make


def test_a_page_shows_its_limit_and_says_whether_it_goes_on(app: Flask) -> None:
    with app.test_request_context("/things"):
        cut = make_page(ITEMS, 2, tenant_id=TENANT, position=["id"], query={})
        whole = make_page(ITEMS, 3, tenant_id=TENANT, position=["id"], query={})
        empty = make_page([], 3, tenant_id=TENANT, position=["id"], query={})

    assert cut["data"] == ITEMS[:2]
    assert cut["page"]["has_more"] is True
    assert whole == {"data": ITEMS, "page": {"next": None, "has_more": False}}
    assert empty == {"data": [], "page": {"next": None, "has_more": False}}


def test_a_cursor_leads_back_to_its_position(app: Flask, make_cursor: Callable[..., str]) -> None:
    cursor = make_cursor(sex="female")

    with app.test_request_context("/things"):
        # The length of a page is not part of what the list is of.
        assert read_cursor(TENANT, {"cursor": cursor, "sex": "female", "limit": 7}) == [None, "1"]
        assert read_cursor(TENANT, {"cursor": None}) is None


def test_a_cursor_from_elsewhere_is_one_that_was_never_made(
    app: Flask, make_cursor: Callable[..., str]
) -> None:
    cursors = {
        "another tenant": make_cursor(uuid4()),
        "another list": make_cursor(path="/others"),
        "another filter": make_cursor(sex="male"),
        "one more filter": make_cursor(status="active"),
        "edited": make_cursor()[:-1] + "~",
        "shortened": make_cursor()[:-4],
        "unsigned": make_cursor().rpartition(".")[0],
        "never made": "x",
        "not ASCII": "é.é.é",
        "NUL": "\x00",
    }

    refusals = {}
    for kind, cursor in cursors.items():
        with app.test_request_context("/things"), pytest.raises(BadRequest) as refusal:
            read_cursor(TENANT, {"cursor": cursor})
        refusals[kind] = (refusal.value.detail, str(refusal.value.errors))
    assert set(refusals.values()) == {refusals["never made"]}


def test_a_cursor_expires(
    app: Flask, make_cursor: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = make_cursor()

    monkeypatch.setattr(state.state_of(app).settings, "cursor_lifetime_seconds", -1)

    with app.test_request_context("/things"), pytest.raises(BadRequest):
        read_cursor(TENANT, {"cursor": cursor})


def test_the_other_secret_key_is_accepted_while_the_key_is_changed(
    app: Flask, make_cursor: Callable[..., str]
) -> None:
    old = make_cursor()
    keys = state.state_of(app).keys = SecretKeys("a new secret", "a secret of this file")
    with app.test_request_context("/things"):
        assert read_cursor(TENANT, {"cursor": old}) == [None, "1"]

    new = make_cursor()
    state.state_of(app).keys = SecretKeys("a secret of this file")
    with app.test_request_context("/things"), pytest.raises(BadRequest):
        read_cursor(TENANT, {"cursor": new})
    assert "secret" not in repr(keys)
