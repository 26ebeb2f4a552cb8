"""Tells what each keystore can do, as a page of the reference: docs/reference/tokens.md is exactly this text."""

from collections.abc import Iterable, Iterator

from hsmgate.domain.algorithm import HMAC_HASHES, KEY_ALGORITHMS
from hsmgate.domain.cipher import CIPHERS
from hsmgate.domain.curve import CURVES, ED25519_OID
from hsmgate.domain.matrix import Backends
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS
from hsmgate.domain.wrapping import WRAP_METHODS

_HEAD = """\
# Tokens

What the keystores offer of [all algorithms](algorithms.md) that this version has. The columns of tokens are what the
program found in them, by asking for mechanisms and trying each with keys that are never stored; the test suite finds it
again at each run, proves what they sign, encrypt, wrap and authenticate with other implementations (OpenSSL's command,
pycryptodome), and holds this page to it. What a token lacks answers HTTP 501 with errorCode 101. How to set one up:
[PKCS#11](../pkcs11.md).
"""


def page(backends: Backends) -> str:
    """The page, as Markdown."""
    keys = [(row.name, f"`{row.name}`") for row in KEY_ALGORITHMS if not row.absent]
    curves = [*((row.oid, row.name) for row in CURVES if not row.absent), (ED25519_OID, "Ed25519")]
    signatures = [(row.name, f"`{row.name}`") for row in SIGNATURE_ALGORITHMS if not row.absent]
    ciphers = [(f"cipher {row.name}", f"`{row.name}`") for row in CIPHERS]
    methods = [(f"wrap {row.name}", f"`{row.name}`") for row in WRAP_METHODS if not row.absent]
    parts = (
        ("Key types", "algorithm", keys),
        ("Curves", "Name", curves),
        ("Signature algorithms", "Name", signatures),
        ("Ciphers", "Name", ciphers),
        ("Wrap methods", "Name", methods),
        ("HMAC", "Key type", [(f"mac {name}", f"`{name}`") for name in HMAC_HASHES]),
        ("Import", "Key type", [(f"import {name}", shown) for name, shown in keys]),
        ("Export", "Key type", [(f"export {name}", shown) for name, shown in keys]),
    )
    return "\n".join([_HEAD, *(line for title, name, rows in parts for line in _table(title, name, rows, backends))])


def _table(title: str, name: str, rows: Iterable[tuple[str, str]], backends: Backends) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"| {' | '.join((name, *backends))} |"
    yield "|" + "---|" * (1 + len(backends))
    for key, shown in rows:
        yield f"| {' | '.join((shown, *('yes' if key in offered else 'no' for offered in backends.values())))} |"
    yield ""
