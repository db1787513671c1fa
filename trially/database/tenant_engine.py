"""The engine for the current tenant's statements."""

from sqlalchemy import Engine

from trially.database.budgeted_pool import BudgetedPool
from trially.database.compiling import engine_without
from trially.database.engines import engine_registry
from trially.database.placement import current_placement
from trially.database.sealed_compiling import Sealed, sealed_in
from trially.database.since import lacking


def tenant_engine() -> Engine:
    """Return the current placement's engine, or raise `NoTenantError`.

    For a tenant that lacks something, or seals fields, it is one with the same connections that
    compiles statements differently. It is kept with the pool: a session has one connection for
    each engine, so it must be the same one during a transaction.
    """
    placement = current_placement()
    engine, without = engine_registry().engine_for(placement), lacking()
    sealed = sealed_in(placement.fields)
    if not without and sealed is Sealed.NOTHING:
        return engine
    pool = engine.pool
    assert isinstance(pool, BudgetedPool)  # noqa: S101
    key = (engine, without, sealed)
    reduced = pool.reduced.get(key)
    if reduced is None:
        reduced = pool.reduced.setdefault(key, engine_without(engine, without, sealed))
    return reduced
