"""The names of masked fields: what a client needs to show "hidden", and nothing more."""

import datetime as dt
from typing import Any

import pytest
from examples import create_all
from marshmallow import Schema, fields
from members import AsMember, Member

from trially.http.masked_fields import name_masked, names_of_masked, possible_names
from trially.http.masking import mask_of
from trially.phi import CODE, DATE, IDENTIFIER, PLAIN, POSTAL_CODE, value_set


class HomeSchema(Schema):
    city = fields.String(metadata=IDENTIFIER)
    country = fields.String(metadata=value_set("country"))
    postal_code = fields.String(metadata=POSTAL_CODE)


class PersonSchema(Schema):
    id = fields.String(metadata=PLAIN)
    name = fields.String(metadata=IDENTIFIER)
    born = fields.Date(metadata=DATE)
    code = fields.String(metadata=CODE)
    unit = fields.String(metadata=value_set("unit"))
    home = fields.Nested(HomeSchema)
    homes = fields.List(fields.Nested(HomeSchema))


def masked(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as a caller with the PHI level `limited` sees it."""
    schema = PersonSchema()
    mask = mask_of(schema)
    assert mask is not None
    shown = dict(mask(item))
    name_masked([shown], names_of_masked(schema), is_masked=True)
    return shown


def test_hidden_and_shortened_fields_are_named() -> None:
    shown = masked({"id": "1", "name": "Ada", "born": dt.date(1950, 5, 1), "unit": "{Ada}"})

    assert set(shown["masked_fields"]) == {"name", "born", "unit", "code"}


def test_a_value_that_is_shown_whole_is_not_named() -> None:
    shown = masked({"name": None, "unit": "mg", "born": None, "code": "4548-4"})

    assert shown["unit"] == "mg"
    assert shown["code"] == "4548-4"
    assert shown["masked_fields"] == ["name"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"name": "Ada"}, {"name": None}),
        ({"unit": "{Ada}"}, {"unit": None}),
        ({"code": "Ada"}, {"code": None}),
        ({"born": dt.date(1950, 5, 1)}, {"born": dt.date(1950, 1, 1)}),
        ({"home": {"city": "Bern"}}, {"home": {}}),
        ({"home": {"country": "Adaland"}}, {"home": {"city": None}}),
        ({"homes": [{"city": "Bern"}]}, {"homes": [{}]}),
        ({"home": {"postal_code": "94110"}}, {"home": {"postal_code": "941"}}),
    ],
)
def test_what_the_mask_hides_does_not_show_in_the_names(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Two items that differ only in what is hidden are the same answer."""
    assert masked(one) == masked(other)


def test_fields_inside_are_named_by_their_path() -> None:
    shown = masked({"home": {"city": "Bern", "country": "CH"}, "homes": [{}, {"country": "CH"}]})

    assert {name for name in shown["masked_fields"] if "." in name} == {
        "home.city",
        "homes.city",
        "homes.country",
    }
    assert set(shown["masked_fields"]) <= set(possible_names(PersonSchema()))
    assert masked({"home": None})["masked_fields"] == ["name", "code", "unit"]


def test_lists_searches_and_replays_name_them_too(
    shared_member: Member, as_member: AsMember
) -> None:
    ids = create_all(shared_member)
    limited = as_member(shared_member.tenant, phi_level="limited")
    path = f"/patients/{ids['patient_id']}"
    body = {"mrn": "m-1", "given_name": "A", "family_name": "B", "birth_date": "1960-05-05"}
    sent = {"json": body | {"sex": "male"}, "headers": {"Idempotency-Key": "k-1"}}

    shown = limited.get(path).json["masked_fields"]
    [listed] = [item for item in limited.get("/patients").json["data"] if item["id"] in path]
    found = limited.post("/patients/search", json={"sex": "female"}).json["data"]
    created, replayed = (limited.post("/patients", **sent) for _ in range(2))

    assert {"mrn", "family_name", "birth_date", "address.city"} <= set(shown)
    assert listed["masked_fields"] == shown
    assert [item["masked_fields"] for item in found if item["id"] in path] == [shown]
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert created.json == replayed.json
    assert "mrn" in replayed.json["masked_fields"]
    assert shared_member.get(path).json["masked_fields"] == []
    assert {"file", "missing_id", "other_id", "resource_id"} == {
        name
        for item in limited.get(f"/imports/{ids['import_id']}/errors").json["data"]
        for name in item["masked_fields"]
    }
