"""api/routes.py: each row stands in docs/reference/endpoints.md as it is."""

import re
from pathlib import Path

from hsmgate.api.routes import KB, ROUTES, Route

REFERENCE = Path(__file__).parents[2] / "docs/reference/endpoints.md"
ROW = re.compile(r"^\| `(\S+ \S+)` \| (\w+) \| (\d+) \| (\d+) KB \| ([a-z ]+) \| (\w+) \| \S.* \|$", re.MULTILINE)


def described(route: Route) -> tuple[str, ...]:
    return (
        route.action,
        route.role.value,
        str(route.ok),
        str(route.body_limit // KB),
        "not needed" if route.anonymous else "needed",
        "intent" if route.touches_key else "line" if route.audited else "none",
    )


def test_the_reference_has_every_row_as_it_is() -> None:
    assert ROW.findall(REFERENCE.read_text(encoding="utf-8")) == [described(route) for route in ROUTES]


def test_what_touches_a_key_is_audited_and_needs_a_certificate() -> None:
    assert all(route.audited and not route.anonymous for route in ROUTES if route.touches_key)
