"""Sweep the database of one tenant of a fleet, without the attacks on other paths."""

from trially.proving.reports import states_of
from trially.proving.running import attempts_before, make_plan, prove


def sweep_of(fleet, *slugs):
    """Return the plan, the states of the tenants, and the failed attempts of the sweeps alone."""
    with fleet.app.app_context():
        plan = make_plan(slugs, 1, 1)
        alone = type(plan)(plan.seed, (), plan.sweeps, plan.everyone, plan.unprovable)
        attempts = attempts_before(alone)
        list(prove(alone, 600))
        attempts += [attempt for _, sweep in alone.sweeps for attempt in sweep.attempts]
        return alone, {each.slug: str(each.state) for each in states_of(plan, attempts)}, attempts
