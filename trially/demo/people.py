"""Draw the people of the demo records: identity, illnesses and visits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from trially.demo.dice import Dice
from trially.demo.illnesses import CHRONIC_ILLNESSES, PASSING_ILLNESSES, PREGNANCY, SMOKING, Illness
from trially.demo.kinds import EMPHASIS
from trially.demo.names import PersonName, name_for
from trially.demo.places import PLACES, Place
from trially.tenancy.catalog_choices import TenantKind

DEMO_TODAY = date(2026, 10, 1)
"""The day of the imaginary export of the demo data; no record has a later date."""

YOUNGEST, OLDEST = 18, 91
"""The ages of patients, in years."""

CHILDBEARING_AGES = range(18, 45)
PREGNANCY_DAYS = 275
YEAR_DAYS = 365.25


@dataclass(frozen=True)
class Episode:
    """One illness of one person, with its start and end."""

    illness: Illness
    began: date
    ended: date | None = None


@dataclass(frozen=True)
class Person:
    """The facts about a person that the records will contain."""

    number: int
    name: PersonName
    sex: str
    born: date
    died: date | None
    place: Place
    smoking: str
    """`never`, `former` or `current`."""
    episodes: tuple[Episode, ...]
    visits: tuple[date, ...]
    """The days of the visits, earliest first."""

    @property
    def last_day(self) -> date:
        """The last day that a record of the person may have."""
        return self.died or DEMO_TODAY

    @property
    def illnesses(self) -> frozenset[str]:
        """The names of the person's present illnesses."""
        return frozenset(each.illness.name for each in self.episodes if each.ended is None)

    def age_on(self, day: date) -> int:
        """Return the person's age in completed years."""
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))


def draw_person(dice: Dice, seed: str, number: int, kind: TenantKind) -> Person:
    """Return a person, drawn at random."""
    sex = dice.choose(("female", "male"))
    age = dice.weigh(
        (
            (dice.whole(YOUNGEST, 39), 0.30),
            (dice.whole(40, 64), 0.40),
            (dice.whole(65, OLDEST), 0.30),
        )
    )
    born = dice.before(DEMO_TODAY, round(age * YEAR_DAYS) + 1, round((age + 1) * YEAR_DAYS) - 2)
    smoking = dice.weigh((("never", 0.62), ("former", 0.24), ("current", 0.14)))
    died = dice.before(DEMO_TODAY, 20, 500) if dice.chance(0.08 if age >= 70 else 0.015) else None

    illnesses = draw_illnesses(
        dice, sex=sex, age=age, smokes=smoking != "never", emphasis=EMPHASIS[kind]
    )
    visits = draw_visits(dice, died or DEMO_TODAY, how_ill=len(illnesses))
    adult = born + timedelta(days=round(YOUNGEST * YEAR_DAYS))
    episodes = [draw_episode(dice, illness, adult, visits) for illness in illnesses]
    episodes += draw_passing_episodes(dice, sex, age, visits)
    if age in CHILDBEARING_AGES and sex == "female" and died is None:
        episodes += draw_pregnancies(dice, age, adult, visits)
    return Person(
        number=number,
        name=name_for(seed, number),
        sex=sex,
        born=born,
        died=died,
        place=dice.choose(PLACES[kind]),
        smoking=smoking,
        episodes=tuple(episodes),
        visits=visits,
    )


def draw_illnesses(
    dice: Dice, *, sex: str, age: int, smokes: bool, emphasis: Mapping[str, float]
) -> list[Illness]:
    """Return the chronic illnesses of one person."""
    present = {SMOKING} if smokes else set()
    drawn = []
    for illness in CHRONIC_ILLNESSES:
        if dice.chance(share_of(illness, sex, age, present) * emphasis.get(illness.name, 1.0)):
            present.add(illness.name)
            drawn.append(illness)
    return drawn


def share_of(illness: Illness, sex: str, age: int, present: set[str]) -> float:
    """Return the probability of an illness, given the risk factors that are present."""
    if illness.sex not in (None, sex):
        return 0.0
    share = illness.shares[(age >= 40) + (age >= 65)]
    for other, factor in illness.raised_by.items():
        if other in present:
            share *= factor
    return share


def draw_visits(dice: Dice, last_day: date, how_ill: int) -> tuple[date, ...]:
    """Return the days of visits in up to three years; more illnesses mean more visits."""
    day = dice.before(last_day, 3, 110)
    visits = [day]
    for _ in range(min(4, dice.whole(0, 2) + (how_ill + 1) // 2)):
        day = dice.before(day, 80, 240)
        visits.append(day)
    return tuple(reversed(visits))


def draw_episode(dice: Dice, illness: Illness, adult: date, visits: tuple[date, ...]) -> Episode:
    """Return a chronic illness that begins before the first visit, so that all results match it."""
    earliest = dice.before(visits[0], 0, illness.most_years * 365)
    began = min(visits[0], max(adult, earliest))
    if not dice.chance(illness.recovery):
        return Episode(illness, began)
    days = (visits[-1] - began).days
    return Episode(illness, began, began + timedelta(days=dice.whole(days // 2, days)))


def draw_passing_episodes(
    dice: Dice, sex: str, age: int, visits: tuple[date, ...]
) -> list[Episode]:
    """Return acute illnesses, each of which led to a visit and ended within weeks."""
    episodes = []
    for illness in PASSING_ILLNESSES:
        if dice.chance(share_of(illness, sex, age, set())):
            visit = dice.choose(visits)
            ended = min(visits[-1], visit + timedelta(days=dice.whole(5, 21)))
            episodes.append(Episode(illness, dice.before(visit, 1, 6), ended))
    return episodes


def draw_pregnancies(dice: Dice, age: int, adult: date, visits: tuple[date, ...]) -> list[Episode]:
    """Return at most one past pregnancy, and one that is present at the last visit."""
    episodes = []
    began = dice.before(visits[0], PREGNANCY_DAYS + 300, 2500)
    if began >= adult and dice.chance(0.35):
        episodes.append(Episode(PREGNANCY, began, began + timedelta(days=PREGNANCY_DAYS)))
    began = dice.before(visits[-1], 20, 150)
    if began >= adult and dice.chance(share_of(PREGNANCY, "female", age, set())):
        episodes.append(Episode(PREGNANCY, began))
    return episodes
