"""Unknown keys, doubled keys, values where groups belong, and keys without a meaning here."""

import pytest

from hsmgate.config import keys
from support.config_folder import Folder


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("server:\n  prot: 1\n", "2: unknown key server.prot; the nearest known one is server.port"),
        (
            "server.ssl.trust-stor: x\n",
            "1: unknown key server.ssl.trust-stor; the nearest known one is server.ssl.trust-store",
        ),
        (
            "hsmgate:\n\n  trust: {pin: [a]}\n",
            "3: unknown key hsmgate.trust.pin[0]; the nearest known one is hsmgate.trust.pins",
        ),
        ("hsm: {hosst: x}\n", "1: unknown key hsm.hosst; the nearest known one is hsm.host"),
        (
            "general: {allowedRequestCertificate: []}\n",
            "1: unknown key general.allowedRequestCertificate; the nearest known one is general.allowed-request-",
        ),
        (
            "spring.datasource.pasword: x\n",
            "1: unknown key spring.datasource.pasword; the nearest known one is spring.datasource.password",
        ),
        ("hsm..host: x\n", "1: unknown key hsm...host; the nearest known one is hsm.host"),
        ('"ser\\nver": x\n', "1: unknown key ser?ver; the nearest known one is "),
        ("server: 8080\n", "1: server is a group of settings, not a value"),
        ("server: [a]\n", "1: unknown key server[0]; the nearest"),
        ("logging: debug\n", "1: logging is a group of settings, not a value"),
        (
            "server: {port: {is: 1}}\n",
            "1: server.port takes a value, not a group; quote a value that begins with { or [",
        ),
        ("server: {port: [1]}\n", "1: server.port takes one value, not a list or group"),
        ("server: {port: []}\n", "1: server.port takes one value, not a list or group"),
        ("hsmgate: {hosts: [[a]]}\n", "1: hsmgate.hosts takes a value, not a group"),
        ("hsmgate: {hosts: [a, ]}\nhsmgate.hosts: b\n", "2: hsmgate.hosts is given twice, first in line 1"),
        ("hsmgate: {hosts: [a, ~]}\n", "1: hsmgate.hosts[1] is empty"),
        ("hsmgate: {hosts: [a, '']}\n", "1: hsmgate.hosts has an empty item in its list"),
        (
            "apiAuthentication: {serviceToken: ['${X:}']}\n",
            "1: apiAuthentication.serviceToken has an empty item in its list",
        ),
        ("hsmgate.hosts[0]: a\nhsmgate.hosts[2]: b\n", "1: hsmgate.hosts has gaps in its list; count from 0"),
        ("hsmgate:\n  hosts[0]: a\nhsmgate.hosts[0]: b\n", "3: hsmgate.hosts[0] is given twice, first in line 2"),
        ("hsmgate.hosts[0]: a\nhsmgate.hosts: b\n", "2: hsmgate.hosts is given twice, first in line 1"),
        ("server.port: 1\nserver:\n  port: 2\n", "3: server.port is given twice, first in line 1"),
        (
            "server:\n  ssl:\n    trust-store: a\n    trustStore: b\n",
            "4: server.ssl.trustStore is given twice, first in line 3",
        ),
        ("hsm.user: a\nhsm:\n  user: b\n", "3: hsm.user is given twice, first in line 1"),
        (
            "spring.config.activate.on-profile: x\n",
            "1: spring.config.activate.on-profile is not supported; give each profile its own file",
        ),
        ("spring: {config: {import: other.yml}}\n", "1: spring.config.import is not supported"),
        ("spring.profiles.active: x\n", "1: spring.profiles.active does not belong into a file; use --profile"),
    ],
)
def test_refused_with_its_line(folder: Folder, content: str, line: str) -> None:
    assert folder.refused(content).startswith(f"application-local.yml:{line}")


@pytest.mark.parametrize("written", ["{hunter2}", "[hunter2]", "{hunter2: hunter2}", "{a: {hunter2: b}}"])
@pytest.mark.parametrize("key", ["server.ssl.trust-store-password", "hsm.pkcs11.pin", "tls.keyStorePassword"])
def test_an_unquoted_password_is_not_repeated(folder: Folder, key: str, written: str) -> None:
    assert "hunter2" not in folder.refused(f"{key}: {written}\n")


