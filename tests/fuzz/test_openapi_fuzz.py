"""Whatever the OpenAPI document allows, and what it does not: the answer is one that it describes.

Schemathesis makes the requests; `fuzzing` says how many.
"""

import gzip
import json
import re
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
import schemathesis
from examples import LISTS, create_all
from flask import Flask
from fuzzing import EXAMPLES, NUMBERS, SHARED_NAMES, fuzzed
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import negative_data_rejection
from sqlalchemy import String, UniqueConstraint

from trially.api import API_PREFIX, routes_only
from trially.database.rows import table_of
from trially.database.sealed_types import SealedText
from trially.openapi import DOCUMENT_PATH
from trially.openapi.document import describe
from trially.recruiting.imports.uploads.media_types import MEDIA_TYPES
from trially.recruiting.protocols.documents.receiving import WORD_TYPE
from trially.resources.resource import RESOURCES

UNIQUE = {
    column.name: column.type.length
    for resource in RESOURCES
    for constraint in table_of(resource.model).constraints
    if isinstance(constraint, UniqueConstraint)
    for column in constraint.columns
    if isinstance(column.type, String | SealedText) and (column.type.length or 0) > 32
}
"""Fields whose values must be new, and how long each may be."""
NCT_ID = re.compile(r"NCT[0-9]{8}\Z")
KEY = re.compile(r"[!-~]{1,255}\Z")

CHECKS = {
    # A missing If-Match has a status of its own (RFC 6585).
    "missing_required_header": {"expected-statuses": [400, 401, 428]},
    # No schema can say that a site exists, a cursor was given out, a key is new, a birth is past.
    "positive_data_acceptance": {"enabled": False},
}
ACCEPT_ANY_BODY = [
    {
        "include-path": f"{API_PREFIX}/{path}",
        "checks": {"negative_data_rejection": {"enabled": False}},
    }
    for path in (
        # A dry run answers 200 and says what is wrong with the input.
        "imports/dry-run",
        # Whatever its type in JSON, it is sent as text, and any text may be a document.
        "studies/{study_id}/documents",
    )
]

RESOURCES = st.fixed_dictionaries(
    {"resourceType": st.sampled_from(["Patient", "Condition", "Observation", "Bundle", "X"])},
    optional={
        "id": st.text(max_size=5),
        "subject": st.just({"reference": "Patient/1"}),
        "name": st.lists(st.dictionaries(st.sampled_from(["family", "given"]), st.text())),
        "birthDate": st.dates().map(str) | st.text(max_size=10),
        "code": st.none() | st.dictionaries(st.text(max_size=5), st.integers()),
        "entry": st.lists(st.none() | st.just({"resource": {}}), max_size=2),
    },
)
UPLOADS = st.binary(max_size=60) | st.lists(RESOURCES, max_size=3).map(
    lambda resources: "\n".join(map(json.dumps, resources)).encode()
)
for media_type in set(MEDIA_TYPES) - {"application/json"}:
    schemathesis.openapi.media_type(media_type, UPLOADS | UPLOADS.map(gzip.compress))
for media_type in ("application/pdf", WORD_TYPE):
    schemathesis.openapi.media_type(media_type, st.binary(max_size=60))


def describe_api() -> dict[str, Any]:
    """Describe the routes alone: tests are collected before there is an app.

    The response `default` is left out: it would allow every status.
    """
    document = describe(routes_only(), "0")
    for operations in document["paths"].values():
        for operation in operations.values():
            del operation["responses"]["default"]
    return document


class Served:
    """Stands for the app, which comes with the first test."""

    app: Flask

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


SERVED = Served()


def load(examples: int, *, coverage: bool) -> Any:
    """Load the document, with every case that its schemas suggest if `coverage` is wanted."""
    config = {
        "checks": CHECKS,
        "operations": ACCEPT_ANY_BODY,
        "generation": {
            "max-examples": EXAMPLES or examples,
            "deterministic": not EXAMPLES,
            "database": "none",
            "with-security-parameters": False,
        },
        "phases": {
            "coverage": {"enabled": coverage},
            # What has been answered before is another thing each time.
            "fuzzing": {"extra-data-sources": {"responses": False}},
        },
    } | ({} if EXAMPLES else {"seed": 1})
    schema = schemathesis.openapi.from_dict(
        describe_api(), config=schemathesis.Config.from_dict(config)
    )
    schema.app = SERVED
    return schema


API = load(8, coverage=True)
CROSSED = load(6, coverage=False)
CHAINED = API.exclude(
    path=[f"{API_PREFIX}/{room}" for room in (*LISTS, "documents")], method="GET"
).exclude(operation_id="search_patients")
"""What lists and searches find depends on what has been tried before; a chain must not."""


@pytest.fixture(scope="module", autouse=True)
def _serve(app: Flask) -> None:
    SERVED.app = app


