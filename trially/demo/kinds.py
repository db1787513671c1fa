"""Name the kinds of demo tenant, where they live, and what sets their patients apart."""

from collections.abc import Mapping
from typing import Literal

TenantKind = Literal["site", "cro", "health_system"]
"""What sort of organisation a tenant is."""

Tier = Literal["dedicated_database", "own_schema", "pooled_rows"]
"""Where a tenant lives: the demo has one of each."""

EMPHASIS: Mapping[TenantKind, Mapping[str, float]] = {
    "site": {"diabetes": 1.8, "obesity": 1.3, "hypertension": 1.2, "hyperlipidemia": 1.2},
    "cro": {
        "breast cancer": 2.5,
        "prostate cancer": 3.0,
        "lung cancer": 2.0,
        "rheumatoid arthritis": 3.0,
        "psoriasis": 3.0,
        "ulcerative colitis": 4.0,
    },
    "health_system": {},
}
"""How many times likelier than usual an illness is among a kind's patients."""
