"""${NAME:default} and ${file:...}."""

import os
from pathlib import Path

import pytest

from hsmgate.config import placeholders
from support.config_folder import Folder

ENV = {"NAME": "value", "A_B": "dashed", "EMPTY": "", "DOLLAR": "${NAME}", "WHICH": "NAME", "DB_PORT": "77"}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("${NAME}", "value"),
        ("${NAME:other}", "value"),
        ("a${NAME}b${NAME}c", "avaluebvaluec"),
        ("${NONE:other}", "other"),
        ("${NONE:}", None),
        ("${EMPTY:other}", None),
        ("${a.b}", "dashed"),
        ("${a-b}", "dashed"),
        ("${NONE:${NAME}}", "value"),
        ("${NONE:${NONE2:deep}}", "deep"),
        ("${NONE:a:b}", "a:b"),
        ("${NONE:jdbc:x://h:${DB_PORT}/y}", "jdbc:x://h:77/y"),
        ("${${WHICH}}", "value"),
        ("${NONE:{}}", "{}"),
        ("${DOLLAR}", "${NAME}"),
        ("\\${NAME}", "${NAME}"),
        ("a\\${b${NAME}", "a${bvalue"),
        ("$NAME", "$NAME"),
        ("$${NAME}", "$value"),
        ("a}b{c", "a}b{c"),
        ("${server.port}", "8099"),
        ("${SERVER.Port}", "8099"),
        ("${hsm.setupPassword}", "from-a-key-without-meaning"),
        ("${hsmgate.hosts}", "a.example,b.example"),
        ("${tls.keyStoreType:none}", "none"),
    ],
)
def test_replaced(folder: Folder, written: str, text: str | None) -> None:
    config = folder.load(
        "server.port: 8099\nhsm: {setupPassword: from-a-key-without-meaning}\nhsmgate.hosts: [a.example, b.example]\n"
        f"spring.datasource.username: '{written}'\n",
        ENV,
    )
    assert config.datasource.username == text


def test_a_key_finds_its_override_in_the_environment(folder: Folder) -> None:
    text = "tls.enabled: false\nserver.ssl.enabled: ${tls.enabled}\n"
    assert folder.load(text).server.ssl.enabled is False
    assert folder.load(text, {"TLS_ENABLED": "true"}).server.ssl.enabled is True
    assert folder.load("server.ssl.enabled: ${tls.enabled}\n", {"TLS_ENABLED": "true"}).server.ssl.enabled is True


def test_an_override_may_hold_placeholders(folder: Folder) -> None:
    assert folder.load("", {"SERVER_PORT": "${MY_PORT:81}"}).server.port == 81


def test_a_replaced_text_is_split_where_a_list_is_wanted(folder: Folder) -> None:
    config = folder.load("hsmgate.hosts: ${HOSTS}\n", {"HOSTS": "a.example,b.example"})
    assert config.hsmgate.hosts == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("content", "pin"),
    [("1234", "1234"), ("1234\n", "1234"), ("1234\r\n", "1234"), ("1234\n\n", "1234\n"), ("${X}", "${X}"), ("", "")],
)
def test_a_file_gives_its_text_less_one_newline(folder: Folder, content: str, pin: str) -> None:
    folder.write(content, "secrets/pin")
    assert folder.load("hsm.pkcs11.pin: ${file:secrets/pin}\n").hsm.pkcs11.pin == pin
    assert folder.load(f"hsm.pkcs11.pin: '${{file:{folder.path}/secrets/pin}}'\n").hsm.pkcs11.pin == pin
    assert folder.load("hsm.pkcs11.pin: ${file:${DIR}/pin}\n", {"DIR": "secrets"}).hsm.pkcs11.pin == pin


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("${NONE}", "${NONE} has no value and no default"),
        ("${NONE:${NONE2}}", "${NONE2} has no value and no default"),
        ("${}", "${} has no value and no default"),
        ("a${b", "has a ${ without its }"),
        ("${a:${b}", "has a ${ without its }"),
        ("${file:}", "${file:...} must hold a path"),
        ("${file}", "${file:...} must hold a path"),
        ("${file:none-such}", "the file of ${file:...} cannot be read: No such file or directory"),
        ("${file:.}", "the file of ${file:...} cannot be read: Is a directory"),
        ("${file:pipe}", "the file of ${file:...} is not a regular file"),
        ("${file:big}", "the file of ${file:...} is larger than 65536 bytes"),
        ("${file:binary}", "the file of ${file:...} is not UTF-8 text"),
        ("${spring.datasource.username}", "refers to itself: spring.datasource.username -> spring.datasource.username"),
        ("${hsm.user}", "refers to itself: hsm.user -> hsm.host -> hsm.user"),
        ("${A:" * 30 + "}" * 30, "has placeholders nested deeper than 20"),
        ("${LONG}" * 10, "becomes longer than 65536 characters"),
    ],
)
def test_refused_with_the_line(folder: Folder, written: str, said: str) -> None:
    folder.write("x" * 70_000, "big")
    folder.write(b"\xff\xfe", "binary")
    os.mkfifo(folder.path / "pipe")
    line = folder.refused(
        f"spring:\n  datasource:\n    username: '{written}'\nhsm: {{user: '${{hsm.host}}', host: '${{hsm.user}}'}}\n",
        {"LONG": "x" * 10_000},
    )
    assert said in line
    assert line.startswith("application-local.yml:")
    assert ("refers to itself: hsm" in line) or line.startswith("application-local.yml:3: spring.datasource.username: ")


