"""Faults of objects whose members are named by the client point at these members."""

import pytest
from marshmallow import Schema, ValidationError

from trially.http.problems import to_pointers
from trially.platform.plans.schema import PlanChangeSchema
from trially.platform.tenants.schema import overrides_field

GIVEN = {"most": 1, "reason": "A pilot"}


class OverridesSchema(Schema):
    """A body with exceptions from a plan."""

    overrides = overrides_field()


@pytest.mark.parametrize(
    ("schema", "body", "pointer"),
    [
        (
            OverridesSchema,
            {"overrides": {"patiens": {"most": 1, "reason": "x"}}},
            "/overrides/patiens",
        ),
        (
            OverridesSchema,
            {"overrides": {"patients": {"most": -1, "reason": "x"}}},
            "/overrides/patients/most",
        ),
        (OverridesSchema, {"overrides": {"patients": {"most": 1}}}, "/overrides/patients/reason"),
        (PlanChangeSchema, {"limits": {"patients": -1}}, "/limits/patients"),
        (PlanChangeSchema, {"features": {"flying": True}}, "/features/flying"),
    ],
)
def test_a_fault_points_at_a_member_of_the_request(
    schema: type[Schema], body: dict[str, object], pointer: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        schema().load(body)

    assert [each["pointer"] for each in to_pointers(raised.value.messages)] == [pointer]
