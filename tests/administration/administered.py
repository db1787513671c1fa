"""What the tests of members, invitations and API keys share."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from members import Member
from werkzeug.test import TestResponse

from trially.state import state_of

SignIn = Callable[..., Member]
"""`sign_in(tenant, subject, **claims)`: a client of a person who need not be a member."""

Allow = Callable[..., None]
"""`allow(tenant, members=3)` limits a tenant."""


def id_of(member: Member) -> str:
    return str(member.get("/me").json["id"])


def forget_members(app: Flask) -> None:
    """Let the app read members again, as it does within 5 seconds by itself."""
    state_of(app).identities.forget(lambda _: True)


def code_of(answer: TestResponse) -> tuple[int, Any]:
    """Return the status of a refusal, and its code."""
    return answer.status_code, answer.json["code"]
