"""LOINC: the table Loinc.csv."""

from collections.abc import Sequence

from trially.terminologies.building import Builder
from trially.terminologies.reading import InputFile
from trially.value_sets.codes import is_loinc

_DEPRECATED = "DEPRECATED"


def read_loinc(files: Sequence[InputFile], builder: Builder) -> str | None:
    """Read the table of terms. Parts, groups and panels are not read."""
    version = ""
    for file in files:
        names = (
            *("LOINC_NUM", "LONG_COMMON_NAME", "COMPONENT", "SHORTNAME", "RELATEDNAMES2"),
            *("CLASS", "STATUS", "VersionLastChanged"),
        )
        for code, name, component, short, related, kind, status, changed in file.table(",", *names):
            if not is_loinc(code):
                file.refuse(f"{code!r} is no LOINC code: its check digit is wrong.")
            builder.add_concept(code, name or component, kind, is_active=status != _DEPRECATED)
            for text in (component, short, related):
                if text:
                    builder.add_term(code, text)
            version = max(version, changed, key=_numbers)
    return version or None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]
