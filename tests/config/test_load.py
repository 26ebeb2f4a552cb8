"""The whole way: spellings, types, defaults, what `load` gives."""

from pathlib import Path

import pytest

from hsmgate.config import Audit, Config, Health, Hsmgate, keys, load
from support.config_folder import Folder

HEX = "0123456789abcdef" * 4
COLONS = ":".join(HEX[i : i + 2] for i in range(0, 64, 2)).upper()


def at(config: object, field: str) -> object:
    for name in field.split("."):
        config = getattr(config, name)
    return config


def test_an_empty_file_gives_the_defaults(folder: Folder) -> None:
    data = folder.path / "data"
    assert folder.load("") == Config(
        folder=folder.path,
        files=(folder.path / "application-local.yml",),
        hsmgate=Hsmgate(data_dir=data, audit=Audit(file=data / "audit.log"), health=Health(data / "health.sock")),
    )


def test_the_block_of_the_guide_is_a_whole_configuration(folder: Folder) -> None:
    config = folder.load(
        "server:\n  ssl:\n    trust-store: 'file:/etc/app/config/tls/none-such.jks'\n"
        "    trust-store-password: secret # yours\n    trust-store-type: jks\n    client-auth: need\n"
    )
    ssl = config.server.ssl
    assert (ssl.trust_store, ssl.trust_store_password) == (folder.path / "tls/none-such.jks", "secret")
    assert (ssl.trust_store_type, ssl.client_auth, ssl.enabled, ssl.key_store) == ("jks", "need", None, None)
    assert (config.hsm.backend, config.hsm.software.key, config.datasource.url) == ("software", None, None)


