"""What is left of items whose fields say who a patient is."""

import datetime as dt

import pytest
from flask import Flask
from marshmallow import Schema, fields

from trially.http.masking import (
    mask_of,
    masked_names,
    refuse_masked,
    show_identifiers,
    shown,
    shown_page,
    unmarked_fields,
)
from trially.http.problems import Forbidden
from trially.phi import CODE, DATE, IDENTIFIER, PLAIN, POSTAL_CODE, PRECISION, value_set
from trially.request_state import request_state


class HomeSchema(Schema):
    city = fields.String(metadata=IDENTIFIER)
    country = fields.String(metadata=PLAIN)


class PersonSchema(Schema):
    id = fields.String(metadata=PLAIN)
    name = fields.String(metadata=IDENTIFIER)
    born = fields.Date(metadata=DATE)
    precision = fields.String(metadata=PRECISION)
    died_at = fields.AwareDateTime(metadata=DATE)
    code = fields.String(metadata=POSTAL_CODE)
    home = fields.Nested(HomeSchema)
    homes = fields.List(fields.Nested(HomeSchema))
    tags = fields.List(fields.String(), metadata=PLAIN)


class HalfSchema(Schema):
    known = fields.String(metadata=PLAIN)
    forgotten = fields.String()
    inner = fields.Nested(Schema.from_dict({"hidden": fields.String()}))


HOME = {"city": "Bern", "country": "CH"}
PERSON = {
    "id": "1",
    "name": "Ada",
    "born": dt.date(2000, 2, 29),
    "precision": "day",
    "died_at": dt.datetime(2021, 1, 1, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    "code": "94110-1234",
    "home": HOME,
    "homes": [HOME, HOME],
    "tags": ["a"],
}
MASKED_HOME = {"city": None, "country": "CH"}
MASKED = {
    "id": "1",
    "name": None,
    "born": dt.date(2000, 1, 1),
    "precision": "year",
    "died_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    "code": "941",
    "home": MASKED_HOME,
    "homes": [MASKED_HOME, MASKED_HOME],
    "tags": ["a"],
}


def test_each_mark_leaves_what_it_says() -> None:
    mask = mask_of(PersonSchema())
    assert mask is not None

    assert mask(PERSON) == MASKED
    assert mask(dict.fromkeys(PERSON)) == dict.fromkeys(PERSON)
    assert mask({"id": "1"}) == {"id": "1"}
    assert PERSON["home"] == HOME


def test_what_needs_no_mask_has_none() -> None:
    assert mask_of(Schema.from_dict({"id": fields.String(metadata=PLAIN)})()) is None
    assert masked_names(PersonSchema()) == PERSON.keys() - {"id", "tags"}


def test_fields_that_say_nothing_are_named() -> None:
    assert list(unmarked_fields(HalfSchema())) == ["forgotten", "inner.hidden"]
    assert list(unmarked_fields(PersonSchema())) == []


def test_answers_are_masked_unless_it_is_said_that_they_are_not() -> None:
    mask = mask_of(PersonSchema())
    page = {"data": [PERSON], "page": {"next": None}}

    with Flask("tiny").app_context():
        assert shown(PERSON, mask) == MASKED
        assert shown_page(page, mask) == {"data": [MASKED], "page": {"next": None}}
        with pytest.raises(Forbidden, match="PHI level full: a, b"):
            refuse_masked({"b", "a"})
        refuse_masked(())
        show_identifiers(is_shown=True)
        assert shown(PERSON, mask) == PERSON
        assert shown_page(page, mask) is page
        refuse_masked({"name"})
        show_identifiers(is_shown=False)
        assert not request_state().shows_identifiers
        assert shown(PERSON, mask) == MASKED


class CodedSchema(Schema):
    code_system = fields.String(metadata=value_set("code system"))
    code = fields.String(metadata=CODE)
    unit = fields.String(metadata=value_set("unit"))
    codings = fields.List(
        fields.Nested(
            Schema.from_dict(
                {
                    "system": fields.String(metadata=value_set("code system")),
                    "code": fields.String(metadata=CODE),
                }
            )
        )
    )


@pytest.mark.parametrize(
    ("system", "code", "is_shown"),
    [
        ("http://loinc.org", "4548-4", True),
        ("http://loinc.org", "4548-5", False),
        ("http://loinc.org", "Ada", False),
        ("http://snomed.info/sct", "44054006", True),
        ("http://snomed.info/sct", "5551234567", False),
        ("http://clinic.example/codes", "4548-4", False),
        (None, "4548-4", True),
        (None, "123456", False),
    ],
)
def test_a_code_is_shown_if_it_has_the_form_of_its_system(
    system: str | None, code: str, *, is_shown: bool
) -> None:
    mask = mask_of(CodedSchema())
    assert mask is not None

    coding = {"system": system, "code": code}
    shown_item = mask({"code_system": system, "code": code, "codings": [coding]})

    assert shown_item["code"] == (code if is_shown else None)
    assert shown_item["codings"][0]["code"] == shown_item["code"]
    known = system in ("http://loinc.org", "http://snomed.info/sct")
    assert shown_item["code_system"] == (system if known else None)


def test_a_value_outside_of_its_set_is_masked() -> None:
    mask = mask_of(CodedSchema())
    assert mask is not None

    assert mask({"unit": "mm[Hg]"}) == {"unit": "mm[Hg]"}
    assert mask({"unit": "{Ada}"}) == {"unit": None}
