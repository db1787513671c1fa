"""Engines of tenants' databases, created on demand; those of a server share one budget."""

from collections import deque
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any
from uuid import UUID

import orjson
import psycopg2
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.util import LRUCache

from trially.database import probing  # noqa: F401  the watchdog asks through it
from trially.database.budget import ConnectionBudget
from trially.database.budgeted_pool import BudgetedPool
from trially.database.connecting import Login, connect, open_within
from trially.database.connection_shares import BEFORE_ASKING, ask_share
from trially.database.dialect import PlacedConnection, PlacedDialect, replace_if_lost
from trially.database.placement import (
    Placement,
    ReplicaPlacement,
    current_placement,
    has_placement,
)
from trially.database.server_health import ServerHealth
from trially.database.uuids import read_uuids
from trially.database.watching import WatchedConnection, watchdog
from trially.state import app_state

ENGINES_KEPT = 2_000
"""An engine without connections takes some 20 kB."""

REPLICA_STALL_SECONDS = 0.3
REPLICA_DOUBT_SECONDS = 0.4
"""As `WatchedConnection.stall_seconds` and `longest_doubt_seconds`."""

REPLICA_CONNECT_SECONDS = 0.7
"""How long a request waits for a new connection to a replica; then the primary answers it."""

PROBE_SECONDS = 2
"""As `WatchedConnection.probe_seconds`, for connections of requests."""

STATEMENTS_CACHED = 1_000


@dataclass(frozen=True)
class Limits:
    """Limits of one process's connections to tenants' databases."""

    connections_per_server: int | None
    """None means the process's share of what the server accepts: `share_of_process`."""

    checkout_timeout_seconds: float
    """How long a request waits for a connection."""

    idle_seconds: float = 60.0
    """How long an idle connection is kept."""

    statement_seconds: float = 35.0
    """How long a statement may take in a transaction without a deadline."""

    slow_seconds: float = float("inf")
    """Duration from which a statement is reported as slow."""

    processes: int = 1
    """How many processes answer requests."""

    threads: int = 1
    """How many requests this process answers at the same time."""


