"""RxNorm: the files RXNCONSO, RXNREL and RXNSAT, or a table of products with their ingredients.

RXNSAT has the NDC codes of products. Pharmacies send these more often than RxNorm's own codes.
"""

from collections.abc import Mapping, Sequence

from trially.terminologies.building import Builder
from trially.terminologies.reading import InputFile, TerminologyFileError
from trially.terminologies.systems import NDC, RXNORM
from trially.value_sets.codes import is_code

_CONSO_COLUMNS = 19
_REL_COLUMNS = 17
_SAT_COLUMNS = 14
"""RRF lines end with a delimiter, so that there is an empty last column."""

_NDC_DIGITS = 11

_KINDS: Mapping[str, tuple[str, ...]] = {
    "IN": (),
    "PIN": ("IN",),
    "MIN": ("IN",),
    "BN": ("IN", "PIN"),
    "SCDC": ("IN", "PIN"),
    "SCDF": ("IN", "MIN"),
    "SCDG": ("IN", "MIN"),
    "SCD": ("SCDC", "SCDF", "IN", "PIN", "MIN"),
    "SBDC": ("SCDC",),
    "SBDF": ("SCDF",),
    "SBDG": ("SCDG",),
    "SBD": ("SCD", "SBDC"),
    "GPCK": ("SCD",),
    "BPCK": ("SCD", "SBD", "GPCK"),
}
"""Kinds of concepts (TTY), and the kinds of what they contain. A brand is not in its products'
list: two products of one brand may have different ingredients."""

_SYNONYMS = frozenset({"SY", "PSN", "TMSY"})
_NOT_SUPPRESSED = "N"

_CONTAINS = """
INSERT INTO staged.edge
    SELECT product.code, part.code FROM staged.relation
    JOIN staged.concept AS product ON product.code = relation.one
    JOIN staged.concept AS part ON part.code = relation.other
    JOIN staged.containing ON containing.kind = product.kind AND containing.part = part.kind
"""


def read_rxnorm(files: Sequence[InputFile], builder: Builder) -> str | None:
    """Read the files of RxNorm, which their names or columns tell apart."""
    kinds = set()
    for file in files:
        name = file.path.name.upper()
        if "RXNCONSO" in name:
            kinds.add("RXNCONSO")
            _read_names(file, builder)
        elif "RXNREL" in name:
            kinds.add("RXNREL")
            _read_relations(file, builder)
        elif "RXNSAT" in name:
            _read_ndc_codes(file, builder)
        elif {"product_rxcui", "ingredient_rxcui"} <= set(file.header("\t")):
            _read_products(file, builder)
        else:
            file.refuse(
                "This is none of RXNCONSO.RRF, RXNREL.RRF and RXNSAT.RRF, nor a table with the"
                " columns product_rxcui, product, ingredient_rxcui and ingredient."
            )
    if len(kinds) == 1:
        missing = ({"RXNCONSO", "RXNREL"} - kinds).pop()
        raise TerminologyFileError(f"RxNorm needs {missing}.RRF too.")
    builder.run("CREATE TABLE staged.containing (kind TEXT NOT NULL, part TEXT NOT NULL)")
    for kind, parts in _KINDS.items():
        for part in parts:
            builder.run("INSERT INTO staged.containing VALUES (?, ?)", kind, part)
    builder.run(_CONTAINS)
    return None


def _read_names(file: InputFile, builder: Builder) -> None:
    # RXCUI, SAB, TTY, STR, SUPPRESS
    for code, source, kind, text, suppressed in file.columns(
        "|", _CONSO_COLUMNS, 0, 11, 12, 14, 16
    ):
        if source != "RXNORM":
            continue
        _check(file, code)
        if kind in _KINDS:
            builder.add_concept(code, text, kind, is_active=suppressed == _NOT_SUPPRESSED)
        elif kind in _SYNONYMS:
            builder.add_term(code, text)


def _read_relations(file: InputFile, builder: Builder) -> None:
    """Read which concepts are related. Their kinds say which one contains the other.

    The file has each relation in both directions, so the relation's name is not needed.
    """
    # RXCUI1, RXCUI2, SAB
    for one, other, source in file.columns("|", _REL_COLUMNS, 0, 4, 10):
        if source == "RXNORM" and one and other:
            builder.add_relation(one, other)


def _read_ndc_codes(file: InputFile, builder: Builder) -> None:
    """Read the NDC codes of products: `00093104801`, which sources also write `00093-1048-01`."""
    # RXCUI, ATN, SAB, ATV
    for product, name, source, code in file.columns("|", _SAT_COLUMNS, 0, 8, 9, 10):
        if name == "NDC" and source == "RXNORM" and len(code) == _NDC_DIGITS and code.isdecimal():
            builder.add_mapping(product, NDC, code)
            builder.add_mapping(product, NDC, f"{code[:5]}-{code[5:9]}-{code[9:]}")


def _read_products(file: InputFile, builder: Builder) -> None:
    names = ("product_rxcui", "product", "ingredient_rxcui", "ingredient")
    for product, product_name, ingredient, ingredient_name in file.table("\t", *names):
        _check(file, product)
        _check(file, ingredient)
        builder.add_concept(ingredient, ingredient_name, "IN")
        builder.add_concept(product, product_name)
        builder.add_edge(product, ingredient)


def _check(file: InputFile, code: str) -> None:
    if not is_code(code, RXNORM):
        file.refuse(f"{code!r} has not the form of an RxNorm code, such as 6809.")