@pytest.mark.parametrize(
    "content",
    [
        "server:\n",
        "server:\n  ssl:\n",
        "server: {ssl: {}}\n",
        "hsmgate: {trust: ~}\n",
        "logging:\n",
        "spring:\n",
        "tee: {}\n",
    ],
)
def test_a_group_may_be_empty(folder: Folder, content: str) -> None:
    config = folder.load(content)
    assert (config.set_names, config.warnings) == (frozenset(), ())


def test_dotted_and_nested_mix(folder: Folder) -> None:
    config = folder.load(
        "server.ssl.client-auth: want\nserver:\n  ssl.trust-store: t.pem\n"
        "  ssl: {trustStoreType: pem}\nserver.port: 81\n"
    )
    ssl = config.server.ssl
    assert (ssl.client_auth, ssl.trust_store_type, config.server.port) == ("want", "pem", 81)
    assert ssl.trust_store == folder.path / "t.pem"


def test_keys_without_a_meaning_give_one_line_for_each_tree(folder: Folder) -> None:
    config = folder.load(
        "hsm:\n  host: a.example\n  setupPassword: hunter2\n"
        "logging:\n  config: x.xml\n  level: {root: WARN, com.Securosys: INFO}\n"
        "tee:\n  approvalInformations:\n    - {host: h, port: 8899, clientKey: hunter2}\n"
        "spring:\n  flyway: {enabled: true}\n  slaveDatasource: {password: hunter2}\n"
        "  datasource: {driverClassName: x, hikari: {maximum-pool-size: 3}}\n"
        "  servlet: {multipart: {max-file-size: 200MB}}\n  main.banner-mode: off\n  jpa.open-in-view: false\n"
        "server.tomcat.maxThreads: 200\nmanagement.endpoints.web.exposure.include: health\n"
        "general: {allowedRequestCertificates: [], hsmRequestsTimerServiceInterval: 60000}\n"
    )
    lines = [line.removeprefix(f"{folder.path}/application-local.yml:") for line in config.warnings]
    assert lines[0] == "2: hsm: no meaning here, ignored: hsm.host, hsm.setupPassword"
    assert {line.split(": ")[1] for line in lines} == {tree.name for tree in keys.TREES}
    assert len(lines) == len(keys.TREES)
    assert not any("hunter2" in line for line in lines)
    assert config.set_names == frozenset()


OF_THE_CONTRACT = """
hsm.host hsm.port hsm.user hsm.setupPassword hsm.encryptionPassword hsm.proxyUser hsm.proxyPassword
hsm.timeout hsm.maxTimeDifferenceToHsm hsm.timestampKeyName hsm.rfcTimestampKeyName
hsm.backupKeyName hsm.useExternalKeyStore hsm.useKeyReplicationService
hsm.clusterFailoverGraceTimeMilliSeconds general.maxTimestampDiffApprovalClient
general.maxFutureTimestampDiffApprovalClient general.futureTimestampDiffApprovalClient
general.hsmRequestsTimerServiceInterval general.hsmRequestsTimerServiceMinLock
general.hsmRequestsTimerServiceMaxLock general.approvalTaskCleanupInterval
general.approvalTaskCleanupMinLock general.approvalTaskCleanupMaxLock
general.allowedTimestampSigningCertificates[0]
spring.datasource.driverClassName
spring.datasource.hikari.maximum-pool-size spring.slaveDatasource.url spring.flyway.enabled
spring.servlet.multipart.enabled spring.servlet.multipart.max-request-size server.tomcat.maxThreads
tee.approvalInformations[0].approvalCertificate tee.approvalProcessingInterval logging.config
spring.jpa.hibernate.ddl-auto spring.main.banner-mode management.server.port
"""


@pytest.mark.parametrize(
    "name",
    OF_THE_CONTRACT.split(),
)
def test_every_key_of_the_contract_without_meaning_is_known(folder: Folder, name: str) -> None:
    (line,) = folder.load(f"{name}: x\n").warnings
    assert name.partition("[")[0] in line


def test_a_long_tree_is_cut_short(folder: Folder) -> None:
    (line,) = folder.load("tee:\n" + "".join(f"  k{n}: 1\n" for n in range(20))).warnings
    assert line.endswith("tee.k0, tee.k1, tee.k2, tee.k3, tee.k4 and 15 more")
