"""Read issuer profiles from a file: what is taken from each issuer, and for which tenants."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from trially.auth.resolvers import (
    AudienceResolver,
    ClaimResolver,
    ConnectionResolver,
    MembershipResolver,
    TenantResolver,
)
from trially.auth.signing_keys import CLIENT_ID, ClientKeys, RemoteKeys
from trially.auth.tokens import IssuerProfile
from trially.config import Settings, SettingsError, is_secure
from trially.http.problems import to_pointers
from trially.tenancy.directory import MAX_TOKEN_LIFETIME

SETTING = "TRIALLY_ISSUER_PROFILES"
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
ACCESS_TOKEN_TYPES = ("at+jwt", "application/at+jwt")
CLIENT_TYPES = (*ACCESS_TOKEN_TYPES, "JWT")
MAX_LEEWAY_SECONDS = 300

_text = validate.Length(1, 255)


class ResolverSchema(Schema):
    """Where an issuer's tokens say which tenants they are for."""

    by = fields.String(
        required=True,
        validate=validate.OneOf(["claim", "audience", "connection", "membership"]),
    )
    claim = fields.String(validate=_text)
    path = fields.List(fields.String(validate=_text), validate=validate.Length(1, 8))
    prefix = fields.String(validate=_text)

    @validates_schema
    def refuse_what_means_nothing(self, resolver: dict[str, Any], **_: Any) -> None:
        """Refuse words that the way chosen does not read: they were meant to do something."""
        read = {"claim": {"claim", "path"}, "audience": {"prefix"}, "connection": {"claim"}}
        for name in resolver.keys() - {"by"} - read.get(resolver["by"], set()):
            raise ValidationError(f"Means nothing by {resolver['by']}.", name)
        if {"claim", "path"} <= resolver.keys():
            raise ValidationError("Say claim or path, not both.", "path")


class ProfileSchema(Schema):
    """One issuer, or all machine clients that sign under one prefix."""

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
        """Refuse a profile that names no one issuer, or mixes people with machine clients."""
        prefix = profile.get("issuer_prefix")
        if ("issuer" in profile) == (prefix is not None):
            raise ValidationError("Say issuer or issuer_prefix, and one of them only.")
        if prefix is not None:
            if not prefix.endswith("/"):
                raise ValidationError("Must end with a slash.", "issuer_prefix")
            if CLIENT_ID not in profile.get("jwks_url", CLIENT_ID):
                raise ValidationError(f"Must contain {CLIENT_ID}.", "jwks_url")
        else:
            if "JWT" in profile["types"]:
                raise ValidationError("JWT is also what ID tokens may be called.", "types")
            if "clients" in profile:
                raise ValidationError("Means nothing without issuer_prefix.", "clients")


class FileSchema(Schema):
    """The file."""

    profiles = fields.List(fields.Nested(ProfileSchema), required=True, validate=validate.Length(1))


def read_profiles(path: Path, settings: Settings) -> list[IssuerProfile]:
    """Read the profiles in a TOML or JSON file, or raise `SettingsError`."""
    try:
        said = FileSchema().load(_read_file(path))
    except ValidationError as error:
        fault = next(to_pointers(error.messages))
        raise SettingsError(
            f"{SETTING}: {path}, at {fault['pointer'] or '/'}: {fault['detail']}"
        ) from None
    profiles = []
    for number, profile in enumerate(said["profiles"]):
        for name in ("issuer", "issuer_prefix", "jwks_url"):
            if name in profile and not is_secure(
                profile[name], allow_loopback=settings.development
            ):
                raise SettingsError(
                    f"{SETTING}: {path}, at /profiles/{number}/{name}: Is not an https URL."
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
        raise SettingsError(f"{SETTING}: {path} is not what its name says: {error}.") from None


def _to_profile(said: Mapping[str, Any], settings: Settings) -> IssuerProfile:
    client_keys = None
    keys: RemoteKeys | ClientKeys
    if "issuer_prefix" in said:
        clients = frozenset(said["clients"]) if "clients" in said else None
        keys = client_keys = ClientKeys(
            said["issuer_prefix"],
            jwks_url=said.get("jwks_url"),
            clients=clients,
            allow_http=settings.development,
        )
    else:
        keys = RemoteKeys(
            said["issuer"], jwks_url=said.get("jwks_url"), allow_http=settings.development
        )
    return IssuerProfile(
        issuer=said.get("issuer_prefix") or said["issuer"],
        audiences=tuple(said["audiences"]),
        keys=keys,
        algorithms=frozenset(said["algorithms"]),
        types=frozenset(said["types"]),
        leeway_seconds=said["leeway_seconds"],
        max_lifetime_seconds=said["max_lifetime_seconds"],
        resolver=_to_resolver(said["tenant"], settings),
        tenants=frozenset(said["tenants"]) if "tenants" in said else None,
        client_keys=client_keys,
    )


def _to_resolver(said: Mapping[str, Any], settings: Settings) -> TenantResolver:
    max_age_seconds = settings.placement_max_age_seconds
    match said["by"]:
        case "audience":
            return AudienceResolver(said.get("prefix", ""))
        case "connection":
            return ConnectionResolver(said.get("claim", "azp"), max_age_seconds)
        case "membership":
            return MembershipResolver(max_age_seconds)
        case _:
            claim = said.get("claim", settings.tenant_claim)
            return ClaimResolver(tuple(said.get("path", (claim,))))
