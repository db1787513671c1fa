"""The command `flask tenants prove`: its choice of attackers, its output and its reports."""

import json

import pytest

from trially.proving.reports import ForgedReportError, sign, verify


def test_a_seed_chooses_the_same_attackers_again(fleet):
    def pairings(*options):
        result = fleet.run("tenants", "prove", "--dry-run", "--json", "--attackers", "2", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    first = pairings()
    again = pairings("--seed", first["seed"])
    others = [pairings("--seed", seed)["pairings"] for seed in range(5)]

    assert first == again
    assert any(other != first["pairings"] for other in others)
    neighbours = {p["tenant"]: p["attackers"] for p in first["pairings"]}
    assert "schema-two" in neighbours["schema-one"]
    assert "pooled-one" in neighbours["pooled-two"]
    assert all(len(set(attackers)) == 2 for attackers in neighbours.values())


def test_a_report_is_verified(fleet, tmp_path):
    path = tmp_path / "proof.json"
    fleet.run("tenants", "prove", "pooled-one", "--attackers", "1", "--out", path)
    document = json.loads(path.read_text())

    genuine = fleet.run("tenants", "prove", "--verify", path)
    document["report"]["counts"]["breached"] += 1
    path.write_text(json.dumps(document))
    forged = fleet.run("tenants", "prove", "--verify", path)
    path.write_text("{}")
    nothing = fleet.run("tenants", "prove", "--verify", path)

    assert (genuine.exit_code, forged.exit_code, nothing.exit_code) == (0, 1, 1)
    assert "is valid: " in genuine.output
    assert "was changed" in forged.output
    assert "not a signed report" in nothing.output


def test_the_signature_of_another_installation_is_rejected():
    signed = sign({"format": "trially-proof/2"}, "one secret")

    assert verify(json.dumps(signed).encode(), "one secret") == {"format": "trially-proof/2"}
    with pytest.raises(ForgedReportError):
        verify(json.dumps(signed).encode(), "another secret")


def test_the_attempts_are_printed_as_a_table(fleet):
    result = fleet.run("tenants", "prove", "schema-one", "--seed", "7")

    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["path", "held", "documented"]
    assert any(line.startswith("read by qualified name") and "USAGE" in line for line in lines)
    assert lines[-1].startswith("1 tenants, 3 attackers, ")
    assert lines[-1].endswith("seed 7.")


def test_an_unknown_tenant_is_an_error(fleet):
    result = fleet.run("tenants", "prove", "nobody")

    assert (result.exit_code, result.output) == (
        1,
        "Error: The tenant 'nobody' does not exist. `flask tenants list` shows all tenants.\n",
    )
