"""Read issuer profiles from a file: the accepted tokens of each issuer, and their tenants."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.resolvers import (
    AudienceResolver,
    ClaimResolver,
    ConnectionResolver,
    MemberLookup,
    MembershipResolver,
    TenantResolver,
)
from trially.auth.signing_keys import CLIENT_ID, ClientKeys, RemoteKeys
from trially.config import ACCESS_TOKEN_TYPES, ALGORITHMS, Settings, SettingsError, is_secure
from trially.http.problems import to_pointers
from trially.tenancy.directory import MAX_TOKEN_LIFETIME

SETTING = "TRIALLY_ISSUER_PROFILES"
CLIENT_TYPES = (*ACCESS_TOKEN_TYPES, "JWT")
MAX_LEEWAY_SECONDS = 300

_text = validate.Length(1, 255)


class ResolverSchema(Schema):
    """The way to find the tenants that an issuer's tokens are for."""

    by = fields.String(
        required=True,
        validate=validate.OneOf(["claim", "audience", "connection", "membership"]),
    )
    claim = fields.String(validate=_text)
    path = fields.List(fields.String(validate=_text), validate=validate.Length(1, 8))
    prefix = fields.String(validate=_text)

    @validates_schema
    def refuse_unused_options(self, resolver: dict[str, Any], **_: Any) -> None:
        """Refuse options that have no effect, because the operator expects an effect."""
        options = {"claim": {"claim", "path"}, "audience": {"prefix"}, "connection": {"claim"}}
        for name in resolver.keys() - {"by"} - options.get(resolver["by"], set()):
            raise ValidationError(f"Has no effect with by = {resolver['by']!r}. Remove it.", name)
        if {"claim", "path"} <= resolver.keys():
            raise ValidationError("Set claim or path, not both.", "path")


class ProfileSchema(Schema):
    """One issuer, or all machine clients whose `iss` begins with one prefix."""

    issuer = fields.String(validate=_text)
    issuer_prefix = fields.String(validate=_text)
    clients = fields.List(fields.String(validate=_text), validate=validate.Length(1))
    audiences = fields.List(
        fields.String(validate=_text), required=True, validate=validate.Length(1)
    )
    algorithms = fields.List(
        fields.String(validate=validate.OneOf(ALGORITHMS)),
        validate=validate.Length(1),
        load_default=lambda: ["RS256", "ES256", "EdDSA"],
    )
    types = fields.List(
        fields.String(validate=validate.OneOf(CLIENT_TYPES)),
        validate=validate.Length(1),
        load_default=lambda: list(ACCESS_TOKEN_TYPES),
    )
    leeway_seconds = fields.Integer(
        strict=True, validate=validate.Range(0, MAX_LEEWAY_SECONDS), load_default=30
    )
    max_lifetime_seconds = fields.Integer(
        strict=True,
        validate=validate.Range(60, int(MAX_TOKEN_LIFETIME.total_seconds())),
        load_default=86_400,
    )
    jwks_url = fields.String(validate=_text)
    tenant = fields.Nested(ResolverSchema, load_default=lambda: {"by": "claim"})
    tenants = fields.List(fields.String(validate=_text), validate=validate.Length(1))

    @validates_schema
    def refuse_contradictions(self, profile: dict[str, Any], **_: Any) -> None:
        """Refuse a profile without exactly one issuer, or with options of the other kind."""
        prefix = profile.get("issuer_prefix")
        if ("issuer" in profile) == (prefix is not None):
            raise ValidationError("Set exactly one of issuer and issuer_prefix.")
        if prefix is not None:
            if not prefix.endswith("/"):
                raise ValidationError("Must end with a slash.", "issuer_prefix")
            if CLIENT_ID not in profile.get("jwks_url", CLIENT_ID):
                raise ValidationError(f"Must contain {CLIENT_ID}.", "jwks_url")
        else:
            if "JWT" in profile["types"]:
                raise ValidationError(
                    "JWT is allowed with issuer_prefix only, because ID tokens may have this type.",
                    "types",
                )
            if "clients" in profile:
                raise ValidationError("Has no effect without issuer_prefix. Remove it.", "clients")


class FileSchema(Schema):
    """The file of profiles."""

    profiles = fields.List(fields.Nested(ProfileSchema), required=True, validate=validate.Length(1))


def read_profiles(path: Path, settings: Settings) -> list[IssuerProfile]:
    """Return the profiles in a TOML or JSON file, or raise `SettingsError`."""
    try:
        document = FileSchema().load(_read_file(path))
    except ValidationError as error:
        fault = next(to_pointers(error.messages))
        raise SettingsError(
            f"{SETTING}: {path}, at {fault['pointer'] or '/'}: {fault['detail']}"
        ) from None
    profiles = []
    for number, profile in enumerate(document["profiles"]):
        for name in ("issuer", "issuer_prefix", "jwks_url"):
            if name in profile and not is_secure(
                profile[name], allow_loopback=settings.development
            ):
                raise SettingsError(
                    f"{SETTING}: {path}, at /profiles/{number}/{name}: Must be an https URL."
                )
        profiles.append(_to_profile(profile, settings))
    return profiles


def _read_file(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{SETTING}: {path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise SettingsError(f"{SETTING}: {path} cannot be parsed: {error}.") from None


def _to_profile(profile: Mapping[str, Any], settings: Settings) -> IssuerProfile:
    client_keys = None
    keys: RemoteKeys | ClientKeys
    options: dict[str, Any] = {
        "jwks_url": profile.get("jwks_url"),
        "allow_http": settings.development,
        "outage_seconds": settings.issuer_outage_seconds,
    }
    if "issuer_prefix" in profile:
        keys = client_keys = ClientKeys(
            profile["issuer_prefix"],
            clients=frozenset(profile["clients"]) if "clients" in profile else None,
            is_member=MemberLookup(profile["issuer_prefix"]),
            **options,
        )
    else:
        keys = RemoteKeys(profile["issuer"], **options)
    return IssuerProfile(
        issuer=profile.get("issuer_prefix") or profile["issuer"],
        audiences=tuple(profile["audiences"]),
        keys=keys,
        algorithms=frozenset(profile["algorithms"]),
        types=frozenset(profile["types"]),
        leeway_seconds=profile["leeway_seconds"],
        max_lifetime_seconds=profile["max_lifetime_seconds"],
        resolver=_to_resolver(profile["tenant"], settings),
        tenants=frozenset(profile["tenants"]) if "tenants" in profile else None,
        client_keys=client_keys,
    )


def _to_resolver(resolver: Mapping[str, Any], settings: Settings) -> TenantResolver:
    max_age_seconds = settings.placement_max_age_seconds
    match resolver["by"]:
        case "audience":
            return AudienceResolver(resolver.get("prefix", ""))
        case "connection":
            return ConnectionResolver(resolver.get("claim", "azp"), max_age_seconds)
        case "membership":
            return MembershipResolver(max_age_seconds)
        case _:
            claim = resolver.get("claim", settings.tenant_claim)
            return ClaimResolver(tuple(resolver.get("path", (claim,))))
