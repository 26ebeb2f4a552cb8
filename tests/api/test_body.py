"""api/body.py: media types, lengths and pieces of request bodies, through the application."""

import asyncio

import pytest

from hsmgate.api.asgi import Message
from support.api import Api
from support.asgi_client import HOST, JSON, Headers, Response, scope_of, send_pieces


def pieces(api: Api, headers: Headers, *messages: Message, path: str = "/v1/key/attributes") -> Response:
    return asyncio.run(send_pieces(api.app, scope_of("POST", path, headers), messages))


def chunk(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    "value",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json;charset=UTF-8",
        b'application/json; charset="utf-8"',
        b"application/json ; charset=utf-8; profile=x",
    ],
)
def test_accepted_media_types(api: Api, value: bytes) -> None:
    response = api.call("POST", "/v1/key/attributes", {"label": "nobody"}, [HOST, (b"content-type", value)])
    assert response.status == 404


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"")],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"multipart/form-data; boundary=application/json")],
        [(b"content-type", b"application/jsonp")],
        [(b"content-type", b"text/plain; application/json")],
        [(b"content-type", b"application/json, text/plain")],
        [(b"content-type", b"application/json; charset=utf-16")],
        [(b"content-type", b"application/json; charset=utf-8; charset=latin1")],
        [JSON, JSON],
        [JSON, (b"content-encoding", b"gzip")],
        [(b"content-type", b"\xff")],
    ],
)
def test_other_media_types_are_415(api: Api, headers: Headers) -> None:
    response = api.call("POST", "/v1/key/attributes", {"label": "nobody"}, [HOST, *headers])
    assert (response.status, response.json["errorCode"]) == (415, 600)
    assert response.reads == 0


def test_no_body_needs_no_media_type(api: Api) -> None:
    assert api.call("GET", "/v1/key", headers=[HOST]).status == 200
    assert api.call("GET", "/v1/key", headers=[HOST, (b"content-type", b"text/plain")]).status == 200
    assert api.call("POST", "/v1/key", headers=[HOST]).json["errorCode"] == 621


def test_a_body_where_none_is_wanted_is_dropped(api: Api) -> None:
    assert api.call("GET", "/v1/key", raw=b"{whatever").status == 200


def test_a_body_in_pieces(api: Api) -> None:
    chunked = [HOST, JSON, (b"transfer-encoding", b"chunked")]
    response = pieces(api, chunked, chunk(b'{"lab', more=True), chunk(b'el":"nobo', more=True), chunk(b'dy"}'))
    assert response.status == 404


def test_nothing_may_follow_the_json(api: Api) -> None:
    assert api.call("POST", "/v1/key/attributes", raw=b'{"label":"nobody"} {}').json["errorCode"] == 621


def test_a_body_without_a_length_is_counted(api: Api) -> None:
    chunked = [HOST, JSON, (b"transfer-encoding", b"chunked")]
    endless = [chunk(b" " * 1000, more=True)] * 1000
    response = pieces(api, chunked, *endless)
    assert (response.status, response.json["errorCode"]) == (413, 600)
    assert response.header("connection") == "close"
    assert response.reads == 17


@pytest.mark.parametrize("length", [b"16385", b"99999999999999999999999999", b"-1", b"+5", b"0x10", b"1,1", b""])
def test_announced_lengths(api: Api, length: bytes) -> None:
    response = pieces(api, [HOST, JSON, (b"content-length", length)], chunk(b"{}"))
    assert response.status == (413 if length.isdigit() else 400)
    assert response.header("connection") == "close"
    assert response.reads == 0
