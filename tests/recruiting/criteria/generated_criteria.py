"""Hypothesis's strategies for criteria, as JSON values."""

from typing import Any

from hypothesis import strategies as st

from tests.recruiting.criteria.generated import DURATIONS

Json = dict[str, Any]
_MISSING = st.sampled_from(["unknown", "not_met", "covered", None])


_CODES = {
    "HbA1c": [["loinc|4548-4", "loinc|59261-8"], ["loinc|4548-4"]],
    "glucose": [["loinc|2345-7"]],
    "temperature": [["loinc|8310-5"]],
    "score": [["loinc|72514-3"]],
}
_BOUNDS: dict[str, list[tuple[str, list[Any]]]] = {
    "HbA1c": [("%", [6.95, 7, 7.05, 10]), ("mmol/mol", [48, 53, 53.5, 86])],
    "glucose": [("mg/dL", [70, 125.5, 126, 200]), ("mmol/L", [6.9, 7, 7.05, 11.1])],
    "temperature": [("Cel", [36.6, 37.5, 38]), ("[degF]", [99.5, 100.4, 101])],
    "score": [("1", [5, 6.95, 7, 10]), ("{score}", [5, 7])],
}


def _without_none(value: Json) -> Json:
    return {name: member for name, member in value.items() if member is not None}


@st.composite
def windows(draw: st.DrawFn) -> Json | None:
    later, earlier = sorted(draw(st.lists(st.integers(0, 10), min_size=2, max_size=2)))
    first, last = f"-{DURATIONS[earlier]}", f"-{DURATIONS[later]}"
    return draw(
        st.sampled_from(
            [None, {"from": first}, {"from": first}, {"from": first, "to": last}]
            + ([{"to": last}] if later else [])
        )
    )


@st.composite
def bounds(draw: st.DrawFn, numbers: list[Any]) -> Json:
    low, high = sorted(draw(st.lists(st.sampled_from(numbers), min_size=2, max_size=2)))
    lower = {draw(st.sampled_from(["gte", "gt"])): low}
    upper = {draw(st.sampled_from(["lte", "lt"])): high}
    both = {**lower, **upper} if low < high else {"gte": low, "lte": high}
    return draw(st.sampled_from([lower, upper, both]))


@st.composite
def values(draw: st.DrawFn, *, numeric: bool = False, measured: str = "HbA1c") -> Json:
    kind = draw(st.integers(0, 2 if numeric else 4))
    if kind in (0, 1):
        unit, numbers = _BOUNDS[measured][kind]
        return {**draw(bounds(numbers)), "unit": unit}
    if kind == 2:
        limit = draw(st.sampled_from(["ULN", "LLN"]))
        return {**draw(bounds([1, 1.5, 3])), "times": limit}
    if kind == 3:
        return {"text": ["positive"]}
    return {"in": {"codes": ["sct|10828004"]}}


@st.composite
def observation_leaves(draw: st.DrawFn) -> Json:
    pick = draw(st.sampled_from(["latest", "latest", "earliest", "any", "all", "max", "min"]))
    is_extreme = pick in ("max", "min")
    count = draw(st.sampled_from([None, 2])) if pick == "any" else None
    measured = draw(st.sampled_from(["HbA1c", "HbA1c", "glucose", "temperature", "score"]))
    codes = draw(st.sampled_from(_CODES[measured]))
    asked = values(numeric=is_extreme, measured=measured)
    leaf = {
        "in": {"codes": codes},
        "pick": pick,
        "within": draw(windows()),
        "value": draw(asked if is_extreme else st.none() | asked),
        "min_count": count,
        "missing": draw(_MISSING),
    }
    return {"observation": _without_none(leaf)}


