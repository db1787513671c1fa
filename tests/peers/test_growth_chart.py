"""The picture of how costs grow."""

import re
from xml.etree import ElementTree as ET

import pytest

from benchmarks.growth_chart import LEAST_GAP, Curve, Panel, draw

PIXELS = 0.3
NAMESPACE = "{http://www.w3.org/2000/svg}"


def test_sizes_are_a_decade_apart_and_values_grow_upwards() -> None:
    curve = Curve("read <one>", [(10, 1), (100, 10), (1_000, 100)])

    picture = ET.fromstring(draw([Panel("CPU", "tenants", [curve])]))

    (line,) = picture.iter(f"{NAMESPACE}polyline")
    places = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    (first_x, first_y), (second_x, second_y), (third_x, third_y) = places
    assert second_x - first_x == pytest.approx(third_x - second_x, abs=PIXELS)
    assert first_y - second_y == pytest.approx(second_y - third_y, abs=PIXELS)
    assert first_x < second_x
    assert first_y > second_y
    assert "read <one>" in [each.text for each in picture.iter(f"{NAMESPACE}text")]


def test_names_of_equal_curves_do_not_overlap() -> None:
    curves = [Curve(name, [(1, 1), (10, 2)]) for name in ("one", "other")]

    drawn = draw([Panel("CPU", "tenants", curves)])

    one, other = (
        float(re.findall(rf'y="([\d.]+)"[^>]*>{name}<', drawn)[0]) for name in ("one", "other")
    )
    assert abs(one - other) >= LEAST_GAP
