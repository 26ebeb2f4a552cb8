"""Rows of the table as requests: a path that each matches."""

import re

from hsmgate.api.routes import Route

SAMPLES = {"keyName": "orders", "id": "none-such", "length": "16", "file": "page.css"}  # for every parameter of a path


def sample_path(route: Route) -> str:
    """The row's path with a value for each parameter."""
    return re.sub(r"\{(\w+)\}", lambda match: SAMPLES[match[1]], route.path)
