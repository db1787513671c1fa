"""`flask tenants create --from`: checked whole, and completed by a second run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle import creating_many, operations
from trially.tenancy.lifecycle.listing import list_tenants
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.lifecycle.status import rename_tenant
from trially.tenancy.lifecycle.tenant_files import MOST_FAULTS

ROWS = (("one", "One", "who|1"), ("two", "Two, of 2", ""))
FORMATS = ("csv", "json", "toml")


def listed(kind: str) -> str:
    """Return a file of two pooled tenants, whose slugs begin with its kind."""
    rows = [(f"{kind}-{slug}", name, owner) for slug, name, owner in ROWS]
    if kind == "csv":
        lines = [f'{slug},"{name}",pooled_rows,{owner}\n' for slug, name, owner in rows]
        return "slug,name,tier,owner\n" + "".join(lines)
    items = [
        {"slug": slug, "name": name, "tier": "pooled_rows", **({"owner": owner} if owner else {})}
        for slug, name, owner in rows
    ]
    if kind == "json":
        return json.dumps(items)
    tables = ["".join(f'{name} = "{value}"\n' for name, value in item.items()) for item in items]
    return "".join(f"[[tenants]]\n{table}" for table in tables)


@pytest.fixture
def create(app: Flask, tmp_path: Path) -> Callable[..., Any]:
    """Write a file, and create its tenants."""

    def run(name: str, text: str, *options: str) -> Any:
        path = tmp_path / name
        path.write_text(text)
        runner = app.test_cli_runner()
        return runner.invoke(args=["tenants", "create", "--from", str(path), "--json", *options])

    return run


@pytest.fixture(scope="module")
def known(app: Flask) -> None:
    """A tenant that has another slug now."""
    with app.app_context():
        create_tenant("former", "Known", tier=Tier.POOLED_ROWS)
        rename_tenant("former", "current")


def slugs(app: Flask) -> set[str]:
    with app.app_context():
        return {tenant.slug for tenant in list_tenants()}


def results(outcome: Any) -> list[tuple[str, str]]:
    return [(each["slug"], each["result"]) for each in json.loads(outcome.stdout)]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_second_run_creates_only_what_is_missing(
    app: Flask, create: Callable[..., Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, text, one, two = f"t.{kind}", listed(kind), f"{kind}-one", f"{kind}-two"
    before = slugs(app)
    assert results(create(name, text, "--dry-run")) == [(one, "to create"), (two, "to create")]
    assert slugs(app) == before

    def fail_once(slug: str, name: str, **options: Any) -> Any:
        if slug == one:
            raise RuntimeError("a patient's name")
        return create_tenant(slug, name, **options)

    with monkeypatch.context() as patch:
        patch.setattr(creating_many, "create_tenant", fail_once)
        failed = create(name, text)
    assert failed.exit_code == 1
    assert results(failed) == [(one, "failed"), (two, "created")]
    assert "a patient's name" not in failed.output

    done = create(name, text)
    assert done.exit_code == 0, done.output
    assert results(done) == [(one, "created"), (two, "exists")]
    assert slugs(app) - before == {one, two}


def test_a_creation_that_was_killed_is_finished(
    app: Flask, create: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    owner = {"owner": "who|1", "owner_issuer": None}
    with app.app_context(), monkeypatch.context() as patch:
        patch.setattr(operations, "_run", die)
        with pytest.raises(KeyboardInterrupt):
            create_tenant("killed-one", "One", tier=Tier.POOLED_ROWS, parameters=owner)

    text = listed("csv").replace("csv-", "killed-")
    assert results(create("t.csv", text)) == [("killed-one", "created"), ("killed-two", "created")]


HEADER = "slug,name,tier,server,region,time_zone,owner_issuer,kind\n"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.csv", HEADER + "ok-one,Fine,,,,,,\nNO,Bad,,,,,,\n", "line 3: The slug 'NO'"),
        ("t.csv", HEADER + "ok-one,Fine,,,,,,\nok-one,Twice,,,,,,\n", "listed in line 2"),
        ("t.csv", HEADER + "ok-one,Fine,cloud,,,,,\n", "tier is 'cloud'"),
        ("t.csv", HEADER + "ok-one,Fine,,mars,,,,\n", "The server 'mars' does not exist"),
        ("t.csv", HEADER + "ok-one,Fine,,,mars,,,\n", "in the region 'mars'"),
        ("t.csv", HEADER + "ok-one,Fine,,,,Mars/Here,,\n", "The time zone 'Mars/Here'"),
        ("t.csv", HEADER + "ok-one,Fine,,,,,x,\n", "owner_issuer is given without owner"),
        ("t.csv", HEADER + "ok-one,Fine,silo,,,,,\n", "silo"),
        ("t.csv", HEADER + "ok-one,,,,,,,\n", "name is missing"),
        ("t.csv", HEADER + "ok-one\n", "another number of cells"),
        ("t.csv", "slug,name,colour\nok-one,Fine,red\n", "'colour' is unknown"),
        ("t.csv", "slug,name\n", "lists no tenants"),
        ("t.json", '[{"slug": "ok-one", "name": 7}]', "name is not a text"),
        ("t.json", '[["ok-one"]]', "not a tenant with names"),
        ("t.json", '{"slug": "ok-one"}', "must have a list"),
        ("t.json", "[" * 100_000, "not valid"),
        ("t.toml", 'tenant = "ok-one"', "[[tenants]]"),
        ("t.toml", "=", "not valid"),
        ("t.yaml", "- slug: ok-one", "must end with"),
        ("t.csv", HEADER + "former,Fine,,,,,,\n", "former slug of 'current'"),
        ("t.csv", HEADER + "current,Another name,,,,,,\n", "its name is 'Known'"),
        ("t.csv", HEADER + "current,Known,own_schema,,,,,\n", "its tier is 'pooled_rows'"),
    ],
)
def test_one_fault_and_nothing_is_created(
    app: Flask, create: Callable[..., Any], known: None, name: str, text: str, told: str
) -> None:
    before = slugs(app)

    refused = create(name, text)

    assert refused.exit_code == 1
    assert told in json.loads(refused.stderr)["error"]["message"]
    assert slugs(app) == before


def test_many_faults_are_counted(create: Callable[..., Any]) -> None:
    refused = create("t.csv", "slug,name\n" + "NO,Bad\n" * (MOST_FAULTS + 5))

    assert "… and 5 more" in json.loads(refused.stderr)["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("a-one",),
        ("a-one", "--name", "A", "--dry-run"),
        ("a-one", "--from", __file__),
        ("--from", __file__, "--tier", "pooled_rows"),
        (),
    ],
)
def test_one_tenant_or_one_file(
    run_command: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    assert run_command("tenants", "create", *arguments).exit_code == 2
