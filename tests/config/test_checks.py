"""Contradictions that show without a look into any file."""

import pytest

from support.config_folder import Folder

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("server.ssl.client-auth: need", "server.ssl.client-auth: need needs a truststore; set server.ssl.trust-store"),
        ("tls.clientAuthentication: Want", "tls.clientAuthentication: want needs a truststore"),
        ("server.ssl: {certificate: c, key-store: k}", "server.ssl.certificate: there is a key store too"),
        ("server.ssl: {certificate-private-key: k}", "server.ssl.certificate-private-key needs server.ssl.certificate"),
        ("hsm.backend: pkcs11", "hsm.backend: pkcs11 needs hsm.pkcs11.module and hsm.pkcs11.token"),
        ("hsm: {backend: pkcs11, pkcs11: {module: m}}", "hsm.backend: pkcs11 needs hsm.pkcs11.token"),
        (
            f"hsmgate.trust: {{issuers: ['{HEX}'], pins: ['{HEX.upper()}']}}",
            f"hsmgate.trust.pins: {HEX} is an issuer too",
        ),
        (
            "hsmgate.limits: {connections: 5, connections-per-peer: 6}",
            "hsmgate.limits.connections-per-peer is more than",
        ),
    ],
)
def test_refused(folder: Folder, content: str, line: str) -> None:
    assert folder.refused(f"{content}\n").startswith(f"application-local.yml:1: {line}")


@pytest.mark.parametrize(
    "content",
    [
        "server.ssl.client-auth: none",
        "server.ssl: {client-auth: need, trust-store: t}",
        "spring.tls: {clientAuthentication: need, trustStore: t}",
        "server.ssl: {certificate: c}",
        "hsm: {backend: pkcs11, pkcs11: {module: m, token: t}}",
        f"hsmgate.trust: {{issuers: ['{HEX}'], pins: ['{HEX[::-1]}']}}",
        "hsmgate.limits: {connections: 5}",
        "hsmgate.limits: {connections: 5, connections-per-peer: 5}",
    ],
)
def test_accepted(folder: Folder, content: str) -> None:
    assert folder.load(f"{content}\n").warnings == ()