def test_doubling_keys_end_at_the_bound(folder: Folder) -> None:
    """Sixty keys that each name the one before twice would be 2^60 characters."""
    lines = ["  k0: xx"] + [f"  k{n}: '${{tee.k{n - 1}}}${{tee.k{n - 1}}}'" for n in range(1, 60)]
    line = folder.refused("tee:\n" + "\n".join(lines) + "\nhsm.pkcs11.token: ${tee.k15}${tee.k15}\n")
    assert f"becomes longer than {placeholders.LENGTH} characters" in line


@pytest.mark.parametrize("written", ["abc${hunter2}def", "abc${hunter2", "${x:${hunter2}}", "${file:/hunter2}"])
@pytest.mark.parametrize("key", ["server.ssl.key-store-password", "hsm.pkcs11.pin", "apiAuthentication.serviceToken"])
def test_a_broken_password_is_not_repeated(folder: Folder, key: str, written: str) -> None:
    line = folder.refused(f"{key}: '{written}'\n")
    assert "hunter2" not in line
    assert line.startswith(f"application-local.yml:1: {key}: ")


def test_values_without_a_meaning_are_not_replaced(folder: Folder) -> None:
    assert len(folder.load("hsm.setupPassword: ${NONE}\n").warnings) == 1


@pytest.mark.parametrize(
    ("written", "key", "file"),
    [
        ("a pass phrase", "a pass phrase", None),
        ("${PHRASE}", "from the environment", None),
        ("${file:seal.key}", "from a file", "seal.key"),
        ("x${file:seal.key}", "xfrom a file", None),
        ("file:seal.key", None, "seal.key"),
        ("${NAMED}", None, "seal.key"),
        ("file:/etc/app/config/none-such.key", None, "none-such.key"),
    ],
)
def test_the_sealing_key_knows_its_file(folder: Folder, written: str, key: str | None, file: str | None) -> None:
    folder.write("from a file\n", "seal.key")
    environ = {"PHRASE": "from the environment", "NAMED": "file:seal.key"}
    software = folder.load(f"hsm.software.key: '{written}'\n", environ).hsm.software
    assert software.key == key
    assert software.key_file == (folder.path / file if file else None)


def test_a_key_is_read_relative_to_the_folder_not_to_the_working_directory(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("inside", "pin")
    (tmp_path / "pin").write_text("outside")
    monkeypatch.chdir(tmp_path)
    assert folder.load("hsm.pkcs11.pin: ${file:pin}\n").hsm.pkcs11.pin == "inside"


def test_a_broken_password_behind_another_key_is_not_repeated(folder: Folder) -> None:
    line = folder.refused("tee.a: 'abc${hunter2}'\nhsm.pkcs11.pin: ${tee.a}\n")
    assert line.startswith("application-local.yml:1: tee.a: ")
    assert "hunter2" not in line
