"""Texts that operators type cannot be misread in lists, logs and reports."""

import pytest

from trially.tenancy.names import check_line

UNSAFE = ["line\nbreak", "nul\0", "esc\x1b[2J", "\u202egnisrever", "para\u2029graph"]
BLANK_OR_LONG = ["", "  ", "x" * 300]

COMMANDS = {
    "name": ("tenants", "create", "texts", "--name", "{}"),
    "plan": ("tenants", "create", "texts", "--name", "Texts", "--plan", "{}"),
    "region": ("tenants", "create", "texts", "--name", "Texts", "--region", "{}"),
    "region of a server": ("servers", "change", "default", "--region", "{}"),
    "connection": ("tenants", "connections", "add", "{slug}", "{}"),
    "member": ("tenants", "members", "add", "{slug}", "--subject", "{}", "--role", "owner"),
    "issuer": (
        *("tenants", "members", "add", "{slug}", "--subject", "somebody"),
        *("--role", "owner", "--issuer", "{}"),
    ),
    "owner": ("tenants", "create", "texts", "--name", "Texts", "--owner", "{}"),
    "source": ("imports", "fhir", "{slug}", ".", "--source", "{}"),
}


@pytest.fixture(scope="module")
def slug(make_tenant):
    return make_tenant().slug


@pytest.mark.parametrize("text", [*UNSAFE, *BLANK_OR_LONG])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_text_that_could_be_misread_is_refused_by_name(run_command, slug, command, text):
    arguments = [argument.replace("{slug}", slug) for argument in COMMANDS[command]]

    result = run_command(*(text if argument == "{}" else argument for argument in arguments))

    assert result.exit_code in (1, 2), result.output
    assert any(word in result.stderr for word in ("blank", "characters")), result.stderr
    assert not {"\0", "\x1b", "\u202e"} & set(result.stderr)
    assert run_command("tenants", "show", "texts").exit_code == 1


@pytest.mark.parametrize("name", ["Universitätsklinikum Köln", "東京大学"])
def test_names_of_any_language_are_accepted(name):
    assert check_line(name, "The name", 200) == name