def aim(case: Any, populated: Any) -> None:
    """Put what a tenant has in the place of ids and cursors that were made up."""
    for name, value in case.path_parameters.items():
        if is_uuid(value):
            case.path_parameters[name] = populated.ids[name]
    for part in (case.query, case.body):
        if not isinstance(part, dict):
            continue
        for name in part.keys() & populated.ids.keys():
            if is_uuid(part[name]):
                part[name] = populated.ids[name]
        if isinstance(part.get("cursor"), str) and part["cursor"]:
            path = case.path.removeprefix(f"{API_PREFIX}/")
            room = path if path in populated.cursors else path.partition("/")[0]
            part["cursor"] = populated.cursors.get(room, part["cursor"])


def freshen(case: Any) -> None:
    """Make what must be new really new, so that more is done than the first of each kind."""
    body = case.body if isinstance(case.body, dict) else {}
    for name in UNIQUE.keys() & body.keys():
        value, new = body[name], uuid4().hex
        if isinstance(value, str) and value.strip() and len(value) <= UNIQUE[name]:
            body[name] = (value[:-32] if len(value) > 32 else value[:20]) + new
    if NCT_ID.match(str(body.get("nct_id"))):
        body["nct_id"] = f"NCT{uuid4().int % 10**8:08}"
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if KEY.match(case.headers.get("Idempotency-Key", "")):
        case.headers["Idempotency-Key"] = uuid4().hex


FEW = frozenset({"webhook_id"})
"""Names of rows of which a tenant has few, and which are deleted with no other row."""


def is_uuid(value: Any) -> bool:
    try:
        return str(UUID(value)) == value.lower()
    except (ValueError, AttributeError, TypeError):
        return False


def fits_route(name: str, value: Any) -> bool:
    """Return whether a route takes the value of an argument, whatever the token."""
    if name in NUMBERS:
        return str(value).isdecimal()
    return "/" not in value if name in SHARED_NAMES else is_uuid(value)


def tells_nothing_of(populated: Any, answer: Any) -> bool:
    said = answer.content + repr(answer.headers).encode()
    return not any(secret in said for secret in populated.secrets)


@API.parametrize()
def test_every_answer_is_as_the_document_says(case: Any, attacker: Any, victim: Any) -> None:
    aim(case, attacker)
    freshen(case)

    answer = case.call(headers=attacker.headers)
    if case.method == "DELETE" and answer.status_code < 300:
        kept = {name: attacker.ids[name] for name in FEW - case.path_parameters.keys()}
        attacker.ids = create_all(attacker.member, attacker.canary, **kept)
    # A job reads the file later, and says then what is wrong.
    later = [negative_data_rejection] if answer.status_code == 202 else []
    case.validate_response(answer, headers=attacker.headers, excluded_checks=later)

    assert tells_nothing_of(victim, answer)


@CROSSED.parametrize()
def test_what_is_another_tenants_is_neither_shown_nor_changed(
    case: Any, attacker: Any, victim: Any
) -> None:
    for asker, owner in permutations((attacker, victim)):
        aim(case, owner)
        freshen(case)
        answer = case.call_and_validate(headers=asker.headers)
        assert tells_nothing_of(owner, answer)
        names_row = case.path_parameters.keys() - SHARED_NAMES
        assert answer.status_code >= 400 or not names_row

    stranger = case.call()
    if case.operation.path.startswith(f"{API_PREFIX}/branding"):
        assert stranger.status_code == answer.status_code  # These routes are public.
    elif all(fits_route(name, value) for name, value in case.path_parameters.items()):
        assert stranger.status_code == 401
        assert stranger.headers["www-authenticate"] == ['Bearer realm="trially"']
    else:
        assert stranger.status_code == 404


def test_chains_of_requests_are_answered_as_the_document_says(attacker: Any, victim: Any) -> None:
    class Chains(CHAINED.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            freshen(case)

        def get_call_kwargs(self, _case: Any) -> dict[str, Any]:
            return {"headers": attacker.headers}

        def after_call(self, response: Any, case: Any) -> None:
            super().after_call(response, case)
            assert tells_nothing_of(victim, response)

        def validate_response(self, response: Any, case: Any, **sent: Any) -> None:
            case.validate_response(response, recorder=self.recorder, transport_kwargs=sent, **sent)

    Chains.run(settings=fuzzed(20, stateful_step_count=6))


def test_nothing_of_theirs_has_been_changed(victim: Any) -> None:
    assert victim.read_etags() == victim.etags


def test_the_document_fuzzed_is_the_one_served(app: Flask) -> None:
    served = app.test_client().get(DOCUMENT_PATH).json
    described = json.loads(json.dumps(describe(routes_only(), "0")))

    assert served["paths"] == described["paths"]
    assert served["components"] == described["components"]
