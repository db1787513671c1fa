"""Fields of payloads."""

from enum import StrEnum

import pytest
from marshmallow import Schema, ValidationError

from trially.http.fields import Choice, Flag, Moment, PageQuerySchema, Text


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class PaintSchema(Schema):
    name = Text(5)
    colour = Choice(Colour)
    is_wet = Flag()


@pytest.mark.parametrize("name", ["a", "12345", "é", "😀" * 5, " a ", "=1+1", "שלום", "a\u200db"])
def test_text_is_taken_as_it_is(name: str) -> None:
    assert PaintSchema().load({"name": name}) == {"name": name}


@pytest.mark.parametrize(
    "character",
    [
        "\0",
        "\r",
        "\n",
        "\t",
        "\x1b",
        "\x7f",
        "\x85",
        "\u061c",
        "\u200e",
        "\u202e",
        "\u2028",
        "\u2066",
    ],
)
def test_a_line_of_text_has_no_character_that_changes_how_it_is_read(character: str) -> None:
    for name in (f"a{character}b", character, f"a{character}"):
        with pytest.raises(ValidationError, match="Must not contain control characters"):
            PaintSchema().load({"name": name})


@pytest.mark.parametrize("name", ["", "123456", " ", "\u00a0", None, 1, True, ["a"], {}])
def test_text_that_cannot_be_kept_is_refused(name: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        PaintSchema().load({"name": name})
    assert set(refusal.value.messages) == {"name"}


@pytest.mark.parametrize("colour", ["RED", "green", "", None, 1, ["red"], {"red": 1}])
def test_what_is_not_a_choice_is_refused(colour: object) -> None:
    assert PaintSchema().load({"colour": "red"}) == {"colour": "red"}
    with pytest.raises(ValidationError):
        PaintSchema().load({"colour": colour})


@pytest.mark.parametrize("wet", [0, 1, 0.0, 1.0, "true", "", None, [], {}, [True]])
def test_what_only_resembles_a_flag_is_refused(wet: object) -> None:
    assert PaintSchema().load({"is_wet": False}) == {"is_wet": False}
    with pytest.raises(ValidationError):
        PaintSchema().load({"is_wet": wet})


def test_a_page_has_fifty_items_unless_said() -> None:
    assert PageQuerySchema().load({}) == {"limit": 50, "cursor": None}


@pytest.mark.parametrize("limit", ["0", "201", "abc", "", "-1", "1.5", "1e2", "9" * 5000])
def test_limits_are_bounded(limit: str) -> None:
    with pytest.raises(ValidationError):
        PageQuerySchema().load({"limit": limit})


class DrySchema(Schema):
    dry_at = Moment()


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2026-03-02T09:30:00Z", "2026-03-02T09:30:00+00:00"),
        ("2026-03-02T09:30:00+05:30", "2026-03-02T04:00:00+00:00"),
        ("2026-03-02T09:30:00-22:51", "2026-03-03T08:21:00+00:00"),
        ("2026-03-02T09:30:00+23:59", "2026-03-01T09:31:00+00:00"),
    ],
)
def test_a_time_has_any_offset_and_is_stored_in_utc(written: str, stored: str) -> None:
    # PostgreSQL refuses offsets of 16 hours and more.
    assert DrySchema().load({"dry_at": written})["dry_at"].isoformat() == stored


@pytest.mark.parametrize("written", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_time_outside_of_the_calendar_is_refused(written: str) -> None:
    with pytest.raises(ValidationError):
        DrySchema().load({"dry_at": written})
