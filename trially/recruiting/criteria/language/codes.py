"""Which codes a leaf is about: value sets, codes, ICD-10 prefixes, ingredients."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from trially.recruiting.criteria.language.objects import Object, Part, key
from trially.recruiting.criteria.language.problems import refuse
from trially.recruiting.criteria.language.shapes import Flag, Json, Many, Shape, Text, listed, show
from trially.value_sets.codes import FORMS, LOINC, SNOMED, is_code

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"

SHORT_NAMES = {
    "sct": SNOMED,
    "loinc": LOINC,
    "rxnorm": RXNORM,
    "icd10cm": ICD10CM,
    "icd10": ICD10,
    "icd10pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "icd9cm": "http://hl7.org/fhir/sid/icd-9-cm",
    "cvx": "http://hl7.org/fhir/sid/cvx",
    "ndc": "http://hl7.org/fhir/sid/ndc",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "atc": "http://www.whocc.no/atc",
}
"""Short names of code systems: `loinc|4548-4`."""

_SHORT_OF = {url: name for name, url in SHORT_NAMES.items()}


class Coding(NamedTuple):
    """A code of a code system. A code without its system is not a code."""

    system: str
    """Canonical URL of the system."""
    code: str

    def __str__(self) -> str:
        """Return the short form: `loinc|4548-4`."""
        return f"{_SHORT_OF.get(self.system, self.system)}|{self.code}"


@dataclass(frozen=True)
class CodingShape(Shape[Coding]):
    """A code with its system: `loinc|4548-4`, or an object with `system` and `code`."""

    def parse(self, value: Json, pointer: str) -> Coding:
        """Return the coding. Codes of public systems must have the form of the system."""
        if isinstance(value, dict) and value.keys() == {"system", "code"}:
            system, code = value["system"], value["code"]
        elif isinstance(value, str) and "|" in value:
            system, code = value.rsplit("|", 1)
        else:
            detail = 'is no code with its system, such as "loinc|4548-4".'
            raise refuse(pointer, f"{show(value)} {detail}")
        if not isinstance(system, str) or not isinstance(code, str) or not code.strip():
            raise refuse(pointer, "System and code must be texts, and not blank.")
        url = SHORT_NAMES.get(system, system)
        if ":" not in url:
            names = listed(sorted(SHORT_NAMES))
            raise refuse(pointer, f"'{system}' is no URL of a code system, nor one of {names}.")
        if len(url) > 255 or len(code) > 128:
            raise refuse(pointer, "The system or the code is too long.")
        if url in FORMS and not is_code(code, url):
            name = _SHORT_OF.get(url, url)
            detail = "has not the form of a code of this system, or its check digit is wrong."
            raise refuse(pointer, f"'{code}' ({name}) {detail}")
        return Coding(url, code)

    def dump(self, value: Coding) -> Json:
        """Return the short form."""
        return str(value)

    def schema(self) -> dict[str, Json]:
        """Describe both forms."""
        return {
            "anyOf": [
                {"type": "string", "pattern": r"^[^|]+\|[^|]+$"},
                {
                    "type": "object",
                    "properties": {"system": {"type": "string"}, "code": {"type": "string"}},
                    "required": ["system", "code"],
                    "additionalProperties": False,
                },
            ]
        }


@dataclass(frozen=True)
class PrefixShape(Shape[str]):
    """The beginning of an ICD-10 code, at least its category: `E11`, `E11.2`."""

    def parse(self, value: Json, pointer: str) -> str:
        """Return the prefix, with the point that follows a category."""
        text = value.upper().replace(".", "") if isinstance(value, str) else ""
        if not (1 <= len(text) <= 7 and text.isascii() and text.isalnum() and text[0].isalpha()):
            raise refuse(pointer, f"{show(value)} is no beginning of an ICD-10 code, as 'E11'.")
        return f"{text[:3]}.{text[3:]}" if len(text) > 3 else text

    def dump(self, value: str) -> Json:
        """Return the prefix."""
        return value

    def schema(self) -> dict[str, Json]:
        """Describe a prefix."""
        return {"type": "string", "pattern": r"^[A-Za-z][0-9A-Za-z.]{0,7}$"}


@dataclass(frozen=True, kw_only=True)
class Codes(Part):
    """Codes, of which a record needs one among all its codings: the union of all members."""

    valueset: tuple[str, ...] = key(
        Many(Text(100), most=20, or_one=True), "Names of value sets.", ()
    )
    codes: tuple[Coding, ...] = key(
        Many(CodingShape(), most=500, or_one=True), "Codes with their systems.", ()
    )
    icd10_prefix: tuple[str, ...] = key(
        Many(PrefixShape(), most=50, or_one=True),
        "Beginnings of ICD-10 and ICD-10-CM codes. All codes that begin so are meant.",
        (),
    )
    ingredient: tuple[str, ...] = key(
        Many(Text(8), most=50, or_one=True),
        "RxNorm codes of ingredients. All products that contain one are meant.",
        (),
    )
    descendants: bool = key(
        Flag(), "Whether codes include all codes below them in their system.", default=False
    )

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse what names no code, and ingredients that are no RxNorm codes."""
        if not (self.valueset or self.codes or self.icd10_prefix or self.ingredient):
            yield "", "Name a value set, codes, an ICD-10 prefix or an ingredient."
        for number, code in enumerate(self.ingredient):
            if not is_code(code, RXNORM):
                yield f"/ingredient/{number}", f"'{code}' has not the form of an RxNorm code."
        if self.descendants and not self.codes:
            yield "/descendants", "'descendants' is about 'codes', which are missing."


CODES = Object(Codes)
NO_CODES = Codes()
