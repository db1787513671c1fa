import json
import re

import pytest

UNKNOWN = "Error: The tenant 'nobody' does not exist. `flask tenants list` shows all tenants.\n"


@pytest.fixture
def succeed(run_command):
    """Run a command that must succeed, and return its output."""

    def run(*arguments):
        result = run_command(*arguments)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_a_tenant_is_created_shown_and_listed(succeed):
    output = succeed(
        "tenants", "create", "riverside", "--name", "River [b]Side[/b]", "--kind", "cro"
    )
    shown = json.loads(succeed("tenants", "show", "riverside", "--json"))
    listed = {item["slug"]: item for item in json.loads(succeed("tenants", "list", "--json"))}

    assert re.fullmatch(rf"Created riverside \({shown['id']}\) in \d+ ms\.\n", output)
    assert listed["riverside"].items() <= shown.items()
    assert (shown["name"], shown["kind"]) == ("River [b]Side[/b]", "cro")
    assert (shown["status"], shown["tier"]) == ("active", "dedicated_database")
    assert shown["former"] == []
    assert set(shown) == {
        "former",
        "id",
        "slug",
        "name",
        "kind",
        "status",
        "plan",
        "region",
        "time_zone",
        "tier",
        "server",
        "database",
        "schema",
        "epoch",
        "created_at",
        "erase_after",
        "last_backup",
        "fields",
        "recovery",
        "lost_at_most",
        "features",
        "limits",
        "overrides",
        "legal_hold",
        "updated_at",
        "members",
        "is_reachable",
        "revision",
        "size_bytes",
        "last_used_at",
    }
    table = succeed("tenants", "list").splitlines()
    columns = ["slug", "name", "kind", "status", "tier", "server", "plan", "created_at"]
    assert table[0].split() == columns
    assert any("River [b]Side[/b]" in line for line in table)
    assert "region        -\n" in succeed("tenants", "show", "riverside")


def test_a_created_tenant_is_json(succeed):
    created = json.loads(succeed("tenants", "create", "hillside", "--name", "Hill", "--json"))

    shown = json.loads(succeed("tenants", "show", "hillside", "--json"))
    assert created.items() <= shown.items()


def test_a_tenant_is_renamed_suspended_and_resumed(succeed, tenant):
    new = f"{tenant.slug}-new"

    renamed = succeed("tenants", "rename", tenant.slug, new, "--yes")
    assert renamed == f"Renamed {tenant.slug} to {new}.\n"
    assert succeed("tenants", "suspend", new, "--yes") == f"Suspended {new}.\n"
    assert json.loads(succeed("tenants", "show", tenant.slug, "--json"))["status"] == "suspended"
    assert succeed("tenants", "resume", tenant.slug) == f"Resumed {new}.\n"
    for verb in (
        ("suspend", new, "--yes"),
        ("resume", new),
        ("rename", new, tenant.slug, "--yes"),
    ):
        assert json.loads(succeed("tenants", *verb, "--json"))["id"] == str(tenant.id)


