"""The features that a plan can include. `@feature` above a view names the one that it needs."""

from enum import StrEnum


class Feature(StrEnum):
    """A part of the API that a plan includes or lacks. A name is never given to another part."""

    BRANDING = "branding"
    """Show the tenant's own name, colours, logo and domain (white label)."""

    EXPORTS = "exports"
    """Export everything that the tenant stores. The export of one patient is part of every plan."""

    FHIR = "fhir"
    """Read studies, criteria and reports as FHIR resources, and ask which trials fit a patient."""

    MATCHING = "matching"
    """Match patients with the criteria of studies, and see why a patient matches."""

    REGISTRY_IMPORTS = "registry_imports"
    """Import studies from registries."""

    VALUE_SETS = "value_sets"
    """Create and change value sets. Reading them is part of every plan."""
