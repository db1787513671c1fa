"""The branding that a tenant chooses, and who sees it before signing in."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from members import Member
from owners import OwnerIn, RunJobs
from PIL import Image
from werkzeug.test import TestResponse

from trially.organisation.public.branding import DEFAULT
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant

PATH = "/settings/branding"
CHOSEN = {
    "product_name": "Heartland Trials",
    "primary_color": "#123456",
    "on_primary_color": "#ffffff",
    "accent_color": "#9c3f06",
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><path d="M0 0h1"/></svg>'
PUBLIC = "/api/v1/branding"


def png(color: str = "#123456") -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), color).save(file, "PNG")
    return file.getvalue()


def choose(owner: Member, **changes: Any) -> dict[str, Any]:
    answer = owner.patch(PATH, json={**CHOSEN, **changes})
    assert answer.status_code == 200, answer.json
    return dict(answer.json)


def upload(owner: Member, content: bytes, media_type: str) -> TestResponse:
    etag = owner.get(PATH).headers["ETag"]
    headers = {"If-Match": etag, "Content-Type": media_type}
    return owner.request("PUT", f"{PATH}/logo", data=content, headers=headers)


@pytest.fixture
def branding_of(stranger: FlaskClient) -> Callable[..., TestResponse]:
    return lambda **query: stranger.get(PUBLIC, query_string=query)


def test_each_tenant_has_its_own_branding(
    owner_in: OwnerIn, tier: Tier, run_jobs: RunJobs, branding_of: Callable[..., TestResponse]
) -> None:
    ours, theirs, plain = owner_in(tier), owner_in(tier), owner_in(tier)
    choose(ours)
    choose(theirs, product_name="Other", primary_color="#654321")
    theirs.patch("/settings", json={"locale": "fr-CA"})
    assert branding_of(slug=ours.tenant.slug).json["product_name"] == DEFAULT["product_name"]

    run_jobs()

    own, other = (branding_of(slug=each.tenant.slug) for each in (ours, theirs))
    expected = {**CHOSEN, "locale": "en-US", "logo_url": None, "etag": own.headers["ETag"]}
    assert own.json == expected
    assert (other.json["product_name"], other.json["locale"]) == ("Other", "fr-CA")
    assert other.json["primary_color"] == "#654321"
    default = branding_of(slug=plain.tenant.slug)
    unknown = branding_of(slug="no-such-tenant")
    assert default.data == unknown.data
    assert default.headers["ETag"] == unknown.headers["ETag"]


def test_an_answer_can_be_cached(
    owner: Member,
    run_jobs: RunJobs,
    stranger: FlaskClient,
    branding_of: Callable[..., TestResponse],
) -> None:
    choose(owner)
    run_jobs()

    answer = branding_of(slug=owner.tenant.slug)

    assert answer.headers["Cache-Control"].startswith("public, max-age=60")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in answer.headers
    again = stranger.get(
        PUBLIC,
        query_string={"slug": owner.tenant.slug},
        headers={"If-None-Match": answer.headers["ETag"]},
    )
    assert (again.status_code, again.data) == (304, b"")


def test_a_suspended_tenant_and_one_without_the_feature_look_like_unknown_ones(
    owner: Member, run_jobs: RunJobs, run_command: Any, app: Flask, branding_of: Any
) -> None:
    choose(owner)
    slug = owner.tenant.slug
    unknown = branding_of(slug="unknown").data
    run_jobs()
    assert branding_of(slug=slug).data != unknown

    run_command("tenants", "suspend", slug, "--yes")
    run_jobs()
    assert branding_of(slug=slug).data == unknown

    run_command("tenants", "resume", slug)
    with app.app_context():
        change_tenant(slug, TenantChange(features={Feature.BRANDING: False}, reason="A test"))
    run_jobs()
    assert branding_of(slug=slug).data == unknown
    with app.app_context():
        change_tenant(slug, TenantChange(removed=[Feature.BRANDING]))
    run_jobs()
    assert branding_of(slug=slug).data != unknown


def test_without_the_feature_branding_is_only_read(owner: Member, app: Flask) -> None:
    with app.app_context():
        change_tenant(owner.tenant.slug, TenantChange(plan="free"))

    assert owner.get(PATH).status_code == 200
    requests = (("PATCH", PATH), ("PUT", f"{PATH}/logo"), ("DELETE", f"{PATH}/logo"))
    for method, path in (*requests, ("POST", f"{PATH}/verify-domain")):
        refused = owner.request(method, path)
        assert (refused.status_code, refused.json["code"]) == (403, "feature_not_in_plan")
    assert owner.patch("/settings", json={"locale": "fr"}).status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 200),
        ({"slug": "a", "domain": "b.org"}, 400),
        ({"slug": "a" * 41}, 400),
        ({"domain": ""}, 400),
        ({"tenant": "a"}, 400),
        ({"slug": "'; DROP TABLE tenant; --"}, 200),
        ({"domain": "..\x00"}, 200),
    ],
)
def test_what_is_no_name_has_no_other_answer(
    branding_of: Callable[..., TestResponse], query: dict[str, str], status: int
) -> None:
    answer = branding_of(**query)

    assert answer.status_code == status, answer.json
    if status == 200:
        assert answer.json["product_name"] == DEFAULT["product_name"]


def test_unknown_names_cost_no_query(
    app: Flask, branding_of: Callable[..., TestResponse], monkeypatch: pytest.MonkeyPatch
) -> None:
    branding_of(slug="first")

    def refuse(*_: object) -> None:
        raise AssertionError("An unknown name was looked up.")

    with app.app_context():
        from trially.tenancy.catalog_sessions import reader_engine

        monkeypatch.setattr(reader_engine(), "connect", refuse)
    monkeypatch.setattr("trially.organisation.public.branding.SECONDS", 60.0)
    for number in range(200):
        assert branding_of(slug=f"unknown-{number}").status_code == 200
        assert branding_of(domain=f"unknown-{number}.org").status_code == 200


@pytest.mark.parametrize(("content", "media_type"), [(png(), "image/png"), (SVG, "image/svg+xml")])
def test_a_logo_is_public_once_it_is_published(
    owner: Member,
    run_jobs: RunJobs,
    stranger: FlaskClient,
    branding_of: Callable[..., TestResponse],
    content: bytes,
    media_type: str,
) -> None:
    stored = upload(owner, content, media_type)
    assert stored.status_code == 200, stored.json
    assert stranger.get(stored.json["logo_url"]).status_code == 404

    run_jobs()

    url = branding_of(slug=owner.tenant.slug).json["logo_url"]
    assert url == stored.json["logo_url"]
    logo = stranger.get(url)
    assert (logo.status_code, logo.mimetype) == (200, media_type)
    assert b"alert" not in logo.data
    assert logo.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    )
    assert logo.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in logo.headers["Cache-Control"]
    cached = stranger.get(url, headers={"If-None-Match": logo.headers["ETag"]})
    assert cached.status_code == 304


def test_a_removed_logo_and_the_former_one_are_gone(
    owner: Member, run_jobs: RunJobs, stranger: FlaskClient
) -> None:
    first = upload(owner, png("#00ff00"), "image/png").json["logo_url"]
    second = upload(owner, png("#ff0000"), "image/png").json["logo_url"]
    run_jobs()
    assert [stranger.get(url).status_code for url in (first, second)] == [404, 200]

    etag = owner.get(PATH).headers["ETag"]
    removed = owner.request("DELETE", f"{PATH}/logo", headers={"If-Match": etag})

    assert removed.status_code == 204
    run_jobs()
    assert stranger.get(second).status_code == 404
    assert owner.get(PATH).json["logo_url"] is None


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"no picture", "image/png", 422),
        (b"", "image/png", 400),
        (b"x" * ((512 << 10) + 1), "image/png", 413),
        (b"GIF89a", "image/gif", 415),
        (b"<html/>", "text/html", 415),
        (b"<svg><script/></svg>", "image/svg+xml", 422),
    ],
)
def test_what_is_no_logo_is_refused(
    owner: Member, content: bytes, media_type: str, status: int
) -> None:
    assert upload(owner, content, media_type).status_code == status


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"primary_color": "red"}, "/primary_color"),
        ({"accent_color": "#12345"}, "/accent_color"),
        ({"accent_color": "#000000;background:url(//evil.example)"}, "/accent_color"),
        ({"product_name": "x" * 81}, "/product_name"),
        ({"domain": "localhost"}, "/domain"),
        ({"domain": "https://heartland.org"}, "/domain"),
        ({"domain_token": "mine"}, "/domain_token"),
        ({"logo_digest": "0" * 64}, "/logo_digest"),
    ],
)
def test_values_that_could_do_harm_are_refused(
    owner: Member, change: dict[str, str], pointer: str
) -> None:
    refused = owner.patch(PATH, json=change)

    assert refused.status_code == 422, refused.json
    assert refused.json["errors"][0]["pointer"] == pointer


def test_colors_that_are_hard_to_read_are_named(owner: Member) -> None:
    answer = choose(owner, on_primary_color="#345678", accent_color="#ffff00")

    found = {each["pointer"]: each for each in answer["warnings"]}
    assert set(found) == {"/on_primary_color", "/accent_color"}
    assert found["/accent_color"] == {
        "pointer": "/accent_color",
        "against": "#ffffff",
        "contrast": 1.07,
        "needed": 4.5,
    }
    assert choose(owner)["warnings"] == []


def test_null_restores_the_default(
    owner: Member, run_jobs: RunJobs, branding_of: Callable[..., TestResponse]
) -> None:
    choose(owner)
    owner.patch(PATH, json=dict.fromkeys(CHOSEN))

    run_jobs()

    unknown = branding_of(slug="unknown").data
    assert branding_of(slug=owner.tenant.slug).data == unknown


def test_a_change_of_another_version_is_refused(owner: Member) -> None:
    seen = {"If-Match": owner.get(PATH).headers["ETag"]}
    choose(owner)

    for method, path, options in (
        ("PATCH", PATH, {"json": {}}),
        ("PUT", f"{PATH}/logo", {"data": png()}),
        ("DELETE", f"{PATH}/logo", {}),
    ):
        types = {"PATCH": "application/merge-patch+json", "PUT": "image/png"}
        headers = {**seen, **({"Content-Type": types[method]} if method in types else {})}
        assert owner.request(method, path, headers=headers, **options).status_code == 412