def test_operations_are_listed(succeed, tenant):
    items = json.loads(succeed("operations", "list", "--json"))
    operation = next(item for item in items if item["tenant"] == tenant.slug)

    assert (operation["kind"], operation["state"], operation["step"]) == (
        "provision",
        "done",
        "activate",
    )
    assert operation["id"] in succeed("operations", "list")
    assert (
        json.loads(succeed("operations", "resume", operation["id"], "--json"))[0]["state"] == "done"
    )
    assert succeed("operations", "resume") == "No operation is interrupted.\n"
    assert json.loads(succeed("operations", "resume", "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("tenants", "show", "nobody"), UNKNOWN),
        (("tenants", "suspend", "nobody"), UNKNOWN),
        (("tenants", "resume", "nobody"), UNKNOWN),
        (("tenants", "rename", "nobody", "somebody"), UNKNOWN),
        (
            ("tenants", "create", "admin", "--name", "X"),
            "Error: The slug 'admin' is reserved. Choose another one.\n",
        ),
        (
            ("tenants", "create", "Bad", "--name", "X"),
            (
                "Error: The slug 'Bad' is invalid. A slug has 3 to 40 lower-case letters, digits "
                "and hyphens, begins with a letter and does not end with a hyphen.\n"
            ),
        ),
        (
            ("tenants", "create", "fine", "--name", "X", "--server", "moon"),
            "Error: The server 'moon' does not exist. `flask servers list` shows all servers.\n",
        ),
        (
            ("tenants", "create", "fine", "--name", "X" * 201),
            "Error: The name has 201 characters. At most 200 are allowed.\n",
        ),
        (
            ("operations", "resume", "00000000-0000-0000-0000-000000000001"),
            (
                "Error: The operation 00000000-0000-0000-0000-000000000001 does not exist. "
                "`flask operations list` shows them.\n"
            ),
        ),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_failure_is_one_sentence(run_command, arguments, sentence, as_json):
    result = run_command(*arguments, *(["--json"] if as_json else []))

    assert result.exit_code == 1
    if as_json:
        error = json.loads(result.stderr)["error"]
        assert (f"Error: {error['message']}\n", error["exit_status"]) == (sentence, 1)
        assert result.stdout == ""
    else:
        assert result.output == sentence


def test_a_taken_slug_is_one_sentence(run_command, tenant):
    result = run_command("tenants", "create", tenant.slug, "--name", "X")

    sentence = f"The slug {tenant.slug!r} is already taken. Choose another one."
    assert (result.exit_code, result.output) == (1, f"Error: {sentence}\n")


def test_an_unforeseen_failure_prints_nothing_of_its_message(run_command, monkeypatch):
    def fail(*_arguments, **_options):
        raise KeyError("Jane Roe")

    monkeypatch.setattr("trially.tenancy.lifecycle.create_commands.create_tenant", fail)

    result = run_command("tenants", "create", "fine", "--name", "X")

    assert result.exit_code == 1
    assert result.output == (
        "Error: The command failed with KeyError. Run it with `flask --debug …` to see the"
        " traceback.\n"
    )


def test_a_usage_error_stays_a_usage_error(run_command):
    result = run_command("tenants", "create", "fine")

    assert result.exit_code == 2
    assert "--name" in result.output


def test_no_output_has_a_secret(succeed, app, tenant, settings):
    with app.app_context():
        from trially.tenancy.servers.access import server_access

        access = server_access()
        secrets = [
            settings.secret_key,
            access.admin_url.password,
            access.role_password(tenant.placement.role),
            "SCRAM-SHA",
        ]
    outputs = [
        succeed("tenants", "list", "--json"),
        succeed("tenants", "show", tenant.slug, "--json"),
        succeed("tenants", "show", tenant.slug),
        succeed("operations", "list", "--json"),
        repr(access),
        repr(settings.database_url),
    ]

    for output in outputs:
        assert not [secret for secret in secrets if secret and secret in output]


def test_a_lock_that_is_not_given_in_time_is_one_sentence(run_command, app, tenant, monkeypatch):
    from tenant_databases import as_tenant

    from trially.tenancy.schema import guard
    from trially.tenancy.servers.connections import execute

    monkeypatch.setattr(guard, "LOCK_TIMEOUT_SECONDS", 0.05)
    with as_tenant(app, tenant) as raw:
        execute(raw, f"BEGIN; SELECT trially.enter('{tenant.id}', 1)")
        result = run_command("tenants", "suspend", tenant.slug, "--yes")

    assert (result.exit_code, result.output) == (
        1,
        "Error: The database reported an error (LockNotAvailable, SQLSTATE 55P03).\n",
    )
    assert json.loads(run_command("tenants", "show", tenant.slug, "--json").output)["epoch"] == 1
