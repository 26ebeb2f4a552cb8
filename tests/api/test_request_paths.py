"""api/paths.py: which raw path is which row."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsmgate.api.paths import Paths
from hsmgate.api.routes import ROUTES, Route
from hsmgate.errors import Failure, Reason
from support.rows import SAMPLES, sample_path

PATHS = Paths(ROUTES)


def reason_of(method: str, raw: bytes) -> Reason:
    with pytest.raises(Failure) as caught:
        PATHS.find(method, raw)
    return caught.value.reason


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.action)
def test_every_row_is_found_at_its_path(route: Route) -> None:
    path = sample_path(route)
    match = PATHS.find(route.method, path.encode())
    assert match.route is route
    assert match.params == tuple(SAMPLES[name] for name in re.findall(r"{(\w+)}", route.path))


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        (b"a%2Fb", "a/b"),
        (b"a%2fb", "a/b"),
        (b"%C3%A4", "ä"),
        (b"%F0%9F%94%91", "🔑"),
        (b"a%20b", "a b"),
        (b"a+b", "a+b"),
        (b"%252F", "%2F"),
        (b"...", "..."),
        (b"a%3Fb%23", "a?b#"),
        (b"deleteKey", "deleteKey"),
        (b"master%2F44'%2F0'", "master/44'/0'"),
    ],
)
def test_a_name_is_decoded_once_within_its_segment(segment: bytes, name: str) -> None:
    assert PATHS.find("DELETE", b"/v1/key/" + segment).params == (name,)


@pytest.mark.parametrize(
    "segment",
    [
        b"%",
        b"%2",
        b"%zz",
        b"%u0041",
        b"%00",
        b"a%00b",
        b"%FF",
        b"%C0%AF",  # overlong /
        b"%E0%80%AF",
        b"%ED%A0%80",  # a surrogate
        b"%F4%90%80%80",  # beyond Unicode
        b"\xc3\xa4",
        b"a b",
        b"a\tb",
    ],
)
def test_wrong_encodings_are_refused(segment: bytes) -> None:
    assert reason_of("DELETE", b"/v1/key/" + segment) is Reason.BAD_REQUEST


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"//",
        b"*",
        b"v1/key",
        b"/v1",
        b"/v1/key/",
        b"/v1//key",
        b"//v1/key",
        b"/v1/../v1/key",
        b"/v1/./key",
        b"/V1/key",
        b"/v1/KEY",
        b"/v1/%6bey",
        b"/v1/key%2F",
        b"/v1%2Fkey",
        b"/v1/key;a=b",
        b"/v1/key/a/b",
        b"/v1/key//attributes",
        b"/v1/key/a/attributes/",
        b"/v1/key/%2e%2e/attributes",
        b"/v1/key/../attributes",
        b"/v1/keys",
        b"\\v1\\key",
        b"/actuator/health/",
        b"/actuator",
        b"http://localhost/v1/key",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_normalised(method: str, raw: bytes) -> None:
    assert reason_of(method, raw) is Reason.NO_SUCH_PATH


@pytest.mark.parametrize("segment", [b".", b"..", b"%2e", b"%2E%2e", b".%2e"])
def test_dot_segments_name_no_key(segment: bytes) -> None:
    assert reason_of("DELETE", b"/v1/key/" + segment) is Reason.NO_SUCH_PATH


@pytest.mark.parametrize(
    ("method", "raw", "methods"),
    [
        ("PUT", b"/v1/key", ["GET", "POST"]),
        ("HEAD", b"/v1/key", ["GET", "POST"]),
        ("get", b"/v1/key", ["GET", "POST"]),
        ("OPTIONS", b"/v1/verify", ["POST"]),
        ("GET", b"/v1/key/attributes", ["DELETE", "POST"]),
        ("POST", b"/v1/key/orders/attributes", ["GET"]),
        ("POST", b"/actuator/health", ["GET"]),
    ],
)
def test_another_method_is_told_from_an_unknown_path(method: str, raw: bytes, methods: list[str]) -> None:
    assert reason_of(method, raw) is Reason.METHOD_NOT_ALLOWED
    assert PATHS.methods(raw) == methods


def test_methods_of_an_unknown_path() -> None:
    assert PATHS.methods(b"/v1/nothing") == []


@given(st.sampled_from(["GET", "POST", "DELETE"]), st.binary(max_size=60))
def test_arbitrary_bytes_match_or_are_refused(method: str, tail: bytes) -> None:
    for raw in (tail, b"/v1/key/" + tail, b"/v1/key/" + tail + b"/attributes"):
        try:
            match = PATHS.find(method, raw)
        except Failure as failure:
            if failure.reason not in {Reason.NO_SUCH_PATH, Reason.METHOD_NOT_ALLOWED, Reason.BAD_REQUEST}:
                raise
        else:
            assert "\0" not in "".join(match.params)
