"""The measured study as SQL that is written by hand: what matching is compared with.

It knows what the study asks for and nothing else: no value sets, no conflicts, no days of death, no
evidence, no coverage. `MASKS` says of each patient which conditions are met and which are not,
as matching does. `ELIGIBLE` lists the eligible patients only, so it may stop early.
"""

_COUNTS = (
    "tenant_id = :tenant_id AND NOT entered_in_error AND NOT negated AND withdrawn_at IS NULL"
    " AND start_at <= :now"
)


def _values(code: str, days: int) -> str:
    return (
        f"FROM clinical_fact WHERE {_COUNTS} AND type = 'observation' AND code = '{code}'"
        f" AND value_number IS NOT NULL AND start_at > :now - interval '{days} days'"
    )


def _latest(code: str, days: int, is_met: str) -> str:
    """Return the patients with a value, and whether the latest one is within the bounds."""
    return (
        f"SELECT DISTINCT ON (patient_id) patient_id, {is_met} AS is_met {_values(code, days)}"
        " ORDER BY patient_id, start_at DESC"
    )


def _repeated(code: str, days: int, is_counted: str, least: int) -> str:
    return (
        f"SELECT patient_id, count(*) FILTER (WHERE {is_counted}) >= {least} AS is_met"
        f" {_values(code, days)} GROUP BY patient_id"
    )


def _condition(codes: str, prefix: str, months: int) -> str:
    """Return the patients with a condition, by its first coding or by a further one."""
    record = (
        f"{_COUNTS} AND type = 'condition' AND start_at > :now - interval '{months} months'"
        " AND coalesce(verification_status, '') NOT IN ('refuted', 'entered-in-error')"
    )
    return (
        f"SELECT patient_id, true AS is_met FROM clinical_fact WHERE {record}"
        f" AND (code IN ({codes}) OR code LIKE '{prefix}%')"
        f" UNION SELECT patient_id, true FROM clinical_fact WHERE {record} AND id IN ("
        "SELECT record_id FROM record_coding WHERE tenant_id = :tenant_id"
        f" AND (code IN ({codes}) OR code LIKE '{prefix}%'))"
    )


def _record(kind: str, condition: str) -> str:
    return (
        f"SELECT DISTINCT patient_id, true AS is_met FROM clinical_fact WHERE {_COUNTS}"
        f" AND type = '{kind}' AND {condition}"
    )


_PERCENT = "(CASE unit WHEN 'mmol/mol' THEN value_number * 0.0915 + 2.15 ELSE value_number END)"
_MG_DL = "(CASE unit WHEN 'umol/L' THEN value_number / 88.42 ELSE value_number END)"
_RECORDS = (
    _condition("'44054006'", "E11", 120),
    _latest("4548-4", 90, f"{_PERCENT} BETWEEN 7 AND 10"),
    _latest("33914-3", 180, "value_number >= 45"),
    _latest("39156-5", 365, "value_number >= 25 AND value_number < 40"),
    _latest("8480-6", 180, "value_number < 160"),
    _latest("38483-4", 365, f"{_MG_DL} < 1.5"),
    _latest("1742-6", 365, "value_number < 100"),
    _latest("718-7", 180, "value_number >= 10"),
    _repeated("8480-6", 365, "value_number >= 140", 2),
    _record(
        "medication", "code = '860975' AND status = 'active' AND start_at <= :now - interval '90 d'"
    ),
    _record(
        "medication", "code = '106892' AND status = 'active' AND start_at <= :now - interval '30 d'"
    ),
    _record("procedure", "code = '232717009' AND start_at > :now - interval '60 months'"),
    _condition("'59621000', '38341003'", "I10", 110),
    _condition("'55822004'", "E78", 100),
    _condition("'254837009', '126906006'", "C", 60),
    _condition("'53741008', '49436004'", "I2", 90),
    _record("condition", "code = '72892002' AND start_at > :now - interval '9 months'"),
    _record(
        "encounter",
        "category IN ('IMP', 'ACUTE', 'NONAC') AND start_at > :now - interval '30 days'",
    ),
)
"""The conditions on records, in the order of the study: patients, and whether each is met."""

_PERSON = (
    "(birth_date <= :now - interval '18 years' AND birth_date > :now - interval '77 years')",
    "(sex = 'female')",
)
_INCLUSIONS = 10
"""The first ten conditions are inclusions, the others exclusions."""

_PATIENTS = (
    "FROM patient WHERE tenant_id = :tenant_id AND record_status = 'current' AND NOT deceased"
)


def _masks() -> str:
    person = [f"({each}::int << {bit})" for bit, each in enumerate(_PERSON)]
    bits = range(len(_PERSON), len(_PERSON) + len(_RECORDS))
    met = [*person, *(f"(coalesce(r{bit}.is_met, false)::int << {bit})" for bit in bits)]
    not_met = [f"(coalesce(NOT r{bit}.is_met, false)::int << {bit})" for bit in bits]
    joins = [
        f"LEFT JOIN ({records}) AS r{bit} ON r{bit}.patient_id = patient.id"
        for bit, records in zip(bits, _RECORDS, strict=True)
    ]
    return (
        f"SELECT met, not_met, count(*) FROM (SELECT {' | '.join(met)} AS met,"
        f" {' | '.join(not_met)} AS not_met FROM (SELECT id, birth_date, sex {_PATIENTS})"
        f" AS patient {' '.join(joins)}) AS masks GROUP BY met, not_met"
    )


def _eligible() -> str:
    records = [
        f"{'' if bit < _INCLUSIONS else 'NOT '}EXISTS (SELECT FROM ({each}) AS r{bit}"
        f" WHERE r{bit}.patient_id = patient.id AND r{bit}.is_met)"
        for bit, each in enumerate(_RECORDS, len(_PERSON))
    ]
    return f"SELECT id {_PATIENTS} AND {' AND '.join([*_PERSON, *records])}"


MASKS, ELIGIBLE = _masks(), _eligible()
