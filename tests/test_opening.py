"""Opening makes all parts or none, and lets go of all of them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from structlog.testing import LogCapture

from hsmgate.config import Config, load
from hsmgate.domain.key import KeyAttributes, KeySpec
from hsmgate.errors import Failure
from hsmgate.opening import Parts, cipher_rules, open_parts
from hsmgate.usecases.ports import CipherRules, SignExtra
from support import certs

ROOT = certs.authority("root")
YML = """\
server: {address: 127.0.0.1, port: 0, ssl: {trust-store: trust.pem}}
hsmgate:
  hosts: [keys.example]
  ocsp: {cert-id: sha256, check: require, scope: leaf, responder: "http://127.0.0.1:1/", nonce: require, timeout: 3s}
  limits: {connections: 77, connections-per-peer: 7, handshakes: 5, header-bytes: 2KB, idle-timeout: 9s}
"""


class Opener:
    """Opens a configuration; `said` are the lines of the log."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, LogCapture()

    def config(self, text: str) -> Config:
        (self.folder / "application-local.yml").write_text(text)
        return load(self.folder, None, {}, self.folder)

    def __call__(self, text: str) -> Parts:
        return open_parts(self.config(text), structlog.wrap_logger(structlog.PrintLogger(), processors=[self.said]))

    def lines(self, event: str) -> list[str]:
        return [entry["detail"] for entry in self.said.entries if entry["event"] == event]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    (tmp_path / "trust.pem").write_bytes(ROOT.pem)
    before = descriptors(tmp_path)
    yield Opener(tmp_path)
    assert descriptors(tmp_path) == before, "something was not closed"


def descriptors(folder: Path) -> set[str]:
    """Files below the folder that this process holds open."""
    held = (os.path.realpath(path) for path in Path("/proc/self/fd").iterdir())
    return {path for path in held if path.startswith(str(folder))}


def test_every_part_is_made_from_its_settings(opened: Opener) -> None:
    parts = opened(YML)
    try:
        assert parts.keeper is not None
        assert parts.plan.client_auth == "need"
        assert (parts.limits.connections, parts.limits.connections_per_peer, parts.limits.handshakes) == (77, 7, 5)
        assert (parts.limits.header_bytes, parts.limits.idle_timeout) == (2048, 9.0)
        assert [entry.der for entry in parts.keeper.current.trust.entries] == [ROOT.der]
        assert parts.keystore.labels() == []
        assert parts.audit.head[0] == 1
        assert parts.revocation is not None
    finally:
        parts.close()
    assert {path.name for path in (opened.folder / "data").iterdir()} == {
        "audit.log", "hsmgate.db", "hsmgate.db.lock", "hsmgate.db.use", "sealing.key", "tls",
    }  # fmt: skip


def test_a_second_opening_continues_the_first(opened: Opener) -> None:
    first = opened(YML)
    trail = first.audit.trail
    first.close()
    second = opened(YML)
    assert second.audit.trail == trail
    assert second.audit.head[0] == 1, "opening alone is no event"
    second.close()


def test_without_tls_nothing_of_it_is_made(opened: Opener) -> None:
    parts = opened("server.address: 127.0.0.1\nhsmgate.insecure: true\n")
    assert parts.keeper is None
    assert parts.revocation is None
    assert parts.plan.open_to_anonymous
    parts.close()
    assert not (opened.folder / "data" / "tls").exists()


def test_the_rules_for_ciphers_are_those_of_the_settings(opened: Opener) -> None:
    assert cipher_rules(opened.config("")) == CipherRules()
    text = "hsmgate.ciphers: {rsa-legacy: refuse, raw-rsa-of-signing-keys: refuse, shortest-tag: 120}\n"
    assert cipher_rules(opened.config(text)) == CipherRules(120, rsa_legacy=False, raw_rsa_of_signers=False)


def test_what_is_opened_up_is_said_loudly(opened: Opener) -> None:
    opened(YML).close()
    assert opened.lines("config.warning") == []
    opened(
        "server: {address: 127.0.0.1, ssl: {trust-store: trust.pem}}\n"
        "hsmgate: {insecure: true, ocsp: {check: off, on-failure: allow}, ciphers: {shortest-tag: 64}}\n"
    ).close()
    said = " ".join(opened.lines("config.warning"))
    for name in (
        "hsmgate.insecure is on",
        "hsmgate.ocsp.check is off",
        "hsmgate.ocsp.on-failure is allow",
        "hsmgate.ciphers.shortest-tag is low",
    ):
        assert name in said


@pytest.mark.parametrize(
    "breaking",
    ["data/audit.log", "data/hsmgate.db", "data/sealing.key", "data/tls/self-signed.pem", "trust.pem"],
)
def test_a_part_that_fails_closes_those_before_it(breaking: str, opened: Opener) -> None:
    opened(YML).close()
    (opened.folder / breaking).write_bytes(b"broken" * 1000)
    with pytest.raises(Failure):
        opened(YML)


def test_uses_that_are_counted_are_written_when_it_closes(opened: Opener) -> None:
    parts = opened(YML)
    spec = KeySpec("k", "EC", KeyAttributes(sign=True), curve_oid="1.2.840.10045.3.1.7")
    key = parts.keystore.create(spec, None)
    parts.keystore.sign(key, None, "SHA256_WITH_ECDSA", b"x", SignExtra())
    began = time.monotonic()
    parts.close()
    assert time.monotonic() - began < 1, "the timer is not waited for"
    again = opened(YML)
    assert again.keystore.find("k").use_count == 1
    again.close()


def test_api_keys_guard_where_they_are_on(opened: Opener) -> None:
    keys = "apiAuthentication: {enabled: %s, serviceToken: [service-key-0]}\n"
    parts = opened(YML + keys % "true")
    assert parts.access.on
    parts.close()
    assert opened.lines("config.warning") == [
        "short API keys: serviceToken[0]; 22 random characters or more cannot be guessed"
    ]
    parts = opened(YML + keys % "false")
    assert not parts.access.on
    parts.close()
    assert "API keys are configured and not asked for" in opened.lines("config.warning")[1]


def test_who_may_sign_requests(opened: Opener) -> None:
    parts = opened(f"{YML}general.allowedRequestCertificates: ['file:trust.pem']\n")
    assert parts.request_signers == frozenset({load_der_x509_certificate(ROOT.der).public_key().public_bytes(*_SPKI)})
    parts.close()
    with pytest.raises(Failure, match=r"none\.pem: No such file"):
        opened(f"{YML}general.allowedRequestCertificates: [none.pem]\n")


_SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
