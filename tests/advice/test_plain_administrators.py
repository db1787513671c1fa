"""Advice with an administrator who is no superuser, as on a managed server."""

import json

from fleets import Fleet
from plain_fleets import plain_fleet

__all__ = ["plain_fleet"]


def test_what_a_plain_administrator_does_not_see_is_said_and_not_guessed(
    plain_fleet: Fleet,
) -> None:
    printed = plain_fleet.run("tenants", "advise", "--json")

    assert printed.exit_code == 0, printed.output
    advice = json.loads(printed.stdout)
    said = "The administrator of default does not see how large its databases are."
    assert any(each.startswith(said) for each in advice["missing"])
    assert advice["moves"] == []