@pytest.mark.parametrize(
    ("content", "field", "value"),
    [
        ("server.port: 0x1F90", "server.port", 8080),
        ("api.port: 81", "server.port", 81),
        ("server.address: 127.0.0.1", "server.address", "127.0.0.1"),
        ("server.workers: 4", "server.workers", 4),
        ("server.ssl.enabled: true", "server.ssl.enabled", True),
        ("server.ssl.enabled: off", "server.ssl.enabled", False),
        ("server.ssl.key-store-password: 0600", "server.ssl.key_store_password", "0600"),
        ("server.ssl.key-store-password: off", "server.ssl.key_store_password", "off"),
        ("server.ssl.key-store-password: 1e3", "server.ssl.key_store_password", "1e3"),
        ("server.ssl.key-store-password: ' pad '", "server.ssl.key_store_password", " pad "),
        ("server.ssl.key-store-password: ''", "server.ssl.key_store_password", ""),
        ("server.ssl.key-store-password:", "server.ssl.key_store_password", None),
        ("server.ssl.key-store: ''", "server.ssl.key_store", None),
        ("server.ssl.key-store: /x/a.p12", "server.ssl.key_store", Path("/x/a.p12")),
        ("server.ssl.key-password: x", "server.ssl.key_password", "x"),
        (
            "server.ssl: {certificate: /c.pem, certificate-private-key: /k.pem}",
            "server.ssl.certificate",
            Path("/c.pem"),
        ),
        ("server.ssl.enabledProtocols: TLSv1.2", "server.ssl.enabled_protocols", ("TLSv1.2",)),
        ("server.ssl.enabledProtocols: 'tlsv1.3, TLSv1.2'", "server.ssl.enabled_protocols", ("TLSv1.3", "TLSv1.2")),
        ("server.ssl.enabledProtocols: [TLSv1.3]", "server.ssl.enabled_protocols", ("TLSv1.3",)),
        ("server.ssl.enabledProtocols: ''", "server.ssl.enabled_protocols", ("TLSv1.2", "TLSv1.3")),
        ("server.ssl.ciphers: [A, B]", "server.ssl.ciphers", "A,B"),
        ("server.ssl.ciphers: ECDHE+AESGCM:!aNULL", "server.ssl.ciphers", "ECDHE+AESGCM:!aNULL"),
        ("server.ssl: {trust-store: /t, client-auth: WANT}", "server.ssl.client_auth", "want"),
        ("server.ssl: {trust-store: /t}", "server.ssl.client_auth", "need"),
        ("server.ssl: {trust-store: /t, client-auth: none}", "server.ssl.client_auth", "none"),
        ("server.ssl: {client-auth: None}", "server.ssl.client_auth", "none"),
        ("tls: {trustStore: /t, clientAuthentication: want}", "server.ssl.client_auth", "want"),
        ("spring.tls: {trustStore: /t}", "server.ssl.trust_store", Path("/t")),
        ("hsm: {pkcs11: {module: /m.so, token: lab, pin: 0123, sessions: 8}}", "hsm.pkcs11.pin", "0123"),
        ("hsm: {backend: PKCS11, pkcs11: {module: /m.so, token: lab}}", "hsm.backend", "pkcs11"),
        ("hsm.attestationKeyName: other", "hsm.attestation_key_name", "other"),
        ("spring.datasource: {url: 'jdbc:mariadb://h/x', username: u}", "datasource.url", "jdbc:mariadb://h/x"),
        ("swaggerUI.enabled: false", "swagger_enabled", False),
        ("apiAuthentication.enabled: true", "api_authentication.enabled", True),
        ("apiAuthentication.keyManagementToken: one", "api_authentication.key_management_token", ("one",)),
        (
            "apiAuthentication.keyOperationToken: [one, 'two,2']",
            "api_authentication.key_operation_token",
            ("one", "two,2"),
        ),
        ("apiAuthentication.approverToken: one, two", "api_authentication.approver_token", ("one", "two")),
        ("hsmgate.insecure: true", "hsmgate.insecure", True),
        ("hsmgate.hosts: ['*.Example.com', keys.local]", "hsmgate.hosts", ("*.example.com", "keys.local")),
        (f"hsmgate.trust.issuers: ['{COLONS}']", "hsmgate.trust.issuers", frozenset({HEX})),
        (f"hsmgate.trust.pins: {COLONS}", "hsmgate.trust.pins", frozenset({HEX})),
        ("hsmgate.trust.pins: []", "hsmgate.trust.pins", frozenset()),
        ("hsmgate.trust.reload: 500ms", "hsmgate.trust.reload", 0.5),
        ("hsmgate.ocsp.check: off", "hsmgate.ocsp.check", "off"),
        ("hsmgate.ocsp.scope: leaf", "hsmgate.ocsp.scope", "leaf"),
        ("hsmgate.ocsp.freshness: every-request", "hsmgate.ocsp.freshness", None),
        ("hsmgate.ocsp.freshness: 30s", "hsmgate.ocsp.freshness", 30.0),
        ("hsmgate.ocsp.max-age: 1d", "hsmgate.ocsp.max_age", 86400.0),
        ("hsmgate.ocsp.on-failure: allow", "hsmgate.ocsp.on_failure", "allow"),
        ("hsmgate.ocsp.responder: http://r.example/", "hsmgate.ocsp.responder", "http://r.example/"),
        ("hsmgate.ocsp.responder: ''", "hsmgate.ocsp.responder", None),
        (
            "hsmgate.ocsp.trusted-responders: [/a.pem, 'file:/b.pem']",
            "hsmgate.ocsp.trusted_responders",
            (Path("/a.pem"), Path("/b.pem")),
        ),
        ("hsmgate.responder.listen: 127.0.0.1:8888", "hsmgate.responder.listen", "127.0.0.1:8888"),
        ("hsmgate.limits.header-bytes: 8KB", "hsmgate.limits.header_bytes", 8192),
        ("hsmgate.limits.idle-timeout: 1m", "hsmgate.limits.idle_timeout", 60.0),
        ("hsmgate.limits.connectionsPerPeer: 5", "hsmgate.limits.connections_per_peer", 5),
        ("hsmgate.audit: {file: /var/log/a.log, fsync: true}", "hsmgate.audit.file", Path("/var/log/a.log")),
        ("hsmgate.data-dir: /var/lib/h", "hsmgate.audit.file", Path("/var/lib/h/audit.log")),
    ],
)
def test_value(folder: Folder, content: str, field: str, value: object) -> None:
    config = folder.load(f"{content}\n")
    assert at(config, field) == value
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("server.port: 65536", "server.port must be a whole number from 0 to 65535"),
        ("server.port: 1e3", "server.port must be a whole number"),
        ("api.port: x", "api.port must be a whole number"),
        ("server.workers: 0", "server.workers must be a whole number from 1 to 256"),
        ("tls.clientAuthentication: must", "tls.clientAuthentication must be one of need, want, none"),
        ("server.ssl.enabled: maybe", "server.ssl.enabled must be true or false"),
        ("server.ssl.enabledProtocols: TLSv1.1,TLSv1.2", "server.ssl.enabledProtocols must be one of TLSv1.2, TLSv1.3"),
        ("server.ssl.key-store: classpath:x.p12", "server.ssl.key-store names a classpath: resource"),
        ("hsm.backend: softhsm", "hsm.backend must be one of software, pkcs11"),
        ("hsmgate.hosts: ['*']", "hsmgate.hosts must be host names"),
        ("hsmgate.trust.pins: [abcd]", "hsmgate.trust.pins must be SHA-256 fingerprints: 64 hex digits"),
        ("hsmgate.trust.reload: 1", "hsmgate.trust.reload must be a duration with its unit"),
        ("hsmgate.trust.reload: 0", "hsmgate.trust.reload must be a duration from 100ms to 1h"),
        ("hsmgate.ocsp.check: 'no'", "hsmgate.ocsp.check must be one of off, if-present, require"),
        ("hsmgate.ocsp.freshness: 30", "hsmgate.ocsp.freshness must be every-request or a duration"),
        ("hsmgate.ocsp.allowed-responders: ['http://x/']", "hsmgate.ocsp.allowed-responders must be host names"),
        ("hsmgate.responder.listen: '80'", "hsmgate.responder.listen must be host:port"),
        ("hsmgate.limits.header-bytes: 2MB", "hsmgate.limits.header-bytes must be a size from 1KB to 1MB"),
    ],
)
def test_no_value(folder: Folder, content: str, line: str) -> None:
    assert folder.refused(f"{content}\n").startswith(f"application-local.yml:1: {line}")


