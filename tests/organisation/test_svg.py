"""What stays of an SVG."""

import pytest
from lxml import etree

from trially.organisation.branding.svg import UnsafeSvgError, sanitise

START = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def cleaned(inner: str, attributes: str = "") -> str:
    return sanitise(f"{START} {attributes}>{inner}</svg>".encode()).decode()


ATTACKS = {
    "script": "<script>alert(1)</script>",
    "CDATA script": "<script><![CDATA[alert(1)]]></script>",
    "handler": '<rect onclick="alert(1)" width="1"/>',
    "handler in upper case": '<rect ONLOAD="alert(1)"/>',
    "foreign object": "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'>"
    "<img src='x' onerror='alert(1)'/></body></foreignObject>",
    "HTML element": "<html:script xmlns:html='http://www.w3.org/1999/xhtml'>alert(1)</html:script>",
    "link": '<a href="javascript:alert(1)"><text>x</text></a>',
    "xlink": '<use xlink:href="https://evil.example/x.svg#a"/>',
    "data use": '<use href="data:image/svg+xml;base64,AAAA#a"/>',
    "picture": '<image href="https://evil.example/x.png"/>',
    "filter picture": '<filter><feImage href="https://evil.example/x.png"/></filter>',
    "animation": '<set attributeName="href" to="javascript:alert(1)"/>',
    "animated handler": '<animate attributeName="onclick" values="alert(1)"/>',
    "paint": '<rect fill="url(https://evil.example/#a)"/>',
    "two paints": '<rect fill="url(#a) url(//evil.example/#b)"/>',
    "spaced paint": '<rect fill="url (https://evil.example/#a)"/>',
    "style attribute": '<rect style="background:url(https://evil.example/x)"/>',
    "escaped style": '<rect style="background:\\75rl(https://evil.example/x)"/>',
    "import": "<style>@import 'https://evil.example/x.css';</style>",
    "font": "<style>@font-face{font-family:a;src:url(https://evil.example/f)}</style>",
    "style picture": "<style>svg{background:image-set('https://evil.example/x' 1x)}</style>",
    "base": '<g xml:base="https://evil.example/"><use href="#a"/></g>',
    "comment": "<!-- https://evil.example -->",
    "instruction": "<?xml-stylesheet href='https://evil.example/x.css'?>",
    "handler element": "<handler xmlns:ev='http://www.w3.org/2001/xml-events'>alert(1)</handler>",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_runs_or_is_loaded(attack: str) -> None:
    found = cleaned(ATTACKS[attack]).lower()

    for part in ("evil.example", "alert", "javascript", "data:", "script", "import", "onload"):
        assert part not in found, found


def test_shapes_texts_and_own_paints_stay() -> None:
    inner = (
        '<defs><linearGradient id="g"><stop offset="0" stop-color="#fff"/></linearGradient></defs>'
        "<style>.a{fill:#123456;stroke:url(#g)}</style>"
        '<g transform="scale(2)"><path class="a" d="M0 0h8v8z" fill="url(#g)"/>'
        '<text x="1" style="font-size:4px">Hi<tspan dy="1">!</tspan> you</text></g>'
        '<use xlink:href="#g" x="2"/>'
    )
    found = cleaned(inner, 'viewBox="0 0 8 8"')

    for part in (
        'viewBox="0 0 8 8"',
        ".a{fill:#123456;stroke:url(#g)}",
        'd="M0 0h8v8z"',
        'fill="url(#g)"',
        'href="#g"',
        "Hi<tspan",
        " you",
    ):
        assert part in found
    assert sanitise(found.encode()).decode() == found


def test_text_behind_a_removed_element_stays() -> None:
    found = cleaned("<text>one<a>gone</a> two<tspan>x</tspan>y<a/>z</text>")

    assert "one two<tspan>x</tspan>yz" in found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<html><body/></html>",
        b"<svg/>",
        b'<svg xmlns="http://www.w3.org/1999/xhtml"/>',
        f'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>{START}>&x;</svg>'.encode(),
        f'<!DOCTYPE svg [<!ENTITY x "aa"><!ENTITY y "&x;&x;">]>{START}>&y;</svg>'.encode(),
        f"<!DOCTYPE svg SYSTEM 'https://evil.example/x.dtd'>{START}/>".encode(),
        f"{START}>{'<g/>' * 6_000}</svg>".encode(),
        f"{START}>{'<g>' * 100}{'</g>' * 100}</svg>".encode(),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(UnsafeSvgError):
        sanitise(content)


def test_the_result_is_well_formed_whatever_its_encoding() -> None:
    content = f"<?xml version='1.0' encoding='UTF-16'?>{START}><text>Ä</text></svg>"

    assert etree.fromstring(sanitise(content.encode("utf-16")))[0].text == "Ä"