class Server:
    """What all engines of one server share: the dialect, the connection budget and the health.

    The dialect queries the server when it is created, which may take as long as a connect.
    """

    def __init__(
        self, limits: Limits, dialect: PlacedDialect | None = None, *, is_replica: bool = False
    ) -> None:
        self.limits = limits
        self.dialect = dialect
        self._is_replica = is_replica
        self.budget = ConnectionBudget(
            limits.connections_per_server or BEFORE_ASKING,
            limits.checkout_timeout_seconds,
            limits.idle_seconds,
        )
        self.health = ServerHealth()
        self._login: Login | None = None
        """How the connection that was tried last logged in."""

        self.accepts_other = False
        """Whether the last new connection needed the password of the other secret key."""

        self._creating = Lock()
        watchdog.tidy_regularly(self)

    def dialect_for(self, placement: Placement) -> PlacedDialect:
        """Return the server's dialect; the first call connects to the server."""
        if self.dialect is None:
            with self._creating:
                if self.dialect is None:
                    self.dialect = self._create_dialect(placement.url, self.login(placement))
        return self.dialect

    def login(self, placement: Placement) -> Login:
        """Return how a placement's role logs in, with a guess from other roles' logins."""
        return Login(placement.url, placement.other_password, accepts_other=self.accepts_other)

    def open_connection(
        self, login: Login, connection_factory: type[WatchedConnection] = WatchedConnection
    ) -> WatchedConnection:
        """Open a connection, or fail at once while the server is silent."""
        self._login = login

        def open_one() -> WatchedConnection:
            return login.open(lambda url: connect(url, connection_factory=connection_factory))

        with self.health.connecting():
            raw = open_within(REPLICA_CONNECT_SECONDS, open_one) if self._is_replica else open_one()
        self.accepts_other = login.accepts_other
        raw.health = self.health
        raw.longest_seconds = self.limits.statement_seconds
        raw.probe_seconds = PROBE_SECONDS
        if self._is_replica:
            # The primary can answer instead, so a silent replica is given up sooner.
            raw.stall_seconds, raw.longest_doubt_seconds = (
                REPLICA_STALL_SECONDS,
                REPLICA_DOUBT_SECONDS,
            )
        return raw

    def tidy(self) -> None:
        """Close connections that have long been idle, and try a silent server again."""
        self.budget.tidy()
        login = self._login
        if login is not None:
            self.health.try_again(
                lambda: login.open(lambda url: connect(url, "trially-trial")).close()
            )

    def _create_dialect(self, url: URL, login: Login) -> PlacedDialect:
        """Create the server's dialect, and let it query the server once for what it needs.

        As in SQLAlchemy's `create_engine`, this connection begins no transaction. It needs no
        guard, because it reads no tenant's rows.
        """
        dialect = PlacedDialect(  # type: ignore[no-untyped-call]
            dbapi=psycopg2,
            use_native_hstore=False,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
        dialect.slow_seconds = self.limits.slow_seconds
        # A pool of its own, in which this checkout waits as others do if a limit is reached.
        pool = BudgetedPool(lambda: self.open_connection(login), self.budget, dialect=dialect)
        engine = Engine(pool, dialect, url)
        with Connection(engine, _has_events=False, _allow_autobegin=False) as unguarded:
            dialect.initialize(unguarded)  # type: ignore[no-untyped-call]
            limits = self.limits
            if limits.connections_per_server is None:
                self.budget.most = ask_share(unguarded, limits.processes, limits.threads)
        engine.dispose()
        return dialect


class EngineRegistry:
    """One engine per bind key. The engines of a server share a dialect and a connection budget.

    Statements are compiled once per dialect. With a shared dialect, the first request of a further
    tenant pays for neither that nor the dialect's own queries. No lock is held while a server is
    asked, except one of that server alone.
    """

    def __init__(self, engines: MutableMapping[str | None, Engine], limits: Limits) -> None:
        self._engines = engines
        self._limits = limits
        self._bind_keys: deque[str] = deque()
        self._lock = Lock()
        self._servers: dict[str, Server] = {}
        self._visits_in_turn = False
        self._compiled: LRUCache[Any, Any] = LRUCache(STATEMENTS_CACHED)

    def engine_for(self, placement: Placement) -> Engine:
        """Return the engine of a placement; a changed URL replaces the engine."""
        engine = self._engines.get(placement.bind_key)
        if engine is not None and engine.url == placement.url:
            return engine
        server = self._server_of(placement)
        dialect = server.dialect_for(placement)
        dropped: list[Engine] = []
        with self._lock:
            engine = self._engines.get(placement.bind_key)
            if engine is not None and engine.url != placement.url:
                dropped += self._drop(placement.bind_key)
                engine = None
            if engine is None:
                engine = self._create_engine(placement, server, dialect)
                self._engines[placement.bind_key] = engine
                self._bind_keys.append(placement.bind_key)
            while len(self._bind_keys) > ENGINES_KEPT:
                dropped += self._drop(self._bind_keys[0])
        _dispose(dropped)
        return engine

    def open_idle(self, placement: Placement, count: int) -> None:
        """Open connections of a placement until `count` are idle, as far as the budget has room."""
        pool = self.engine_for(placement).pool
        assert isinstance(pool, BudgetedPool)  # noqa: S101
        pool.fill(count)

    def forget(self, bind_key: str) -> None:
        """Drop one engine and close its idle connections."""
        with self._lock:
            dropped = self._drop(bind_key)
        _dispose(dropped)

    def visit_in_turn(self) -> None:
        """Keep the connections that help a process which visits all tenants in turn."""
        with self._lock:
            self._visits_in_turn = True
            for server in self._servers.values():
                server.budget.closes_newest = True

    def budgets(self) -> Mapping[str, ConnectionBudget]:
        """Return the budget of each server that has an engine, by the server's name."""
        return {name: server.budget for name, server in list(self._servers.items())}

    def is_trusted(self, server: str) -> bool:
        """Return whether nothing suggests that a server does not answer."""
        known = self._servers.get(server)
        return known is None or not (known.health.is_doubtful or known.health.is_silent)

    def _server_of(self, placement: Placement) -> Server:
        with self._lock:
            server = self._servers.get(placement.server)
            if server is None:
                server = self._servers[placement.server] = self._create_server(placement)
                server.budget.closes_newest = self._visits_in_turn
            return server

    def _create_server(self, placement: Placement) -> Server:
        """Create what the engines of a server share; a replica has the dialect of its primary."""
        if not isinstance(placement, ReplicaPlacement):
            return Server(self._limits)
        primary = self._servers.get(placement.primary)
        if primary is None:
            return Server(self._limits, is_replica=True)
        replica = Server(self._limits, primary.dialect, is_replica=True)
        replica.budget.most = primary.budget.most
        return replica

    def _drop(self, bind_key: str) -> list[Engine]:
        """Remove an engine, and return it to be disposed of without the lock."""
        engine = self._engines.pop(bind_key, None)
        if engine is None:
            return []
        self._bind_keys.remove(bind_key)
        return [engine]

    def _create_engine(
        self, placement: Placement, server: Server, dialect: PlacedDialect
    ) -> Engine:
        login = server.login(placement)
        prepare: Any = dialect.on_connect()  # type: ignore[no-untyped-call]

        def open_connection() -> WatchedConnection:
            raw = server.open_connection(login, PlacedConnection)
            prepare(raw)
            read_uuids(raw)
            return raw

        pool = BudgetedPool(
            open_connection,
            server.budget,
            _current_tenant_id,
            dialect=dialect,
        )
        event.listen(pool, "checkout", replace_if_lost)
        engine = Engine(pool, dialect, placement.url, hide_parameters=True)
        return engine.execution_options(compiled_cache=self._compiled)


def _dispose(engines: Sequence[Engine]) -> None:
    """Close the idle connections of engines, which may take 200 ms for each connection."""
    for engine in engines:
        engine.dispose()


def _current_tenant_id() -> UUID | None:
    """Return the key of the queue in which a checkout waits: one queue per tenant."""
    return current_placement().tenant_id if has_placement() else None


def engine_registry() -> EngineRegistry:
    """Return the current app's engines of tenants' databases."""
    return app_state().engines