@pytest.mark.parametrize(
    ("strong", "weak", "field", "value"),
    [
        ("server.ssl.key-store: /a", "tls.keyStore: /b", "server.ssl.key_store", Path("/a")),
        ("tls.keyStore: /a", "spring.tls.keyStore: /b", "server.ssl.key_store", Path("/a")),
        ("server.ssl.key-store: /a", "spring.tls.keyStore: /b", "server.ssl.key_store", Path("/a")),
        ("server.ssl.trust-store-password: a", "tls.trustStorePassword: b", "server.ssl.trust_store_password", "a"),
        ("server.ssl.enabled: true", "tls.enabled: false", "server.ssl.enabled", True),
        ("server.port: 1", "api.port: 2", "server.port", 1),
    ],
)
def test_the_stronger_spelling_wins_with_one_line(
    folder: Folder, strong: str, weak: str, field: str, value: object
) -> None:
    for content, strong_line, weak_line in ((f"{strong}\n{weak}\n", 1, 2), (f"{weak}\n{strong}\n", 2, 1)):
        config = folder.load(content)
        assert at(config, field) == value
        (line,) = config.warnings
        names = strong.partition(":")[0], weak.partition(":")[0]
        file = f"{folder.path}/application-local.yml"
        assert line == f"{names[0]} ({file}:{strong_line}) wins over {names[1]} ({file}:{weak_line})"


def test_spellings_that_agree_are_no_conflict(folder: Folder) -> None:
    config = folder.load(
        "tls: {enabled: true, keyStore: 'file:/a', clientAuthentication: NEED, trustStore: /t}\n"
        "server.ssl: {enabled: '${tls.enabled}', key-store: /a, client-auth: need}\n"
    )
    assert config.warnings == ()
    assert config.server.ssl.enabled is True


def test_an_empty_stronger_spelling_leaves_the_word_to_the_weaker(folder: Folder) -> None:
    assert folder.load("server.ssl.key-store:\ntls.keyStore: /b\n").server.ssl.key_store == Path("/b")


def test_is_set_knows_what_was_given(folder: Folder) -> None:
    config = folder.load("tls.keyStore: /a\nserver.address: ''\n", {"SERVER_PORT": "8080"})
    assert config.set_names == {"server.ssl.key-store", "server.port"}
    assert config.is_set("server.ssl.keyStore")
    assert not config.is_set("server.address")


def test_load_takes_a_relative_path(folder: Folder, tmp_path: Path) -> None:
    folder.write("server.port: 1\n")
    assert load(Path("conf"), None, {}, tmp_path).folder == tmp_path / "conf"


def test_every_tls_spelling_is_stronger_than_its_older_one() -> None:
    older = [setting.aliases for setting in keys.SETTINGS if len(setting.aliases) > 1]
    assert len(older) == 6
    for middle, oldest in older:
        assert middle.startswith("tls.")
        assert oldest == f"spring.{middle}"
