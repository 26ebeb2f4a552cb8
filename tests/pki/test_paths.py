"""Generated certification paths: our verdict, the handshake's, and that of the openssl command."""

import functools
import subprocess
import time
from pathlib import Path

import pytest
from OpenSSL import SSL, crypto

from hsmgate.errors import Failure
from hsmgate.gate import tls
from hsmgate.pki import trust
from support import gate, path_cases
from support.openssl_verify import verify
from support.path_cases import ACCEPT, REFUSE, Case
from support.tls_client import TlsClient, in_memory

# pyca warns of negative serial numbers and the like; in the service such a warning is a line in the log
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
every = pytest.mark.parametrize("case", path_cases.every(), ids=lambda case: case.name)


def _trust(case: Case) -> trust.TrustSet:
    return trust.build(
        [(str(number), made.der) for number, made in enumerate(case.trust)],
        frozenset(made.sha256 for made in case.issuers),
        frozenset(made.sha256 for made in case.pins),
    )


def _agrees(expect: str, got: str) -> bool:
    return got != ACCEPT if expect == REFUSE else got == expect


def _judged(case: Case) -> tuple[str, str]:
    try:
        tls.judge_again(_trust(case), case.sent[0].der, [made.der for made in case.sent[1:]], time.time())
    except Failure as failure:
        return failure.reason.name, failure.detail
    return ACCEPT, ""


def _shaken(case: Case, version: str) -> str:
    trusted = _trust(case)
    channel = tls.Channel(tls.build_context(gate.identity(), trusted, tls.TlsSettings()), trusted, time.time)
    client = TlsClient(version, case.sent[0], [made.der for made in case.sent[1:]])
    failure = in_memory(channel, client)
    if failure is not None:
        return failure.reason.name
    assert channel.established
    assert channel.verdict is not None
    return ACCEPT


@functools.cache
def _openssl_version() -> str:
    return subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout


@every
def test_verdict(case: Case) -> None:
    verdict, detail = _judged(case)
    assert _agrees(case.expect, verdict), (verdict, detail)
    assert (verdict == ACCEPT) != bool(detail)


@every
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_handshake_decides_the_same(case: Case, version: str) -> None:
    try:
        agrees = _agrees(case.expect, _shaken(case, version))
    except (SSL.Error, crypto.Error):
        agrees = False  # the client cannot even load it
    assert agrees == (not case.handshake)


@every
@pytest.mark.parametrize("strict", [False, True], ids=["", "x509_strict"])
def test_openssl_agrees_or_it_is_explained(case: Case, strict: bool, tmp_path: Path) -> None:
    """Explanations were written beside OpenSSL 3.0; a later one may agree with us more often."""
    explanation = case.strict if strict else case.openssl
    said = verify(case.sent, case.trust, tmp_path, strict=strict)
    disagrees = (case.expect == ACCEPT) != (not said)
    assert not disagrees or explanation, said or "openssl accepts"
    if _openssl_version().startswith("OpenSSL 3.0"):
        assert disagrees or not explanation, "explained, but openssl agrees"


def test_suite_is_whole() -> None:
    cases = path_cases.every()
    assert len({case.name for case in cases}) == len(cases) >= 120
    assert all(case.clause for case in cases)
    assert sum(bool(case.handshake) for case in cases) < len(cases) / 20
