"""What becomes of the keys of a configuration for the vendor's service: all of them, none by guessing."""

import re
from pathlib import Path

import pytest

from hsmgate.config import keys, stays_behind, survey
from hsmgate.config.migration import STAY_BEHIND, WHY, Fate
from hsmgate.config.names import uniform
from hsmgate.errors import Failure
from support.config_folder import Folder
from support.pages import ROOT


def fates(folder: Folder, text: str, **environ: str) -> dict[str, Fate]:
    folder.write(text)
    return {fate.key: fate for fate in survey(folder.path, None, environ, folder.path).fates}


@pytest.mark.parametrize(
    ("line", "verdict", "words"),
    [
        ("server.ssl.trust-store: a.jks", "used", ""),
        ("server: {ssl: {trustStore: a.jks}}", "used", ""),
        ("spring.tls.trustStorePassword: secret", "used", "as server.ssl.trust-store-password"),
        ("api.port: 8080", "used", "as server.port"),
        ("apiAuthentication.enabled: false", "used", ""),
        ("apiAuthentication.enabled: true", "used", ""),
        ("apiAuthentication.keyOperationToken: [a, b]", "used", ""),
        ("spring.datasource.url: jdbc:sqlite:x.db", "used", ""),
        ("spring.datasource.url: jdbc:mariadb://h/x", "changed", "SPRING_DATASOURCE_URL="),
        ("spring.datasource.url: jdbc:mysql://h/x?useSSL=false", "changed", "an empty database, on MariaDB 10.6"),
        ("spring.datasource.url: jdbc:h2:mem:x", "changed", "refused: SQLite, MariaDB, MySQL and PostgreSQL"),
        ("spring.datasource.url:", "used", ""),
        ("spring.datasource.username: u", "used", ""),
        ("spring.datasource.driverClassName: x", "without meaning", "hsmgate's own"),
        ("spring.datasource.hikari.maximum-pool-size: 3", "without meaning", "hsmgate's own"),
        ("hsm.setupPassword: secret", "without meaning", "hsm.backend"),
        ("hsm.attestationKeyName: a", "used", ""),
        ("tee.approvalInformations: [{host: secret}]", "without meaning", "no approvals"),
        ("general.allowedRequestCertificates: ['file:a', 'file:b']", "used", ""),
        ("general.deleteRequestAfterFetch: true", "used", ""),
        ("logging.config: x", "without meaning", "stderr"),
        ("spring.profiles.include: x", "changed", "does not belong into a file"),
        ("hsm.hots: secret", "unknown", "nearest known key is hsm.host"),
        ("securosys.thing: secret", "unknown", "refused"),
    ],
)
def test_each_key_has_a_fate(folder: Folder, line: str, verdict: str, words: str) -> None:
    (fate,) = fates(folder, line).values()
    assert fate.verdict == verdict
    assert words in fate.note
    assert fate.origin.endswith(":1")
    assert "secret" not in fate.note + fate.key


def test_a_list_is_one_key_and_a_group_is_none(folder: Folder) -> None:
    found = fates(folder, "general:\n  allowedRequestCertificates:\n    - file:a\n    - file:b\nspring: {}\nserver:\n")
    assert list(found) == ["general.allowedRequestCertificates"]


def test_what_is_refused_does_not_hide_the_rest(folder: Folder) -> None:
    folder.write("server.ssl: {trust-store: t.jks, trust-store-password: p}\nmine: 1\nspring.profiles.active: x\n")
    found = survey(folder.path, None, {}, folder.path)
    assert found.config.server.ssl.trust_store == folder.path / "t.jks"
    assert found.config.server.ssl.client_auth == "need"
    assert [fate.verdict for fate in found.fates] == ["used", "used", "unknown", "changed"]


def test_files_of_several_profiles_are_all_read(folder: Folder) -> None:
    folder.write("server.port: 1\n")
    folder.write("server.port: 2\ntee.x: 1\n", "application-tee.yml")
    found = survey(folder.path, "local,tee", {}, folder.path)
    assert [(fate.key, Path(fate.origin.rpartition(":")[0]).name) for fate in found.fates] == [
        ("server.port", "application-local.yml"),
        ("server.port", "application-tee.yml"),
        ("tee.x", "application-tee.yml"),
    ]
    assert found.config.server.port == 2


@pytest.mark.parametrize("text", ["x: [", "server: {port: 1, port: 2}", "server.port: many"])
def test_what_cannot_be_read_is_refused_in_one_line(folder: Folder, text: str) -> None:
    with pytest.raises(Failure, match=r"application-local\.yml:1: "):
        fates(folder, text)


def test_what_stays_behind_is_said_of_what_is_there(folder: Folder) -> None:
    found = fates(folder, "hsm.host: h\nspring.datasource.url: jdbc:mariadb://h/x\napiAuthentication.enabled: false\n")
    said = list(stays_behind(tuple(found.values())))
    assert said == [STAY_BEHIND["hsm.host"], STAY_BEHIND["spring.datasource.url"]]


def test_every_key_without_meaning_has_its_reason() -> None:
    assert set(WHY) == {tree.name for tree in keys.TREES}


def test_the_page_names_keys_that_exist() -> None:
    text = (ROOT / "docs/migration.md").read_text()
    for name in re.findall(r"`((?:hsm|hsmgate|general|tee|spring|logging|apiAuthentication)\.[A-Za-z.*-]+)`", text):
        spelled = uniform(name.removesuffix(".*"))
        known = keys.is_group(spelled) or spelled in keys.BY_SPELLING or keys.tree_of(spelled) or keys.refusal(spelled)
        assert known, name
