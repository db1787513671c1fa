"""Which routes are for no tenant. Tests that enumerate tenants' routes leave them out."""

from werkzeug.routing import Rule

from trially.platform.paths import PREFIX

API_OF_PLATFORM = f"/api/v1{PREFIX}"
API_OF_ORGANISATIONS = "/api/v1/organisations"


def is_platform(rule: Rule) -> bool:
    return rule.rule.startswith(f"{API_OF_PLATFORM}/")


def is_organisations(rule: Rule) -> bool:
    return f"{rule.rule}/".startswith(f"{API_OF_ORGANISATIONS}/")


def is_of_no_tenant(rule: Rule) -> bool:
    return is_platform(rule) or is_organisations(rule)
