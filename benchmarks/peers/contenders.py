"""The apps that are compared, and how each is served."""

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryFile

from uuid_utils.compat import uuid7

from benchmarks.installation import Installation
from benchmarks.load import compose_request
from benchmarks.peers.environment import PYTHON
from benchmarks.peers.populating import Population, populate_conventional, populate_peer, slug_of
from benchmarks.processes import THREADS, WebServer, free_port, gunicorn, serving
from benchmarks.requests import PATH, new_patient
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier

YARDSTICK = "conventional, lean (C)"
TIERS = {
    "trially, own database": Tier.DEDICATED_DATABASE,
    "trially, own schema": Tier.OWN_SCHEMA,
    "trially, pooled rows": Tier.POOLED_ROWS,
}
LIST = f"{PATH}?limit=50"
LEAST_COMPOSED = 100
COMPOSED_PER_SECOND = 3_000
"""A burst that sends more begins again, and its creations would be refused."""

BUDGET_FOR_ALL = 160
"""Connections of a process that suffice for 100 tenants with their own databases."""


class Calls:
    """The requests to one app. Those of a round are the same for every app, but for headers."""

    def __init__(
        self, population: Population, tokens: list[str], headers: Callable[[int], dict[str, str]]
    ) -> None:
        self._patient_ids = population.patient_ids
        self._tokens = tokens
        self._headers = [headers(number) for number in range(len(tokens))]

    def compose(self, kind: str, tenants: int, seed: int, seconds: float) -> list[str]:
        """Return the requests of a burst to tenants drawn at random, each equally likely."""
        chance = random.Random(f"{kind} {tenants} {seed}")
        number = LEAST_COMPOSED + int(COMPOSED_PER_SECOND * seconds)
        return [self._compose(kind, chance.randrange(tenants), chance) for _ in range(number)]

    def _compose(self, kind: str, number: int, chance: random.Random) -> str:
        token, headers = self._tokens[number], self._headers[number]
        if kind == "create":
            body = json.dumps(new_patient(uuid7().int))
            return compose_request("POST", PATH, token, body, headers)
        path = LIST if kind == "list 50" else f"{PATH}/{chance.choice(self._patient_ids)}"
        return compose_request("GET", path, token, headers=headers)


@dataclass(frozen=True)
class Contender:
    """An app that is compared."""

    name: str
    served_by: str
    leaves_out: str
    serve: Callable[[], AbstractContextManager[WebServer]]
    calls: Calls
    least_tenants: int = 1
    """It is not measured with fewer."""


def trially_apps(installed: Installation, population: Population) -> list[Contender]:
    """Return trially in each tier, and the twin."""
    issuer = state_of(installed.app).dev_issuer
    tokens = {
        name: [
            issuer.issue_token(subject=subject, tenant=slug_of(tier, number))
            for number, subject in enumerate(population.subjects)
        ]
        for name, tier in TIERS.items()
    }
    served_by = "gunicorn with trially's worker class"
    found = [
        Contender(
            name,
            served_by,
            "nothing",
            partial(_deployed, "benchmarks.twin:trially_app()", installed.environment),
            _without_headers(population, of_tier),
        )
        for name, of_tier in tokens.items()
    ]
    own_database = next(iter(TIERS))
    enough = {"TRIALLY_CONNECTIONS_PER_SERVER": str(BUDGET_FOR_ALL)}
    found.insert(
        1,
        Contender(
            f"{own_database}, {BUDGET_FOR_ALL} connections",
            served_by,
            f"nothing, and may keep {BUDGET_FOR_ALL} connections instead of the default",
            partial(_deployed, "benchmarks.twin:trially_app()", installed.environment | enough),
            _without_headers(population, tokens[own_database]),
            least_tenants=2,
        ),
    )
    return [
        *found,
        Contender(
            "the twin",
            served_by,
            "tenancy: one database, no directory of tenants, no guard, no cleaning of connections",
            partial(_deployed, "benchmarks.twin:twin_app()", installed.environment),
            _without_headers(population, tokens[own_database]),
        ),
    ]


