"""api/pages: a fixed table of files, nothing from elsewhere, and nothing of it where it is switched off."""

import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest

from hsmgate.api.pages.assets import FILES, read_assets
from hsmgate.api.routes import ROUTES
from hsmgate.usecases.ports import Keystore
from support.api import Api
from support.described import DOCUMENTS

PAGES = ["/", "/swagger-ui", "/swagger-ui/index.html"]
PATHS = [*PAGES, "/v3/api-docs", "/v3/api-docs/swagger-config"]


class Page(HTMLParser):
    """What a page loads, and what it has inside that a strict policy forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.forbidden: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._inside = tag
        if tag in {"script", "link"}:
            self.loaded.append(values.get("src") or values.get("href") or "")
        self.forbidden += [name for name in values if name == "style" or name.startswith("on")]

    def handle_endtag(self, _tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style"} and data.strip():
            self.forbidden.append(data)


@pytest.fixture
def paged(keystore: Keystore, executor: ThreadPoolExecutor) -> Api:
    return Api(keystore, executor, documents=DOCUMENTS)


def loaded(api: Api) -> list[str]:
    return Page(api.call("GET", "/").body.decode()).loaded


@pytest.mark.parametrize("path", PAGES)
def test_the_page_is_at_all_three_places(paged: Api, path: str) -> None:
    response = paged.call("GET", path)
    assert (response.status, response.header("content-type")) == (200, "text/html; charset=utf-8")
    assert response.header("cache-control") == "no-store"
    assert response.body == paged.call("GET", "/").body
    assert paged.admitted == [True, True]
    assert paged.audit.lines == []


def test_it_loads_its_own_files_and_nothing_is_inline(paged: Api) -> None:
    page = Page(paged.call("GET", "/").body.decode())
    assert page.forbidden == []
    assert len(page.loaded) == len(FILES)
    for path in page.loaded:
        response = paged.call("GET", path)
        assert response.status == 200
        assert response.header("cache-control") == "private, max-age=31536000, immutable"
        assert response.header("x-content-type-options") == "nosniff"
        assert re.fullmatch(r"/swagger-ui/[a-z0-9-]+\.[0-9a-f]{16}\.(css|js|png)", path)
        assert len(response.body) > 100


def test_the_policy_forbids_what_is_inline_and_what_is_foreign(paged: Api) -> None:
    policy = dict(
        part.strip().split(" ", 1)
        for part in (paged.call("GET", "/").header("content-security-policy") or "").split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_the_files_are_those_of_the_packages_and_their_names_change_with_them() -> None:
    page, files = read_assets()
    assert (page, files) == read_assets()
    assert {re.sub(r"\.[0-9a-f]{16}\.", ".", name) for name in files} == set(FILES)
    assert b"SwaggerUIBundle" in next(file.octets for name, file in files.items() if name.startswith("swagger-ui-b"))
    assert all(name in page.octets.decode() for name in files)


@pytest.mark.parametrize(
    "name",
    [
        *FILES,  # without their digest
        "swagger-ui.js",
        "oauth2-redirect.html",
        "..%2f..%2fpyproject.toml",
        "..%2Findex.html",
        "%2e%2e",
        "%2fetc%2fpasswd",
        "page.css%00",
        "__init__.py",
        "a%5C..%5Cb",
        "INDEX.HTML",
        "",
    ],
)
def test_nothing_else_is_a_file(paged: Api, name: str) -> None:
    response = paged.call("GET", f"/swagger-ui/{name}")
    assert response.status in {400, 404}
    assert set(response.json) == {"errorCode", "reason", "message"}


@pytest.mark.parametrize("path", ["/swagger-ui/", "//", "/swagger-ui/x/y", "/v3", "/v3/api-docs/", "/v3/api-docs.yaml"])
def test_paths_beside_them_are_none(paged: Api, path: str) -> None:
    assert paged.call("GET", path).status == 404


def test_where_to_look_is_told_by_the_service(paged: Api) -> None:
    told = paged.call("GET", "/v3/api-docs/swagger-config").json
    assert told == {"configUrl": "/v3/api-docs/swagger-config", "url": "/v3/api-docs", "validatorUrl": ""}
    document = paged.call("GET", told["url"])
    assert document.header("content-type") == "application/json"
    assert document.json["openapi"] == "3.1.0"


def test_switched_off_there_is_none_of_it(api: Api, paged: Api) -> None:
    for path in [*PATHS, *loaded(paged)]:
        response = api.call("GET", path)
        assert (response.status, response.json["errorCode"]) == (404, 102)
    assert api.call("GET", "/actuator/health").status == 200


def test_every_anonymous_row_is_health_or_a_page() -> None:
    open_rows = {route.path for route in ROUTES if route.anonymous}
    assert open_rows == {*PATHS, "/swagger-ui/{file}", "/actuator/health"}
