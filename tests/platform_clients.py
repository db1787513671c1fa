"""Operators' clients of the platform API, and a worker for what they ask for."""

import time
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from flask import Flask
from platform_rules import API_OF_PLATFORM
from werkzeug.test import TestResponse

from trially.auth.platform.commands import mint_token
from trially.platform.carrying_out import carry_out
from trially.tenancy.operators.model import PlatformRole
from trially.tenancy.tasks.claiming import claim_task

MOST_TRIES = 20
PATCH = "application/merge-patch+json"


class Operator:
    """An HTTP client with the token of an operator of a role."""

    def __init__(self, app: Flask, role: PlatformRole = PlatformRole.ADMIN) -> None:
        self.app, self._client = app, app.test_client()
        with app.app_context():
            self.token = mint_token(role)

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request, again while the catalog of a busy machine does not answer in time."""
        # With a key, so that a repeated request asks for nothing twice.
        own = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": str(uuid4())}
        headers = {**own, **options.pop("headers", {})}
        for _ in range(MOST_TRIES):
            answer = self._client.open(
                API_OF_PLATFORM + path, method=method, headers=headers, **options
            )
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)
        return answer

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.request("POST", path, json=json, **options)

    def patch(self, path: str, json: Any, **options: Any) -> TestResponse:
        headers = {"If-Match": "*", **options.pop("headers", {})}
        return self.request("PATCH", path, json=json, headers=headers, content_type=PATCH)

    def delete(self, path: str, **options: Any) -> TestResponse:
        headers = {"If-Match": "*", **options.pop("headers", {})}
        return self.request("DELETE", path, headers=headers, **options)

    def operation(self, answer: TestResponse) -> dict[str, Any]:
        """Return an operation as it is now, by the answer that began it."""
        assert answer.status_code == 202, answer.text
        shown = self.get(answer.headers["Location"].removeprefix(API_OF_PLATFORM))
        assert shown.status_code == 200, shown.text
        return dict(shown.json)

    def done(self, answer: TestResponse) -> dict[str, Any]:
        """Carry out what waits, and return the result of an operation, which must be done."""
        carry_out_all(self.app)
        operation = self.operation(answer)
        assert operation["state"] == "done", operation
        return dict(operation["result"])


def carry_out_all(app: Flask) -> int:
    """Carry out all waiting tasks in this process, and return their number."""
    number = 0
    with app.app_context():
        while (claim := claim_task()) is not None:
            carry_out(claim, never)
            number += 1
    return number


def never() -> None:
    """Fail, because nothing is to be interrupted."""
    raise AssertionError("Nothing is to be interrupted.")
