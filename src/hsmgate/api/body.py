"""The request body: its media type, its bounds, and its strict decoding into a wire record."""

import re
from typing import Any

import msgspec

from hsmgate.api.asgi import Headers, Receive, values
from hsmgate.errors import Failure, Reason

_LAST_COMMA = re.compile(rb"(?<=[\"\]}0-9el]),[ \t\r\n]*}[ \t\r\n]*\Z")  # behind a value


def announced(headers: Headers) -> bool:
    """Whether the header says that a body follows."""
    lengths = values(headers, b"content-length")
    return any(length.strip() != b"0" for length in lengths) or bool(values(headers, b"transfer-encoding"))


def check_media_type(headers: Headers) -> None:
    """Failure(UNSUPPORTED_MEDIA_TYPE) unless the body is plain application/json in UTF-8."""
    types = values(headers, b"content-type")
    encodings = values(headers, b"content-encoding")
    if len(types) != 1 or not _is_json(types[0].decode("latin-1")):
        raise Failure(Reason.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json in UTF-8.")
    if any(encoding.strip().lower() != b"identity" for encoding in encodings):
        raise Failure(Reason.UNSUPPORTED_MEDIA_TYPE, "The body must not have a Content-Encoding.")


def check_length(headers: Headers, limit: int) -> None:
    """Refuse an announced length over `limit` bytes before anything is read. Failure: BODY_TOO_LARGE, BAD_REQUEST."""
    for length in values(headers, b"content-length"):
        digits = length.strip()
        if not digits.isdigit():
            raise Failure(Reason.BAD_REQUEST, "Content-Length is no number.")
        if len(digits) > 12 or int(digits) > limit:
            raise _too_large(limit)


async def read(receive: Receive, limit: int) -> bytes | None:
    """The whole body, counted while it comes; None where the client went away. Failure: BODY_TOO_LARGE."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def decode(raw: bytes, decoder: msgspec.json.Decoder[Any], *, comma: bool = False) -> Any:  # noqa: ANN401 - the row's body type
    """The wire record. `comma`: one before the last brace is passed over.

    Failure: INVALID_JSON (not JSON), INVALID_INPUT (a field is missing or of a wrong type).
    """
    if comma:
        raw = _LAST_COMMA.sub(b"}", raw)
    try:
        raw.decode("utf-8")  # msgspec skips the strings of unknown members unread
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise Failure(Reason.INVALID_INPUT, str(error)) from None  # names the field
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Failure(Reason.INVALID_JSON, "The body is not valid JSON.") from None


def _is_json(content_type: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [p.partition("=")[2].strip('"') for p in parameters if p.startswith("charset=")]
    return kind == "application/json" and all(charset == "utf-8" for charset in charsets)


def _too_large(limit: int) -> Failure:
    return Failure(Reason.BODY_TOO_LARGE, f"The body is larger than {limit} bytes.")
