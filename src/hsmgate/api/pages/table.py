"""All documents that are served, by name."""

import msgspec

from hsmgate.api.openapi.document import Facts, document
from hsmgate.api.pages.assets import read_assets
from hsmgate.api.pages.calls import API_DOCS, CONFIG, PAGE
from hsmgate.api.plan import Document
from hsmgate.api.wire.pages import SwaggerConfig


def documents(facts: Facts) -> dict[str, Document]:
    """What the rows of the pages give: the description, and the page that shows it."""
    page, files = read_assets()
    description = document(facts, tuple(files))
    return {
        API_DOCS: _json(description),
        CONFIG: _json(SwaggerConfig(CONFIG, API_DOCS)),
        PAGE: page,
        **{f"/swagger-ui/{name}": file for name, file in files.items()},
    }


def _json(value: object) -> Document:
    return Document("application/json", msgspec.json.encode(value))