def conventional_apps(installed: Installation, population: Population) -> list[Contender]:
    """Return the yardstick, and the conventional app that does more."""
    settings = populate_conventional(installed, population)
    environment = installed.environment | settings.to_environment()
    calls = _without_headers(population, _tokens(installed, population))

    def contender(name: str, leaves_out: str, factory: str) -> Contender:
        app = f"benchmarks.peers.flask_apps:{factory}()"
        serve = partial(gunicorn, app, environment, worker_class="gthread")
        return Contender(name, "gunicorn with gthread", leaves_out, serve, calls)

    return [
        contender(
            YARDSTICK,
            "tenancy, member, permission, audit record, 28 of 35 fields, masking, limits, log line,"
            " metrics",
            "lean_app",
        ),
        contender(
            "conventional, equal", "tenancy, masking, limits, log line, metrics", "equal_app"
        ),
    ]


def django_tenants(installed: Installation, population: Population) -> list[Contender]:
    """Return the app with django-tenants."""
    package = "benchmarks.peers.django_project"
    environment = populate_peer(installed, "django_tenants", f"{package}.seed", population)
    return [
        Contender(
            "django-tenants",
            "gunicorn with gthread",
            "audit record, masking, limits, log line, metrics; a schema per tenant, without a"
            " database role of its own",
            partial(
                gunicorn,
                f"{package}.wsgi:application",
                environment,
                worker_class="gthread",
                python=str(PYTHON),
            ),
            Calls(
                population,
                _tokens(installed, population),
                lambda number: {"Host": population.name_host(number)},
            ),
        )
    ]


def fastapi_tenancy(
    strategy: str, installed: Installation, population: Population
) -> list[Contender]:
    """Return the app with fastapi-tenancy, which isolates tenants by a strategy."""
    environment = populate_peer(
        installed,
        f"fastapi_{strategy}",
        "benchmarks.peers.fastapi_seed",
        population,
        TENANCY_ISOLATION_STRATEGY=strategy,
    )
    return [
        Contender(
            f"fastapi-tenancy, {strategy}",
            "uvicorn",
            "audit record, masking, limits, log line, metrics; a header names the tenant, and all"
            " tenants share a database role",
            partial(_uvicorn, "benchmarks.peers.fastapi_app:app", environment),
            Calls(
                population,
                _tokens(installed, population),
                lambda number: {"X-Tenant-ID": population.name_tenant(number)},
            ),
        )
    ]


PEERS: Mapping[str, Callable[[Installation, Population], list[Contender]]] = {
    "django-tenants": django_tenants,
    "fastapi-tenancy, schema": partial(fastapi_tenancy, "schema"),
    "fastapi-tenancy, database": partial(fastapi_tenancy, "database"),
    "fastapi-tenancy, rls": partial(fastapi_tenancy, "rls"),
}


def _tokens(installed: Installation, population: Population) -> list[str]:
    issuer = state_of(installed.app).dev_issuer
    return [issuer.issue_token(subject=subject, tenant=None) for subject in population.subjects]


def _without_headers(population: Population, tokens: list[str]) -> Calls:
    return Calls(population, tokens, lambda _number: {})


@contextmanager
def _deployed(factory: str, environment: dict[str, str]) -> Iterator[WebServer]:
    """Serve an app of trially as in production, with as many threads as the other apps."""
    port = free_port()
    size = {"WEB_CONCURRENCY": "1", "WEB_THREADS": str(THREADS)}
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"]
    command += ["--bind", f"127.0.0.1:{port}", factory]
    with TemporaryFile("w+") as log, ExitStack() as running:
        try:
            server = running.enter_context(serving(command, port, environment | size, log=log))
        except SystemExit:
            log.seek(0)
            print(log.read()[-2_000:], file=sys.stderr)
            raise
        yield server


@contextmanager
def _uvicorn(app: str, environment: dict[str, str]) -> Iterator[WebServer]:
    port = free_port()
    command = [str(PYTHON), "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning"]
    with serving(command, port, environment) as server:
        yield server
