"""Convert between serum creatinine and glomerular filtration, by CKD-EPI 2021.

Inker et al., N Engl J Med 2021; 385: 1737-1749, the equation without race.
"""

STEEP = -1.200


def filtration_from(creatinine: float, sex: str, age: int) -> float:
    """Return the filtration rate (mL/min/1.73 m2) for a creatinine (mg/dL)."""
    turning_point, shallow = constants_of(sex)
    ratio = creatinine / turning_point
    return float(full_filtration(sex, age) * ratio ** (shallow if ratio < 1 else STEEP))


def creatinine_for(filtration: float, sex: str, age: int) -> float:
    """Return the creatinine (mg/dL) for a filtration rate (mL/min/1.73 m2)."""
    turning_point, shallow = constants_of(sex)
    ratio = filtration / full_filtration(sex, age)
    return float(turning_point * ratio ** (1 / (shallow if ratio > 1 else STEEP)))


def constants_of(sex: str) -> tuple[float, float]:
    """Return the creatinine at which the curve turns (kappa) and the exponent below it (alpha)."""
    return (0.7, -0.241) if sex == "female" else (0.9, -0.302)


def full_filtration(sex: str, age: int) -> float:
    """Return the filtration rate at the turning point."""
    return float(142 * 0.9938**age * (1.012 if sex == "female" else 1.0))