@st.composite
def record_leaves(draw: st.DrawFn) -> Json:
    kind = draw(
        st.sampled_from(["condition", "condition", "medication", "encounter", "procedure"])
        | st.sampled_from(["allergy", "immunization", "pregnancy"])
    )
    leaf: Json = {"within": draw(windows()), "missing": draw(_MISSING)}
    if kind != "pregnancy":
        leaf["min_count"] = draw(st.sampled_from([None, None, 2]))
    if kind in ("condition", "medication", "allergy"):
        leaf["status"] = draw(st.sampled_from([None, "active", "inactive"]))
    if kind == "condition":
        choices = [{"valueset": "t2dm"}, {"icd10_prefix": "E11"}, {"icd10_prefix": "E11.9"}]
        choices += [{"codes": ["sct|44054006", "icd10cm|E10.9"]}]
        leaf["in"] = draw(st.sampled_from(choices))
    elif kind == "medication":
        leaf["in"] = {"codes": ["rxnorm|860975"]}
        leaf["min_days"] = draw(st.sampled_from([None, 30, 90]))
    elif kind == "procedure":
        leaf["in"] = {"codes": ["sct|232717009"]}
    elif kind == "allergy":
        leaf["in"] = {"codes": ["sct|419474003"]}
    elif kind == "immunization":
        leaf["in"] = {"codes": ["cvx|140"]}
    elif kind == "encounter":
        leaf["in"] = draw(st.sampled_from([None, None, {"codes": ["sct|185349003"]}]))
        leaf["class"] = draw(st.sampled_from([None, ["inpatient"], ["outpatient", "emergency"]]))
    return {kind: _without_none(leaf)}


@st.composite
def person_leaves(draw: st.DrawFn) -> Json:
    kind = draw(
        st.sampled_from(["age", "age", "sex", "deceased", "enrollment", "distance", "manual"])
        | st.just("unsupported")
    )
    if kind == "age":
        unit = draw(st.sampled_from(["a", "a", "mo", "wk", "d"]))
        per = {"a": 1, "mo": 12, "wk": 52, "d": 365}[unit]
        return {"age": {**draw(bounds([per, 18 * per, 50 * per, 76 * per])), "unit": unit}}
    if kind == "enrollment":
        leaf = {
            "in_other_study": draw(st.booleans()),
            "within": draw(windows()),
            "missing": draw(_MISSING),
        }
        return {"enrollment": _without_none(leaf)}
    return draw(
        st.sampled_from(
            {
                "sex": [{"sex": "female"}, {"sex": {"in": ["male", "other"]}}],
                "deceased": [{"deceased": True}, {"deceased": False}],
                "distance": [{"distance": {"lte": 50}}, {"distance": {"lte": 250, "unit": "mi"}}],
                "manual": [{"manual": "Able to comply?"}],
                "unsupported": [{"unsupported": "In the opinion of the investigator"}],
            }[kind]
        )
    )


def leaves() -> st.SearchStrategy[Json]:
    return st.one_of(observation_leaves(), record_leaves(), person_leaves())


def trees(*, may_have_when: bool = True) -> st.SearchStrategy[Json]:
    """Trees of some levels. `when` is only where it may be: as the outermost node."""

    def groups(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
        lists = st.lists(inner, min_size=1, max_size=3)
        return st.one_of(
            lists.map(lambda nodes: {"all": nodes}),
            lists.map(lambda nodes: {"any": nodes}),
            inner.map(lambda node: {"not": node}),
            lists.flatmap(_counts),
        )

    plain = st.recursive(leaves(), groups, max_leaves=5)
    if not may_have_when:
        return plain
    pairs = st.tuples(plain, plain).map(lambda pair: {"when": pair[0], "then": pair[1]})
    return st.one_of(plain, plain, pairs)


@st.composite
def _counts(draw: st.DrawFn, nodes: list[Json]) -> Json:
    most = len(nodes)
    count: Json = {"of": nodes}
    if draw(st.booleans()):
        count["exactly"] = draw(st.integers(0, most))
    else:
        least = draw(st.integers(1, most))
        count["at_least"] = least
        if draw(st.booleans()):
            count["at_most"] = draw(st.integers(least, most))
    return {"count": count}
