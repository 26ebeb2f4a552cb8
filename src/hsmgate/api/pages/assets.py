"""The files of the pages: a fixed table, read once, each under a name that changes with its content."""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from hsmgate.api.plan import Document

_OURS = "hsmgate.api.pages"
_SWAGGER = "swagger_ui_bundle"
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "png": "image/png"}
# the package that each comes from
FILES: MappingProxyType[str, str] = MappingProxyType(
    {
        "page.css": _OURS,
        "page.js": _OURS,
        "swagger-ui.css": _SWAGGER,
        "swagger-ui-bundle.js": _SWAGGER,
        "favicon-32x32.png": _SWAGGER,
    }
)
_FOR_GOOD = ((b"cache-control", b"private, max-age=31536000, immutable"),)
_SAME_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")
_PAGE_HEADERS = (
    (
        b"content-security-policy",
        b"; ".join(
            [
                b"default-src 'none'",
                b"script-src 'self'",
                b"style-src 'self'",
                b"img-src 'self' data:",
                b"connect-src 'self'",
                b"base-uri 'none'",
                b"form-action 'none'",
                b"frame-ancestors 'none'",
            ]
        ),
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    _SAME_ORIGIN,
    (b"x-frame-options", b"DENY"),
)


def read_assets() -> tuple[Document, dict[str, Document]]:
    """The page, and its files by the names that it calls them."""
    text, found = (files(_OURS) / "page.html").read_text("utf-8"), {}
    for name, package in FILES.items():
        octets = _place(package, name).read_bytes()
        stem, _, kind = name.rpartition(".")
        unique = f"{stem}.{hashlib.sha256(octets).hexdigest()[:16]}.{kind}"
        found[unique] = Document(_TYPES[kind], octets, (*_FOR_GOOD, _SAME_ORIGIN))
        text = text.replace(f'"/swagger-ui/{name}"', f'"/swagger-ui/{unique}"')
    return Document("text/html; charset=utf-8", text.encode(), _PAGE_HEADERS), found


def _place(package: str, name: str) -> Traversable:
    root = files(package)
    if package == _OURS:
        return root / name
    (version,) = (root / "vendor").iterdir()  # the package holds one version of Swagger UI
    return version / name
