"""Describe the demo to its user: addresses, clients, tokens and settings of a web app."""

import http.client
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from trially.auth.signing_keys import DISCOVERY_PATH
from trially.config import current_settings
from trially.demo.organisations import DEMO_ORGANISATIONS, DemoOrganisation, DemoPerson
from trially.dev_issuer import DevIssuer
from trially.dev_issuer.clients import MACHINE_SECRET, WEB_CLIENT_ID
from trially.openapi.start_page import guide_path
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.lifecycle.server_descriptions import describe_servers
from trially.tenancy.lifecycle.status import list_tenants
from trially.tenancy.servers.registering import all_servers
from trially.terminal import plural

PROBE_SECONDS = 1.0
PERSON_ROLE = "coordinator"
SERVER_FIELDS = ("name", "state", "tenants", "reachable")


def describe_addresses(issuer: DevIssuer) -> dict[str, str]:
    """Return the addresses of the demo by what they lead to."""
    url, guide = current_settings().public_url, guide_path()
    return {
        "api": f"{url}/api/v1",
        "platform": f"{url}/api/v1/platform",
        "docs": f"{url}/docs/",
        **({"guide": url + guide} if guide else {}),
        "openapi": f"{url}/openapi.json",
        "issuer": issuer.url,
        "discovery": issuer.url + DISCOVERY_PATH,
    }


def describe_demo(issuer: DevIssuer) -> dict[str, Any]:
    """Return what `flask demo status` prints as JSON."""
    url = current_settings().public_url
    placements, servers = _active_placements(), describe_servers(all_servers())
    present = [one for one in DEMO_ORGANISATIONS if one.slug in placements]
    return {
        "url": url,
        "is_served": is_served(url),
        "addresses": describe_addresses(issuer),
        "web_client_id": WEB_CLIENT_ID,
        "servers": [{name: one[name] for name in SERVER_FIELDS} for one in servers],
        "tenants": [_describe_tenant(issuer, one, placements[one.slug]) for one in present],
        "env": describe_environment(issuer),
    }


def describe_environment(issuer: DevIssuer) -> dict[str, str]:
    """Return the variables of a Next.js app that signs in with Auth.js.

    Auth.js reads the issuer and the client id of a provider `trially` from these names.
    """
    return {
        "AUTH_SECRET": secrets.token_urlsafe(32),
        "AUTH_TRUST_HOST": "true",
        "AUTH_TRIALLY_ISSUER": issuer.url,
        "AUTH_TRIALLY_ID": WEB_CLIENT_ID,
        "TRIALLY_URL": current_settings().public_url,
    }


def format_status(status: dict[str, Any]) -> str:
    """Return the description as text. Only the lines with tokens are longer than 80 columns."""
    state = "is served" if status["is_served"] else "is not served; start it with `make run`"
    lines = [f"The demo {state}.", ""]
    lines += _format_addresses(status["addresses"])
    lines += [
        "",
        f"Client of a web app: {status['web_client_id']} (no secret; code flow with PKCE S256)",
        "Token of an operator: flask operators token --role platform_admin",
        "",
    ]
    lines += [*map(_format_server, status["servers"]), ""]
    for tenant in status["tenants"]:
        hours = tenant["expires_in"] // 3600
        lines += [
            f"{tenant['slug']}: {tenant['name']}, {tenant['tier']} on {tenant['server']}",
            f"Machine client: {tenant['machine_client_id']}, secret {MACHINE_SECRET}",
            f"Token of {tenant['person']} ({PERSON_ROLE}), valid for {hours} hours:",
            tenant["token"],
            "",
        ]
    lines.append("# .env.local of a Next.js app with Auth.js")
    lines += [f"{name}={value}" for name, value in status["env"].items()]
    return "\n".join(lines)


def format_banner(issuer: DevIssuer, listening_at: str) -> str:
    """Return what `flask demo serve` prints before it serves."""
    organisation = DEMO_ORGANISATIONS[0]
    url = current_settings().public_url
    person = _person_of(organisation)
    token = issuer.issue_token(subject=person.subject, tenant=organisation.slug)
    rows = [("tenant", "tier", "patients", "name")]
    placements = _active_placements()
    for one in DEMO_ORGANISATIONS:
        tier = placements[one.slug].tier if one.slug in placements else one.tier
        rows.append((one.slug, tier, str(one.patients), one.name))
    table = [f"{slug:18}{tier:20}{count:>8}  {name}" for slug, tier, count, name in rows]
    listens = [] if listening_at == url else [f"Listens at  {listening_at}"]
    return "\n".join(
        [
            "",
            *table,
            "",
            *_format_addresses(describe_addresses(issuer)),
            *listens,
            "",
            f"Request a first patient as {person.display_name} of {organisation.name}:",
            "",
            f'curl -H "Authorization: Bearer {token}" "{url}/api/v1/patients?limit=1"',
            "",
            "`make status` prints the addresses again, a token for each tenant, and the",
            "settings of a web app. Press Ctrl-C to stop the server.",
        ]
    )


def _format_addresses(addresses: dict[str, str]) -> list[str]:
    names = {"api": "API", "openapi": "OpenAPI"}
    return [f"{names.get(name, name.title()):12}{url}" for name, url in addresses.items()]


def _active_placements() -> Mapping[str, PlacementRecord]:
    """Return where the active tenants are now, by slug."""
    tenants = list_tenants()
    return {one.slug: one.placement for one in tenants if one.status == TenantStatus.ACTIVE}


def _format_server(server: dict[str, Any]) -> str:
    state = "" if server["reachable"] else ", not reachable"
    return f"Server {server['name']}: {plural(server['tenants'], 'tenant')}{state}"


def _describe_tenant(
    issuer: DevIssuer, organisation: DemoOrganisation, placement: PlacementRecord
) -> dict[str, Any]:
    person = _person_of(organisation)
    return {
        "slug": organisation.slug,
        "name": organisation.name,
        "kind": organisation.kind,
        "tier": placement.tier,
        "server": placement.server.name,
        "machine_client_id": f"svc-{organisation.slug}",
        "machine_client_secret": MACHINE_SECRET,
        "person": person.display_name,
        "token": issuer.issue_token(subject=person.subject, tenant=organisation.slug),
        "expires_in": issuer.lifetime_seconds,
    }


def _person_of(organisation: DemoOrganisation) -> DemoPerson:
    return next(one for one in organisation.people if one.role == PERSON_ROLE)


def is_served(url: str) -> bool:
    """Return whether a server answers at a URL."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=PROBE_SECONDS
    )
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
