"""Sanitise pictures in SVG: only what is on a list stays, whatever a browser may come to run."""

import re
from collections.abc import Iterator

from lxml import etree  # type: ignore[import-untyped]

SVG = "http://www.w3.org/2000/svg"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
MOST_ELEMENTS = 5_000
DEEPEST = 64


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ELEMENTS = _words(
    "svg g defs symbol use title desc style"
    " path rect circle ellipse line polyline polygon text tspan textPath"
    " linearGradient radialGradient stop pattern clipPath mask marker"
    " filter feBlend feColorMatrix feComponentTransfer feComposite feDropShadow feFlood feFuncA"
    " feFuncB feFuncG feFuncR feGaussianBlur feMerge feMergeNode feMorphology feOffset"
)
"""Shapes, texts and paints. Missing are scripts, links, animations, pictures and HTML."""

ATTRIBUTES = _words(
    "id class style transform viewBox preserveAspectRatio width height version role"
    " x y x1 y1 x2 y2 cx cy r rx ry fx fy fr dx dy rotate textLength lengthAdjust d points"
    " pathLength offset spreadMethod gradientUnits gradientTransform patternUnits"
    " patternContentUnits patternTransform clipPathUnits maskUnits maskContentUnits"
    " markerUnits markerWidth markerHeight refX refY orient startOffset method spacing"
    " filterUnits primitiveUnits in in2 result stdDeviation mode type values operator"
    " k1 k2 k3 k4 radius tableValues slope intercept amplitude exponent"
    " fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap"
    " stroke-linejoin stroke-miterlimit stroke-dasharray stroke-dashoffset opacity color"
    " stop-color stop-opacity clip-path clip-rule mask filter flood-color flood-opacity"
    " marker-start marker-mid marker-end paint-order vector-effect shape-rendering"
    " text-rendering display visibility overflow mix-blend-mode isolation"
    " font-family font-size font-weight font-style font-variant font-stretch letter-spacing"
    " word-spacing text-anchor text-decoration dominant-baseline alignment-baseline"
    " baseline-shift"
)
_ADDRESS = re.compile(r"url\s*\(", re.IGNORECASE)
_OWN_ADDRESS = re.compile(r"url\(\s*(['\"]?)#[\w.-]+\1\s*\)")
_OTHER_ADDRESS = re.compile(
    r"[\\@<]|image-set|expression|javascript:|-moz-binding|behavior", re.IGNORECASE
)
"""What refers to something outside in CSS, or could spell that with escapes."""


class UnsafeSvgError(ValueError):
    """The file is no SVG picture that can be stored. The message says why."""


def sanitise(content: bytes) -> bytes:
    """Return the picture with listed elements and attributes only.

    Anything that would refer to another file is removed. Raises `UnsafeSvgError` for what is not
    well-formed, has a document type, is too large, or is no SVG.
    """
    root = _parse(content)
    if root.tag != f"{{{SVG}}}svg":
        raise UnsafeSvgError("The file is no SVG picture: its root element is another one.")
    cleaned = etree.Element(root.tag, nsmap={None: SVG})
    _copy(root, cleaned, DEEPEST)
    cleaned_text: bytes = etree.tostring(cleaned, encoding="utf-8", xml_declaration=True)
    return cleaned_text


def _parse(content: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnsafeSvgError("The file is not well-formed XML.") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnsafeSvgError("The file has a document type (DOCTYPE). Save it without one.")
    if sum(1 for _ in root.iter()) > MOST_ELEMENTS:
        raise UnsafeSvgError(f"The picture has more than {MOST_ELEMENTS} elements.")
    return root


def _copy(source: etree._Element, target: etree._Element, levels: int) -> None:
    """Copy what is allowed of an element into one that exists."""
    for name, value in _attributes(source):
        target.set(name, value)
    is_style = target.tag == f"{{{SVG}}}style"
    target.text = _safe_style(source.text) if is_style else source.text
    for child in source:
        copied = _copied(child, levels)
        if copied is None:
            _append_text(target, child.tail)
            continue
        if is_style:
            continue
        copied.tail = child.tail
        target.append(copied)


def _copied(child: etree._Element, levels: int) -> etree._Element | None:
    if not isinstance(child.tag, str):
        return None
    name = etree.QName(child.tag)
    if name.namespace != SVG or name.localname not in ELEMENTS:
        return None
    if levels == 0:
        raise UnsafeSvgError(f"The picture is nested deeper than {DEEPEST} levels.")
    copied = etree.Element(child.tag, nsmap={None: SVG})
    _copy(child, copied, levels - 1)
    return copied


def _attributes(element: etree._Element) -> Iterator[tuple[str, str]]:
    for name, value in element.attrib.items():
        if name in (XLINK_HREF, "href"):
            if re.fullmatch(r"#[\w.-]+", value):
                yield "href", value
        elif name in ATTRIBUTES and _is_safe(value):
            yield str(name), str(value)


def _safe_style(text: str | None) -> str | None:
    """Return rules of CSS, or None if one of them could load anything."""
    return text if text is not None and _is_safe(text) else None


def _is_safe(value: str) -> bool:
    """Return whether a value refers to nothing but elements of the same picture."""
    if _OTHER_ADDRESS.search(value):
        return False
    return len(_ADDRESS.findall(value)) == len(_OWN_ADDRESS.findall(value))


def _append_text(target: etree._Element, tail: str | None) -> None:
    """Keep the text behind a removed element."""
    if not tail:
        return
    if len(target):
        target[-1].tail = (target[-1].tail or "") + tail
    else:
        target.text = (target.text or "") + tail
