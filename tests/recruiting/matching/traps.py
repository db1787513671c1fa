"""What makes eligibility hard to evaluate: each trap, and how to see that a clinic has it.

Each is of a kind that made an evaluator wrong, here or in another product.
"""

import datetime as dt

from tests.recruiting.criteria.slow_trees import GROUPS, leaves_of
from tests.recruiting.matching.clinic_predicates import (
    OfClinic,
    begins_later_today,
    crosses_window,
    facts,
    has_future_beside_past,
    has_tie,
    has_unit,
    is_on_other_day,
    is_roughly_covered,
    is_stale_order,
    is_twice,
    named,
    some_fact,
    some_leaf,
    some_node,
    some_patient,
    within,
)
from tests.recruiting.matching.generated_clinics import Patient

ICD10 = "http://hl7.org/fhir/sid/icd-10"

TRAPS: dict[str, OfClinic] = {
    "a birth date that is known to the year or month, and sent as a day within it": some_patient(
        lambda each: (
            each.person.birth_date is not None
            and each.person.birth_date_precision in ("year", "month")
            and each.person.birth_date.day > 1
        )
    ),
    "a birth on 29 February": some_patient(
        lambda each: (
            each.person.birth_date is not None
            and (each.person.birth_date.month, each.person.birth_date.day) == (2, 29)
        )
    ),
    "no birth date": some_patient(lambda each: each.person.birth_date is None),
    "no sex, or an unknown one": some_patient(lambda each: each.person.sex in (None, "unknown")),
    "a death": some_patient(lambda each: each.person.deceased and each.person.deceased_on),
    "a death on an unknown day": some_patient(
        lambda each: each.person.deceased and each.person.deceased_on is None
    ),
    "a death that is known to the month or year": some_patient(
        lambda each: each.person.deceased_precision in ("month", "year")
    ),
    "a record that is inactive": some_patient(lambda each: each.state == "inactive"),
    "a record that is withdrawn": some_patient(lambda each: each.state == "withdrawn"),
    "a record that a merge replaced": some_patient(lambda each: each.state == "replaced"),
    "no records": some_patient(lambda each: not each.facts),
    "only records that are dated to the month or year": some_patient(is_roughly_covered),
    "an observation in the future beside one in the past": has_future_beside_past,
    "two observations of one time, recorded at different times": some_patient(has_tie),
    "one event from two sources": some_patient(is_twice),
    "a date within the month or year of a window's edge": crosses_window,
    "an instant whose day is another one in UTC": is_on_other_day,
    "a record that begins later today": begins_later_today,
    "a day on which clocks change": lambda clinic: (
        clinic.now.today in (dt.date(2026, 3, 8), dt.date(2026, 11, 1))
        and str(clinic.now.zone) == "America/New_York"
    ),
    "29 February": lambda clinic: (clinic.now.today.month, clinic.now.today.day) == (2, 29),
    "the last day of a month, from which months are counted back": lambda clinic: (
        (clinic.now.today + dt.timedelta(days=1)).day == 1
    ),
    "a record without a date": some_fact(lambda fact: fact.start_at is None),
    "a record that is dated more roughly than it says it was recorded": some_fact(
        lambda fact: fact.start_precision in ("month", "year") and fact.recorded_at is not None
    ),
    "a record without a time of recording": some_fact(lambda fact: fact.recorded_at is None),
    "an end that its status contradicts": lambda clinic: any(
        fact.end_at is not None
        and fact.end_at > clinic.now.as_of
        and (fact.clinical_status == "resolved" or fact.status in ("stopped", "completed"))
        for fact in facts(clinic)
    ),
    "an end that is known to the month or year": some_fact(
        lambda fact: fact.end_precision in ("month", "year")
    ),
    "an order of years ago that was never ended": is_stale_order,
    "a record without a status": some_fact(
        lambda fact: (
            fact.type in ("condition", "medication")
            and fact.status is None
            and fact.clinical_status is None
        )
    ),
    "a provisional diagnosis": some_fact(lambda fact: fact.verification_status == "provisional"),
    "a refuted diagnosis": some_fact(lambda fact: fact.verification_status == "refuted"),
    "a diagnosis entered in error": some_fact(
        lambda fact: fact.verification_status == "entered-in-error"
    ),
    "a record entered in error": some_fact(lambda fact: fact.entered_in_error),
    "a withdrawn record": some_fact(lambda fact: fact.withdrawn_at),
    "a negated record": some_fact(lambda fact: fact.negated),
    "a record about somebody else": some_fact(lambda fact: fact.focus),
    "a date after the death": some_fact(lambda fact: fact.date_problem == "after_death"),
    "an impossible date": some_fact(lambda fact: fact.date_problem == "in_future"),
    "a proposal": some_fact(lambda fact: fact.intent == "proposal"),
    "a planned encounter": some_fact(
        lambda fact: fact.type == "encounter" and fact.status == "planned"
    ),
    "an encounter without a class": some_fact(
        lambda fact: fact.type == "encounter" and fact.category is None
    ),
    "something that did not happen": some_fact(lambda fact: fact.status == "cancelled"),
    "a value such as <5": some_fact(lambda fact: fact.comparator in ("<", "<=")),
    "a value such as >5": some_fact(lambda fact: fact.comparator in (">", ">=")),
    "a comparator that says nothing of a bound": some_fact(lambda fact: fact.comparator == "ad"),
    "a unit that is not known": has_unit("furlongs"),
    "no unit": has_unit(None),
    "another unit": has_unit("mmol/mol", "mmol/L"),
    "another spelling of a unit": has_unit("percent", "mg/dl", "mM", "degF"),
    "a unit that means another scale with its code": some_fact(
        lambda fact: fact.code == "59261-8" and fact.unit == "%"
    ),
    "an observation without a value": some_fact(
        lambda fact: (
            fact.type == "observation"
            and fact.value_number is None
            and fact.value_code is None
            and fact.value_text is None
        )
    ),
    "a coded value": some_fact(lambda fact: fact.value_code),
    "a text as a value": some_fact(lambda fact: fact.value_text),
    "a reference range": some_fact(lambda fact: fact.reference_high),
    "a reference limit of zero": some_fact(
        lambda fact: fact.reference_high is not None and fact.reference_high == 0
    ),
    "a code without a system": some_fact(lambda fact: fact.code and fact.code_system is None),
    "the code among further codings": some_fact(lambda fact: fact.other_codings),
    "an ICD-10 code without its point": some_fact(lambda fact: fact.code == "E119"),
    "an ICD-10 code right behind a prefix": some_fact(lambda fact: fact.code in ("E12", "P00")),
    "an ICD-10 code of the international system": some_fact(lambda fact: fact.code_system == ICD10),
    "a prefix of ICD-10": some_leaf(
        lambda _, what: isinstance(what, dict) and "icd10_prefix" in named(what)
    ),
    "a value set": some_leaf(lambda kind, what: kind == "pregnancy" or "valueset" in named(what)),
    "a calendar window": some_leaf(
        lambda _, what: str(within(what).get("from", "")).endswith(("M", "Y"))
    ),
    "a window of days": some_leaf(lambda _, what: str(within(what).get("from")).endswith("D")),
    "a window that ended": some_leaf(lambda _, what: "to" in within(what)),
    "a count of days": some_leaf(
        lambda _, what: isinstance(what, dict) and what.get("min_count") == 2
    ),
    "a duration of a medication": some_leaf(
        lambda _, what: isinstance(what, dict) and what.get("min_days")
    ),
    "a class of encounters": some_leaf(lambda kind, what: kind == "encounter" and "class" in what),
    "multiples of a reference limit": some_leaf(
        lambda kind, what: kind == "observation" and "times" in what.get("value", {})
    ),
    **{
        f"the pick {pick!r}": some_leaf(
            lambda kind, what, pick=pick: kind == "observation" and what["pick"] == pick
        )
        for pick in ("latest", "earliest", "any", "all", "max", "min")
    },
    **{
        f"the policy {policy!r} under 'not'": some_node(
            lambda node, policy=policy: (
                "not" in node
                and any(
                    isinstance(what, dict) and what.get("missing") == policy
                    for leaf in leaves_of(node)
                    for what in leaf.values()
                )
            )
        )
        for policy in ("unknown", "not_met", "covered")
    },
    **{
        f"the group {group!r}": some_node(lambda node, group=group: group in node)
        for group in GROUPS
    },
    **{
        f"the bound {bound!r} of a count": some_node(
            lambda node, bound=bound: "count" in node and bound in node["count"]
        )
        for bound in ("at_least", "at_most", "exactly")
    },
    "an exclusion": lambda clinic: any(kind == "exclusion" for kind, _, _ in clinic.criteria),
    "a soft criterion": lambda clinic: any(not hard for _, hard, _ in clinic.criteria),
    "a statement that the language cannot say": some_leaf(lambda kind, _: kind == "unsupported"),
    "a question for a person": some_leaf(lambda kind, _: kind == "manual"),
    "a criterion about the deceased": some_leaf(lambda kind, _: kind == "deceased"),
    "a patient who is deleted": lambda clinic: any(isinstance(e, int) for e in clinic.changed),
    "a patient who changes": lambda clinic: any(isinstance(e, Patient) for e in clinic.changed),
    "a patient who becomes current again": lambda clinic: any(
        isinstance(each, Patient)
        and each.state == "current"
        and any(old.number == each.number and old.state != "current" for old in clinic.patients)
        for each in clinic.changed
    ),
}
