"""A role's password may be that of either secret key, and may change between two attempts."""

import pytest
from sqlalchemy import make_url

from trially.database.connecting import ConnectionRefusedByServerError, Login

URL = make_url("postgresql+psycopg2://role:new@db/place")


class Server:
    """Accepts the passwords in turn, one for each attempt; the last one for all further ones."""

    def __init__(self, *accepted: str, sqlstate: str | None = "28P01") -> None:
        self.accepted, self.sqlstate = list(accepted), sqlstate
        self.tried: list[str] = []

    def connect(self, url):
        accepted = self.accepted.pop(0) if len(self.accepted) > 1 else self.accepted[0]
        self.tried.append(url.password)
        if url.password != accepted:
            raise ConnectionRefusedByServerError("FATAL: refused", self.sqlstate)
        return url.password


@pytest.mark.parametrize(
    ("accepted", "guess", "tried"),
    [
        (["new"], False, ["new"]),
        (["old"], False, ["new", "old"]),
        (["old"], True, ["old"]),
        (["new"], True, ["old", "new"]),
        (["old", "new", "new"], False, ["new", "old", "new"]),
        (["new", "old", "old"], True, ["old", "new", "old"]),
    ],
)
def test_the_right_password_is_found_whenever_it_changes(accepted, guess, tried):
    server, login = Server(*accepted), Login(URL, "old", accepts_other=guess)

    assert login.open(server.connect) == tried[-1]
    assert server.tried == tried
    assert login.accepts_other is (tried[-1] == "old")
    assert login.open(server.connect) == tried[-1]
    assert server.tried == [*tried, tried[-1]]


def test_attempts_are_limited():
    server, login = Server("another"), Login(URL, "old")

    with pytest.raises(ConnectionRefusedByServerError):
        login.open(server.connect)
    assert server.tried == ["new", "old", "new"]


@pytest.mark.parametrize("sqlstate", ["53300", "3D000", "57P03", "42501"])
def test_only_a_refused_password_is_followed_by_the_other(sqlstate):
    server, login = Server("old", sqlstate=sqlstate), Login(URL, "old")

    with pytest.raises(ConnectionRefusedByServerError):
        login.open(server.connect)
    assert server.tried == ["new"]


def test_a_server_in_another_language_is_understood():
    server, login = Server("old", sqlstate=None), Login(URL, "old")

    assert login.open(server.connect) == "old"


def test_with_one_key_there_is_one_attempt():
    server, login = Server("old"), Login(URL, accepts_other=True)

    with pytest.raises(ConnectionRefusedByServerError):
        login.open(server.connect)
    assert server.tried == ["new"]
