"""Which names a tenant's domain may have."""

import pytest

from trially.organisation.branding.domains import normal_domain


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Trials.Heartland.org.", "trials.heartland.org"),
        ("bücher.de", "xn--bcher-kva.de"),
        ("a-b.co.uk", "a-b.co.uk"),
        ("xn--80ak6aa92e.com", "xn--80ak6aa92e.com"),
    ],
)
def test_a_name_has_one_form(name: str, expected: str) -> None:
    assert normal_domain(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "db.internal",
        "printer.local",
        "192.0.2.1",
        "[2001:db8::1]",
        "https://heartland.org",
        "heartland.org:443",
        "heartland.org/x",
        "user@heartland.org",
        "-a.org",
        "a..org",
        "*.heartland.org",
        "a b.org",
        "org",
        "a" * 64 + ".org",
        ".".join(["a" * 60] * 5) + ".org",
        "x.example",
    ],
)
def test_what_is_no_web_site_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        normal_domain(name)
