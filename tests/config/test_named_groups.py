"""Groups that an operator names: hsmgate.responder.sources.NAME, in files and in the environment."""

import pytest

from hsmgate.config import Source
from support.config_folder import Folder

FILE = "hsmgate.responder.sources: {Client-CA: {issuer: a.crt, signer: s.p12, index: index.txt}}\n"


def test_a_group_has_the_settings_that_are_listed(folder: Folder) -> None:
    config = folder.load(
        FILE + "hsmgate.responder.sources.other.issuer: b.crt\n"
        "hsmgate.responder.sources.other: {signer: s.pem, crlUrl: 'http://c.example/x.crl', unlisted: good}\n"
    )
    assert config.hsmgate.responder.sources == {
        "clientca": Source(issuer=folder.path / "a.crt", signer=folder.path / "s.p12", index=folder.path / "index.txt"),
        "other": Source(
            issuer=folder.path / "b.crt",
            signer=folder.path / "s.pem",
            crl_url="http://c.example/x.crl",
            unlisted="good",
        ),
    }
    assert folder.load("").hsmgate.responder.sources == {}


@pytest.mark.parametrize(
    "variable",
    [
        "HSMGATE_RESPONDER_SOURCES_CLIENT_CA_SIGNER_PASSWORD",
        "HSMGATE_RESPONDER_SOURCES_CLIENTCA_SIGNERPASSWORD",
        "hsmgate.responder.sources.client-ca.signer-password",
    ],
)
def test_the_environment_adds_to_a_group(folder: Folder, variable: str) -> None:
    config = folder.load(FILE, {variable: "secret"})
    assert config.hsmgate.responder.sources["clientca"].signer_password == "secret"
    assert "secret" not in repr(config)


def test_the_environment_overrides_and_names_groups(folder: Folder) -> None:
    start = "HSMGATE_RESPONDER_SOURCES_"
    more = {f"{start}CLIENT_CA_INDEX": "other.txt", f"{start}NEW_ISSUER": "n.crt", f"{start}NEW_SIGNER": "n.pem"}
    sources = folder.load(FILE, more).hsmgate.responder.sources
    assert sources["clientca"].index == folder.path / "other.txt"
    assert sources["new"].signer == folder.path / "n.pem"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("sources.a.isuer: x", "unknown key hsmgate.responder.sources.a.isuer; the nearest known one is"),
        ("sources.a: x", "hsmgate.responder.sources.a is a group of settings, not a value"),
        ("sources.a.b.issuer: x", "unknown key"),
        ("sources.ä.issuer: x", "unknown key"),
        ("sources: {a: {issuer: x}}", "hsmgate.responder.sources.a needs signer beside hsmgate.responder.sources.a"),
        ("sources: {a: {signer: x}}", "hsmgate.responder.sources.a needs issuer beside"),
        (
            "sources: {a: {issuer: x, signer: x, crl: x, index: x}}",
            "hsmgate.responder.sources.a has index and crl; keep one of them",
        ),
        (
            "sources: {a: {issuer: x, signer: x, index: x, unlisted: good}}",
            "hsmgate.responder.sources.a.unlisted belongs to a CRL, and there is none",
        ),
        ("sources: {a-b: {issuer: x}, a_b: {issuer: y}}", "hsmgate.responder.sources.a_b.issuer is given twice"),
    ],
)
def test_refused(folder: Folder, content: str, line: str) -> None:
    assert line in folder.refused(f"hsmgate.responder.{content}\n")


def test_an_unknown_variable_of_a_group_is_refused(folder: Folder) -> None:
    line = folder.refused("", {"HSMGATE_RESPONDER_SOURCES_A_ISUER": "x"})
    assert "unknown environment variable HSMGATE_RESPONDER_SOURCES_A_ISUER" in line
