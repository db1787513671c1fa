"""What the decorators of views take and give, on an app that has no database."""

import datetime as dt
import io
from decimal import Decimal
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from flask import request
from flask.testing import FlaskClient
from gunicorn.http.errors import InvalidChunkSize
from marshmallow import Schema, fields

from trially import state
from trially.http import problems, request_ids
from trially.http.answer_schemas import IgnoredOptionError
from trially.http.answering import ContractFlask, json_response, refuse_query
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    contract_of,
    queries,
    returns,
    returns_nothing,
    returns_page,
)

LIMIT_BYTES = 200


class ThingSchema(Schema):
    name = fields.String(required=True)
    size = fields.Integer(strict=True, allow_none=True)


class ThingQuerySchema(Schema):
    size = fields.Integer(load_default=1)


@pytest.fixture
def client() -> FlaskClient:
    app = ContractFlask("tiny", static_folder=None)
    state.init_app(
        app, SimpleNamespace(max_body_bytes=LIMIT_BYTES, max_json_depth=5, max_json_items=4)
    )
    request_ids.init_app(app)
    problems.init_app(app)

    @app.before_request
    def refuse() -> None:
        refuse_query(app.view_functions[str(request.endpoint)])

    @app.post("/things")
    @accepts(ThingSchema())
    @returns(ThingSchema(), HTTPStatus.CREATED)
    def create_thing(body: dict[str, Any]) -> dict[str, Any]:
        return body

    @app.patch("/things")
    @accepts_merge_patch(ThingSchema(partial=True))
    @returns(ThingSchema())
    def change_thing(body: dict[str, Any]) -> dict[str, Any]:
        return body

    @app.get("/things")
    @queries(ThingQuerySchema())
    @returns(ThingSchema())
    def list_things(query: dict[str, Any]) -> dict[str, Any]:
        return query

    @app.delete("/things")
    @returns_nothing
    def delete_things() -> str:
        return "unheard"

    return app.test_client()


def test_a_body_is_loaded_and_a_result_written(client: FlaskClient) -> None:
    answer = client.post("/things", json={"name": "é"})

    assert answer.status_code == 201
    assert answer.content_type == "application/json"
    assert answer.json == {"name": "é"}


