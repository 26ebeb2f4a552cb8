"""The JWT of a request: verified with configured keys alone, never issued, never fetched for."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import jwt

from hsmgate.errors import Failure, Reason
from hsmgate.pki.token_keys import TokenKey
from hsmgate.record import Record

LONGEST = 8192  # octets of a token
_BEARER = re.compile(rb"bearer(?: +(.*))?", re.IGNORECASE | re.DOTALL)
_COMPACT = re.compile(rb"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)  # RFC 7515 7.1: signed; an encrypted one has five parts
_LONGEST_SUBJECT = 200

# the first that fits; the token's own words are never repeated
_MESSAGES: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "The token is expired."),
    (jwt.ImmatureSignatureError, "The token is not valid yet."),
    (jwt.InvalidAudienceError, "The token is for another audience."),
    (jwt.InvalidIssuerError, "The token is of another issuer."),
    (
        jwt.MissingRequiredClaimError,
        "The token lacks a claim that is needed: exp, aud, and iss where one is configured.",
    ),
)


class TokenRules(Record):
    """What a token must say. `leeway` in seconds; without `issuer` every holder of a key may be one."""

    audience: tuple[str, ...]
    issuer: str | None = None
    leeway: float = 30.0


class TokenJudge:
    """`keys` gives those that are in force now."""

    def __init__(self, keys: Callable[[], tuple[TokenKey, ...]], rules: TokenRules) -> None:
        self._keys = keys
        self._rules = rules

    def judge(self, shown: Sequence[bytes]) -> dict[str, str]:
        """Whom the token speaks for, and the key that proves it. `shown`: the values of Authorization.

        Failure: MISSING_TOKEN, INVALID_TOKEN.
        """
        token = _bearer(shown)
        header = _header(token)
        for key in self._candidates(header):
            claims = self._verified(token, key)
            if claims is not None:
                return {"jwtSubject": str(claims.get("sub", ""))[:_LONGEST_SUBJECT], "jwtKey": key.name}
        raise _invalid("The token is not signed by a key that is trusted here.")

    def _candidates(self, header: dict[str, Any]) -> list[TokenKey]:
        """A kid only chooses among the keys that there are; the algorithm must be one of the key's own."""
        kid, algorithm = header.get("kid"), header.get("alg")
        return [
            key
            for key in self._keys()
            if algorithm in key.algorithms and (kid is None or key.kid is None or key.kid == kid)
        ]

    def _verified(self, token: bytes, key: TokenKey) -> dict[str, Any] | None:
        """The claims; None where the signature is not this key's."""
        try:
            claims = jwt.decode(
                token,
                key.public,
                algorithms=key.algorithms,
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                leeway=self._rules.leeway,
                options={"require": ["exp", "aud"]},
            )
        except jwt.InvalidSignatureError:
            return None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise _invalid(_message(error)) from None
        if type(claims["exp"]) not in {int, float}:  # RFC 7519 2: NumericDate is a number, not its text
            raise _invalid("The token is malformed.")
        return claims


def _bearer(shown: Sequence[bytes]) -> bytes:
    if len(shown) > 1:
        raise _invalid("There is more than one header Authorization.")
    match = _BEARER.fullmatch(shown[0].strip(b" \t")) if shown else None
    if match is None or not match[1]:
        raise Failure(Reason.MISSING_TOKEN, "The header Authorization: Bearer is missing.")
    token: bytes = match[1]
    if len(token) > LONGEST:
        raise _invalid(f"The token is longer than {LONGEST} bytes.")
    if not _COMPACT.fullmatch(token):
        raise _invalid("The token is malformed.")
    return token


def _header(token: bytes) -> dict[str, Any]:
    """The header, unverified. RFC 7515 4.1.11: extensions that must be understood, and none is, refuse the token."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise _invalid("The token is malformed.") from None
    if "crit" in header or "b64" in header:
        raise _invalid("The token has a critical extension.")
    return header


def _message(error: Exception) -> str:
    return next((text for kind, text in _MESSAGES if isinstance(error, kind)), "The token is malformed.")


def _invalid(detail: str) -> Failure:
    return Failure(Reason.INVALID_TOKEN, detail)
