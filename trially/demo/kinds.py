"""How the patients of each kind of demo tenant differ."""

from collections.abc import Mapping

from trially.tenancy.catalog_choices import TenantKind

EMPHASIS: Mapping[TenantKind, Mapping[str, float]] = {
    TenantKind.SITE: {"diabetes": 1.8, "obesity": 1.3, "hypertension": 1.2, "hyperlipidemia": 1.2},
    TenantKind.CRO: {
        "breast cancer": 2.5,
        "prostate cancer": 3.0,
        "lung cancer": 2.0,
        "rheumatoid arthritis": 3.0,
        "psoriasis": 3.0,
        "ulcerative colitis": 4.0,
    },
    TenantKind.HEALTH_SYSTEM: {},
}
"""How many times likelier than usual an illness is among a kind's patients."""
