"""Detect resources of FHIR DSTU2, STU3 and R5, and bring them into the form of R4.

A resource does not say which version it has. Its profile may, and so do elements that only some
versions have. A resource without any of them is R4, or the same in R4. `version_elements.py` has
the elements of each type, `version_changes.py` how each is changed.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from trially.recruiting.imports.fhir.rows import ResourceError
from trially.recruiting.imports.fhir.values import read_objects
from trially.recruiting.imports.fhir.version_changes import FLAGS
from trially.recruiting.imports.fhir.version_elements import (
    DSTU2,
    R5,
    STU3,
    VERSIONED,
    Versioned,
)

R4 = "R4"

_OTHERS = frozenset({DSTU2, STU3, R5})
_ALL = _OTHERS | {R4}
# Numbers of releases: 1.0.2 is DSTU2, 3.0.2 is STU3, 4.0.1 is R4, 4.3.0 is R4B, 5.0.0 is R5.
_RELEASES = {"1.0": DSTU2, "3.0": STU3, "4.0": R4, "4.1": R4, "4.3": R4, "5.0": R5} | {
    name: R4 if name == "R4B" else name for name in (DSTU2, STU3, R4, "R4B", R5)
}
_RELEASE_IN_PROFILE = re.compile(r"hl7\.org/fhir/(\d\.\d)/|/(DSTU2|STU3|R4|R4B|R5)/")


def to_r4(resource: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Return the version of a resource, None for R4, and the resource in the form of R4.

    Raises `ResourceError` for a version that is not supported, and for elements of two versions.
    """
    kind = resource["resourceType"]
    versioned = VERSIONED.get(kind)
    if versioned is None:
        return None, resource
    present = _find_versioned(versioned, resource)
    declared = _declared_version(resource)
    if not present and declared in (None, R4):
        return None, resource
    version = _agree(kind, present, declared)
    if version == R4:
        return None, resource
    changed = dict(resource)
    for element in sorted(present, key=lambda each: (each.name in FLAGS, each.name)):
        element.translate(changed)
    return version, changed


def _find_versioned(
    versioned: Mapping[str, Sequence[Versioned]], resource: dict[str, Any]
) -> list[Versioned]:
    """Return the elements of a resource that are not R4's."""
    if versioned.keys().isdisjoint(resource):
        return []
    return [
        element
        for name in versioned.keys() & resource.keys()
        for element in versioned[name]
        if element.is_present(resource)
    ]


def _agree(kind: str, present: list[Versioned], declared: str | None) -> str:
    """Return the version that all elements and the profile fit."""
    possible = frozenset(_OTHERS if present else _ALL)
    if declared is not None:
        possible &= {declared}
    for element in present:
        possible &= element.versions
    if not possible:
        names = sorted({name for element in present for name in element.versions})
        if declared is not None and declared not in names:
            names.append(f"{declared} by its profile")
        raise ResourceError(kind, f"mixes elements of different FHIR versions ({', '.join(names)})")
    # Elements that two versions share are the same in both.
    return next(version for version in (STU3, DSTU2, R5, R4) if version in possible)


def _declared_version(resource: dict[str, Any]) -> str | None:
    """Return the version that the resource names, or that its profile belongs to."""
    kind = resource["resourceType"]
    release = resource.get("fhirVersion")
    if type(release) is str:
        return _supported(release, f"{kind}.fhirVersion")
    meta = resource.get("meta")
    if type(meta) is dict and "profile" not in meta:
        return None
    for part in read_objects(meta):
        profiles = part.get("profile")
        for profile in profiles if type(profiles) is list else [profiles]:
            release = _release_of(profile) if type(profile) is str else None
            if release is not None:
                return _supported(release, f"{kind}.meta.profile")
    return None


@lru_cache(maxsize=1_024)
def _release_of(profile: str) -> str | None:
    """Return the number of the release, or the name of the version, in a profile's URL."""
    match = _RELEASE_IN_PROFILE.search(profile)
    return match and (match.group(1) or match.group(2))


def _supported(release: str, where: str) -> str:
    version = _RELEASES.get(release) or _RELEASES.get(release[:3])
    if version is None:
        known = release[:3] if re.fullmatch(r"\d\.\d", release[:3]) else "unknown"
        raise ResourceError(where, f"is FHIR {known}; DSTU2, STU3, R4, R4B and R5 are supported")
    return version
