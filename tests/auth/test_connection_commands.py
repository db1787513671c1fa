import json


def test_connections_are_added_listed_and_removed(run_command, make_tenant):
    ours, other = make_tenant().slug, make_tenant().slug

    def run(verb, slug, *arguments):
        return run_command("tenants", "connections", verb, slug, *arguments)

    assert run("add", ours, "con_1").output == f"Added con_1 to {ours}.\n"
    again = run("add", ours, "con_1")
    assert (again.exit_code, again.output) == (0, f"con_1 is mapped to {ours} already.\n")
    taken = run("add", other, "con_1")
    assert (taken.exit_code, taken.output) == (
        1,
        "Error: The connection 'con_1' is already mapped to a tenant. Remove it there first.\n",
    )
    assert json.loads(run("list", ours, "--json").output) == [
        {"connection_id": "con_1", "origin": "operator", "issuer": None, "state": None}
    ]
    assert json.loads(run("list", other, "--json").output) == []
    wrong = run("remove", other, "con_1", "--yes")
    assert wrong.exit_code == 1
    assert wrong.output.startswith(f"Error: The tenant {other!r} has no connection 'con_1'.")
    assert json.loads(run("remove", ours, "con_1", "--yes", "--json").output) == {
        "tenant": ours,
        "connection_id": "con_1",
        "removed": True,
    }
    assert run("add", other, "con_1").exit_code == 0


def test_an_unknown_tenant_has_no_connections(run_command):
    for arguments in (("add", "con_1"), ("list",), ("remove", "con_1")):
        verb, *rest = arguments
        result = run_command("tenants", "connections", verb, "nobody", *rest)
        assert (result.exit_code, result.output) == (
            1,
            "Error: The tenant 'nobody' does not exist. `flask tenants list` shows all tenants.\n",
        )


def test_the_member_index_is_rebuilt(run_command, tenant):
    run_command(*("tenants", "members", "add", tenant.slug, "--subject", "ann", "--role", "viewer"))

    result = run_command("tenants", "members", "reindex", tenant.slug)

    assert result.output == f"Rebuilt the member index of {tenant.slug}. Members: 1.\n"