def test_a_patch_may_name_little_and_remove(client: FlaskClient) -> None:
    answer = client.patch(
        "/things", data=b'{"size": null}', content_type="application/merge-patch+json"
    )

    assert answer.json == {"size": None}


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/xml", "application/json5"])
def test_another_type_of_body_is_refused(client: FlaskClient, content_type: str) -> None:
    answer = client.post("/things", data=b'{"name": "a"}', content_type=content_type)

    assert answer.status_code == 415
    assert client.patch("/things", json={}).status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name": NaN}',
        b'{"name": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"name": "\\ud800"}',
        b"[" * 190,
        b'{"size": 1e999}',
    ],
)
def test_a_body_that_is_not_json_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/things", data=body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json["detail"] == "The body is not JSON."


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        "1",
        '"a"',
        "{}",
        '{"name": "a", "b": 1}',
        '{"name": "a", "size": true}',
        '{"name": "a", "size": 1.0}',
    ],
)
def test_a_body_that_breaks_a_rule_is_refused(client: FlaskClient, body: str) -> None:
    answer = client.post("/things", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.json["errors"]


@pytest.mark.parametrize(
    ("body", "is_taken"),
    [
        ("[[[[[]]]]]", True),
        ("[[[[[[]]]]]]", False),
        ('{"a": {"a": {"a": {"a": {"a": {}}}}}}', False),
        ("[1, 2, 3, 4]", True),
        ("[1, 2, 3, 4, 5]", False),
        ('{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}', False),
    ],
)
def test_a_body_that_sprawls_is_refused(client: FlaskClient, body: str, is_taken: bool) -> None:
    answer = client.post("/things", data=body, content_type="application/json")

    # What is taken goes on to the schema, which refuses it by pointing at what is wrong.
    assert answer.status_code == 422
    assert ("errors" in answer.json) is is_taken


def test_a_member_that_is_named_twice_is_refused(client: FlaskClient) -> None:
    answer = client.post(
        "/things", data=b'{"name": "a", "name": "b"}', content_type="application/json"
    )

    assert (answer.status_code, answer.json["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("said", [True, False])
def test_a_large_body_is_refused_whether_its_length_is_said_or_not(
    client: FlaskClient, said: bool
) -> None:
    body = b'{"name": "' + b"a" * LIMIT_BYTES + b'"}'
    answer = client.post(
        "/things",
        content_type="application/json",
        input_stream=io.BytesIO(body),
        **(
            {"content_length": len(body)}
            if said
            else {"environ_overrides": {"wsgi.input_terminated": True}}
        ),
    )

    assert answer.status_code == 413
    assert answer.json["type"] == "/problems/content-too-large"


@pytest.mark.parametrize("query", ["size=a", "colour=red", "size=1&size=2", "tenant_id=1", "size="])
def test_a_query_that_is_not_usable_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/things?{query}")

    assert answer.status_code == 400
    assert answer.json["errors"][0]["pointer"] == "/" + query.partition("=")[0]


def test_names_of_query_parameters_are_escaped(client: FlaskClient) -> None:
    answer = client.get("/things?a/b~=1&a/b~=2")

    assert answer.json["errors"] == [{"pointer": "/a~1b~0", "detail": "Must occur once."}]


def test_a_query_string_in_no_encoding_is_refused(client: FlaskClient) -> None:
    for method in ("GET", "DELETE"):
        answer = client.open(
            "/things", method=method, environ_overrides={"QUERY_STRING": "size=\xff"}
        )
        assert answer.status_code == 400


def test_a_view_that_reads_no_query_has_none(client: FlaskClient) -> None:
    assert client.delete("/things?dry_run=true").status_code == 400
    answer = client.delete("/things")
    assert (answer.status_code, answer.data) == (204, b"")


def test_what_rows_hold_has_a_form_in_json() -> None:
    body = {
        "id": UUID(int=1),
        "on": dt.date(2020, 2, 29),
        "at": dt.datetime(2020, 2, 29, 1, 2, 3, 40, tzinfo=dt.UTC),
        "number": Decimal("7.20"),
    }

    assert json_response(body).get_data(as_text=True) == (
        '{"id":"00000000-0000-0000-0000-000000000001","on":"2020-02-29",'
        '"at":"2020-02-29T01:02:03.000040Z","number":7.20}'
    )
    with pytest.raises(TypeError):
        json_response({"id": object()})


def test_decorators_say_what_a_view_takes_and_gives() -> None:
    @queries(ThingQuerySchema())
    @returns_page(ThingSchema())
    def list_things(query: dict[str, Any]) -> None:
        """List things."""

    contract = contract_of(list_things)
    assert isinstance(contract.query, ThingQuerySchema)
    assert isinstance(contract.result, ThingSchema)
    assert contract.is_page
    assert contract.status == 200
    assert list_things.__doc__ == "List things."


class Chunks:
    """A body in chunks, as a server hands it on, of which the last is broken or not."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self._chunks = list(chunks)
        self._error = error

    def read(self, _size: int = -1) -> bytes:
        if not self._chunks and self._error is not None:
            raise self._error
        return self._chunks.pop(0) if self._chunks else b""


def send_chunks(client: FlaskClient, chunks: Chunks) -> Any:
    return client.post(
        "/things",
        content_type="application/json",
        environ_overrides={"wsgi.input": chunks, "wsgi.input_terminated": True},
    )


def test_a_body_in_chunks_is_not_cut_off_at_the_limit(client: FlaskClient) -> None:
    whole = b'{"name": "a"}'

    assert send_chunks(client, Chunks(whole)).status_code == 201
    assert send_chunks(client, Chunks(whole, b" " * (LIMIT_BYTES - 13))).status_code == 201
    assert send_chunks(client, Chunks(whole, b" " * (LIMIT_BYTES - 12))).status_code == 413
    assert send_chunks(client, Chunks(whole, b" " * 150, b" " * 150)).status_code == 413


@pytest.mark.parametrize("error", [InvalidChunkSize(b"zz"), OSError("reset"), ValueError("closed")])
def test_a_body_that_cannot_be_read_is_the_clients_fault(
    client: FlaskClient, error: Exception
) -> None:
    answer = send_chunks(client, Chunks(b'{"name":', error=error))

    assert (answer.status_code, answer.json["type"]) == (400, "/problems/bad-request")


class ShoutedField(fields.String):
    def _serialize(self, value: Any, *_args: Any, **_options: Any) -> str:
        return str(value).upper()


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        (ShoutedField(), "is a ShoutedField, which has a _serialize of its own"),
        (fields.String(data_key="other"), "has data_key='other'"),
        (fields.Function(lambda _: 1), "is a fields.Function"),
        (
            fields.List(fields.Nested(Schema.from_dict({"x": fields.Constant(1)}))),
            "a fields.Constant",
        ),
    ],
)
def test_what_only_dumping_would_do_is_refused(field: Any, fault: str) -> None:
    with pytest.raises(IgnoredOptionError, match=fault):
        returns(Schema.from_dict({"name": field})())
