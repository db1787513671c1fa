"""Contrast as WCAG defines it."""

import pytest

from trially.organisation.branding.colors import contrast, normal_color


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
        ("#0000ff", "#ffffff", 8.59),
        ("#123456", "#123456", 1.0),
    ],
)
def test_contrast_has_the_published_values(one: str, other: str, expected: float) -> None:
    assert contrast(one, other) == pytest.approx(expected, abs=0.005)
    assert contrast(other, one) == contrast(one, other)


@pytest.mark.parametrize(
    "value", ["red", "#fff", "#0000000", "#00000g", "#000000;}", "url(x)", "#000000\n", ""]
)
def test_nothing_but_six_digits_is_a_color(value: str) -> None:
    with pytest.raises(ValueError):
        normal_color(value)


def test_colors_are_stored_in_lower_case() -> None:
    assert normal_color("#ABCDEF") == "#abcdef"
