"""Issuing on real parts: what is handed out verifies, what must not be is refused, and all of it is in the trail."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from hsmgate.adapters.pki_keys import KINDS
from hsmgate.domain import audit
from hsmgate.errors import Failure, Reason
from hsmgate.gate.tls import judge_again
from hsmgate.pki import csr, extensions, issue, names, trust
from hsmgate.usecases import issuance_authorities, issuance_elsewhere, issuance_leaves, issuance_states
from hsmgate.usecases.issuance_leaves import Handed, Renewal
from hsmgate.usecases.issuance_ports import AuthoritySettings, IssuancePorts, Wanted
from hsmgate.usecases.issuance_states import Selector
from support import certs
from support.small_pki import SmallPki, certificate, small_pki

POINTS = extensions.Points(
    ocsp=("http://ocsp.example/",), ca_issuers=("http://pki.example/ca.crt",), crl=("http://pki.example/ca.crl",)
)


@pytest.fixture
def pki(tmp_path: Path) -> Iterator[SmallPki]:
    with small_pki(tmp_path / "pki") as made:
        made.root()
        made.authority("issuing", "root", settings=AuthoritySettings(points=POINTS))
        yield made


def openssl_verify(folder: Path, handed: Handed, purpose: str) -> str:
    """What openssl says against it; empty if it accepts."""
    ders = [handed.certified.certificate or b"", *handed.chain]
    pems = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ders]
    (folder / "leaf.pem").write_bytes(pems[0])
    (folder / "between.pem").write_bytes(b"".join(pems[1:-1]) or pems[-1])
    (folder / "anchor.pem").write_bytes(pems[-1])
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "anchor.pem"]
    command += ["-untrusted", "between.pem", "leaf.pem"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


PURPOSES = {"server": "sslserver", "client": "sslclient", "responder": "ocsphelper"}


@pytest.mark.parametrize("profile", PURPOSES)
def test_openssl_accepts_each_profile_for_its_purpose_only(pki: SmallPki, tmp_path: Path, profile: str) -> None:
    handed = pki.issue(profile, issuer="issuing")
    assert openssl_verify(tmp_path, handed, PURPOSES[profile]) == ""
    for other in {"sslserver", "sslclient"} - {PURPOSES[profile]}:
        assert "unsuitable certificate purpose" in openssl_verify(tmp_path, handed, other)


def test_a_leaf_says_where_to_ask_about_it(pki: SmallPki) -> None:
    found = certificate(pki.issue(issuer="issuing")).extensions
    access = found.get_extension_for_class(x509.AuthorityInformationAccess)
    assert not access.critical
    assert {(one.access_method, one.access_location.value) for one in access.value} == {
        (AuthorityInformationAccessOID.OCSP, POINTS.ocsp[0]),
        (AuthorityInformationAccessOID.CA_ISSUERS, POINTS.ca_issuers[0]),
    }
    (point,) = found.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for name in point.full_name or ()] == list(POINTS.crl)


def test_a_responder_is_asked_about_by_nobody_and_lives_for_days(pki: SmallPki) -> None:
    made = certificate(pki.issue("responder", issuer="issuing"))
    found = made.extensions
    assert found.get_extension_for_class(x509.OCSPNoCheck)
    with pytest.raises(x509.ExtensionNotFound):
        found.get_extension_for_class(x509.AuthorityInformationAccess)
    assert made.not_valid_after_utc - made.not_valid_before_utc < timedelta(days=31)


def test_the_gate_lets_a_client_in_and_no_server(pki: SmallPki) -> None:
    trusted = trust.build([("issuing", pki.issue(issuer="issuing").chain[0])], frozenset(), frozenset())
    for profile, lets_in in (("client", True), ("server", False), ("responder", False)):
        handed = pki.issue(profile, issuer="issuing")
        leaf = handed.certified.certificate or b""
        if lets_in:
            assert judge_again(trusted, leaf, handed.chain, pki.clock()).trusted_by == "issuer:issuing"
        else:
            with pytest.raises(Failure):
                judge_again(trusted, leaf, handed.chain, pki.clock())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("rsa3072", "rsa4096")])
def test_every_kind_of_key_issues_and_is_issued(tmp_path: Path, kind: str) -> None:
    with small_pki(tmp_path / "pki") as pki:
        pki.root("r", kind)
        handed = pki.issue(kind=kind)
        assert openssl_verify(tmp_path, handed, "sslclient") == ""


def test_a_request_gives_subject_and_key_and_nothing_else(pki: SmallPki) -> None:
    key = certs.key(label="asks")
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(names.subject("CN=greedy"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    handed = pki.issue(key="", request=greedy, subject=None, issuer="issuing")
    made = certificate(handed)
    assert made.subject.rfc4514_string() == "CN=greedy"
    assert made.public_key() == key.public_key()
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(x509.ExtensionNotFound):
        made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    asked = pki.issue("server", key="", request=greedy, subject=None, names=(), request_names=True, issuer="issuing")
    found = certificate(asked).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["bank.example"]
    with pytest.raises(Failure, match="not taken unasked"):
        pki.issue("server", key="", request=greedy, subject=None, names=(), issuer="issuing")


def test_a_request_of_somebody_elses_key_is_refused(pki: SmallPki) -> None:
    der = bytearray(csr.make("a", certs.key(label="one")))
    der[-1] ^= 1
    with pytest.raises(Failure) as caught:
        pki.issue(key="", request=bytes(der), subject=None)
    assert caught.value.reason is Reason.INVALID_INPUT


def test_a_weak_key_is_not_certified(pki: SmallPki) -> None:
    weak = certs.key("rsa1024")
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(names.subject("CN=weak"))
        .sign(weak, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    with pytest.raises(Failure, match="2048 bits") as caught:
        pki.issue(key="", request=request, subject=None, issuer="issuing")
    assert caught.value.reason is Reason.WEAK_CERTIFICATE


def test_name_constraints_bind_what_is_issued_below_them(pki: SmallPki, tmp_path: Path) -> None:
    within = extensions.Constraints(permitted=(names.subtree("dns:example.com"),))
    pki.authority("narrow", "root", constraints=within)
    handed = pki.issue("server", issuer="narrow", names=(x509.DNSName("a.example.com"),))
    assert openssl_verify(tmp_path, handed, "sslserver") == ""
    before = len(list(pki.register.listed(Wanted(), pki.clock())))
    keys = sorted((pki.folder / "keys").iterdir())
    with pytest.raises(Failure, match="narrow may not stand above this") as caught:
        pki.issue("server", issuer="narrow", names=(x509.DNSName("example.org"),))
    assert caught.value.reason is Reason.UNSUPPORTED_CERTIFICATE
    assert len(list(pki.register.listed(Wanted(), pki.clock()))) == before
    assert sorted((pki.folder / "keys").iterdir()) == keys, "the key that came to nothing is gone"


def test_a_revoked_authority_issues_no_more(pki: SmallPki) -> None:
    der = pki.issue(issuer="issuing").chain[0]
    issuance_states.revoke(pki.ports, Selector(certificate=der), "cACompromise")
    with pytest.raises(Failure, match="issuing is revoked") as caught:
        pki.issue(issuer="issuing")
    assert caught.value.reason is Reason.REVOKED


def test_nothing_outlives_its_issuer(pki: SmallPki) -> None:
    pki.authority("short", "root", lifetime=timedelta(days=10))
    end = certificate(pki.issue(issuer="short")).not_valid_after_utc
    assert (end.timestamp() - pki.clock()) / 86400 < 10, "the usual lifetime ends with the issuer"
    with pytest.raises(Failure, match="reaches beyond"):
        pki.issue(issuer="short", lifetime=timedelta(days=20))
    pki.clock.at += 11 * 86400
    with pytest.raises(Failure, match="the issuer expired") as caught:
        pki.issue(issuer="short")
    assert caught.value.reason is Reason.EXPIRED


def test_an_offline_root_signs_a_request_and_the_certificate_comes_home(tmp_path: Path) -> None:
    with small_pki(tmp_path / "offline") as offline, small_pki(tmp_path / "online") as online:
        root = offline.root("root")
        request = issuance_elsewhere.request(online.ports, "issuing", "issuing", "file:keys/issuing.key", "p256")
        signed = issuance_elsewhere.sign_request(
            offline.ports, issuance_elsewhere.SignedAuthority(request=request), "root"
        )
        anchor = x509.load_der_x509_certificate(root.certificate)
        settings = AuthoritySettings()
        there = issuance_elsewhere.install(online.ports, "root", anchor, "", settings)
        entry = issuance_elsewhere.install(online.ports, "issuing", signed, "file:keys/issuing.key", settings)
        assert (there.signing_key, there.parent, entry.parent) == ("", None, "root")
        handed = online.issue(issuer="issuing")
        assert openssl_verify(tmp_path, handed, "sslclient") == ""
        with pytest.raises(Failure, match="is not here: sign where it is"):
            online.issue(issuer="root")
        found = offline.reads.find("root", signed.serial_number)
        assert found is not None
        assert found.revoked is None


def test_only_the_right_key_is_installed(pki: SmallPki) -> None:
    entry = pki.authority("one", "root")
    issuance_elsewhere.request(pki.ports, "two", "two", "file:keys/two.key", "p256")
    with pytest.raises(Failure, match="is not the key of this certificate"):
        issuance_elsewhere.install(
            pki.ports,
            "two",
            x509.load_der_x509_certificate(entry.certificate),
            "file:keys/two.key",
            AuthoritySettings(),
        )
    leaf = certificate(pki.issue(issuer="one"))
    with pytest.raises(Failure, match="no certificate authority"):
        issuance_elsewhere.install(pki.ports, "leaf", leaf, "", AuthoritySettings())


def test_a_renewal_has_the_same_names_and_another_key(pki: SmallPki) -> None:
    old = pki.issue("server", issuer="issuing", names=(x509.DNSName("a.example"), x509.DNSName("b.example")))
    new = issuance_leaves.renew_leaf(pki.ports, Renewal(leaf=old.certified, key="file:keys/new.key"))
    before, after = certificate(old), certificate(new)
    san = x509.SubjectAlternativeName
    assert before.extensions.get_extension_for_class(san) == after.extensions.get_extension_for_class(san)
    assert before.subject == after.subject
    assert before.public_key() != after.public_key()
    assert new.certified.profile == "server"
    same = issuance_leaves.renew_leaf(pki.ports, Renewal(leaf=old.certified))
    assert certificate(same).public_key() == before.public_key()
    assert len({old.certified.serial, new.certified.serial, same.certified.serial}) == 3


def test_what_is_revoked_or_expired_is_not_renewed(pki: SmallPki) -> None:
    one, other = pki.issue(issuer="issuing"), pki.issue(issuer="issuing")
    issuance_states.revoke(pki.ports, Selector(serial=one.certified.serial), "certificateHold")
    with pytest.raises(Failure, match="so it is not renewed"):
        issuance_leaves.renew_leaf(pki.ports, Renewal(leaf=one.certified, key="file:keys/n.key"))
    assert not (pki.folder / "keys/n.key").exists()
    pki.clock.at = other.certified.not_after
    with pytest.raises(Failure, match="it expired on"):
        issuance_leaves.renew_leaf(pki.ports, Renewal(leaf=other.certified))


def test_path_lengths_leave_room_or_refuse(pki: SmallPki) -> None:
    with pytest.raises(Failure, match="may issue leaves only"):
        pki.authority("below", "issuing")
    with pytest.raises(Failure, match="has room for fewer"):
        pki.authority("deep", "root", path_length=1)


def test_a_name_is_given_once_and_its_key_is_never_overwritten(pki: SmallPki) -> None:
    with pytest.raises(Failure, match="already"):
        pki.root("root")
    (pki.folder / "keys/left.key").write_bytes(b"somebody's")
    with pytest.raises(Failure) as caught:
        pki.root("left")
    assert caught.value.reason is Reason.KEY_EXISTS
    assert (pki.folder / "keys/left.key").read_bytes() == b"somebody's"


@pytest.mark.parametrize("name", ["", "a b", "../x", "-a", "a/b", "x" * 65, "a\n"])
def test_names_that_are_no_file_names_are_refused(pki: SmallPki, name: str) -> None:
    with pytest.raises(Failure, match="the name of an authority"):
        pki.root(name)


def test_every_act_has_its_intent_and_its_outcome(pki: SmallPki) -> None:
    handed = pki.issue(issuer="issuing")
    chosen = Selector(serial=handed.certified.serial)
    issuance_states.revoke(pki.ports, chosen, "certificateHold")
    issuance_states.release(pki.ports, chosen)
    with pytest.raises(Failure):
        issuance_states.release(pki.ports, chosen)
    lines = [audit.read(line + b"\n") for line in pki.trail.read_bytes().splitlines()][1:]
    acts = [(line.phase, line.action, line.result) for line in lines]
    for action in ("pki.init", "pki.intermediate", "pki.issue", "pki.revoke", "pki.release"):
        assert (("intent", action, "")) in acts
        assert (("outcome", action, "ok")) in acts
    assert acts[-1] == ("outcome", "pki.release", "INVALID_INPUT")
    assert {line.detail["operator"] for line in lines} == {"an operator"}
    issued = next(line for line in lines if line.action == "pki.issue" and line.phase == "outcome")
    assert issued.detail["serial"] == f"{handed.certified.serial:x}"


def test_without_a_trail_nothing_is_issued(pki: SmallPki) -> None:
    before = pki.reads.all()
    pki.ports.audit.close()  # type: ignore[attr-defined]
    with pytest.raises(Failure) as caught:
        pki.issue(issuer="issuing", key="file:keys/unwritten.key")
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    assert not (pki.folder / "keys/unwritten.key").exists()
    assert pki.reads.all() == before


def test_which_certificate_is_meant(pki: SmallPki) -> None:
    one = pki.issue(issuer="issuing", subject="CN=twin")
    assert issuance_states.find(pki.register, Selector(subject="CN=twin"), pki.clock()) == one.certified
    other = pki.issue(issuer="issuing", subject="CN=twin")
    with pytest.raises(Failure, match="2 certificates have this subject"):
        issuance_states.find(pki.register, Selector(subject="CN=twin"), pki.clock())
    issuance_states.revoke(pki.ports, Selector(serial=one.certified.serial), "superseded")
    assert issuance_states.find(pki.register, Selector(subject="CN=twin"), pki.clock()) == other.certified
    for nobody in (Selector(serial=7), Selector(subject="CN=nobody"), Selector(certificate=foreign())):
        with pytest.raises(Failure, match="issued here") as caught:
            issuance_states.find(pki.register, nobody, pki.clock())
        assert caught.value.reason is Reason.INVALID_INPUT


def foreign() -> bytes:
    made = issue.root("root", certs.key(), 9, issue.validity(certs.NOW, issue.AUTHORITY_LIFETIME))
    return made.certificate.public_bytes(Encoding.DER)


def test_an_authority_is_renewed_with_all_that_it_may(pki: SmallPki, tmp_path: Path) -> None:
    within = extensions.Constraints(permitted=(names.subtree("dns:example.com"),))
    before = pki.authority("narrow", "root", constraints=within, lifetime=timedelta(days=100))
    old = pki.issue("server", issuer="narrow", names=(x509.DNSName("a.example.com"),))
    after = issuance_authorities.renew(pki.ports, "narrow", None)
    first, second = (x509.load_der_x509_certificate(entry.certificate) for entry in (before, after))
    assert second.not_valid_after_utc > first.not_valid_after_utc
    assert second.serial_number != first.serial_number
    kept = {extension.oid: extension for extension in first.extensions}
    assert kept == {extension.oid: extension for extension in second.extensions}
    renewed = Handed(certified=old.certified, chain=(after.certificate, *old.chain[1:]))
    for handed in (old, renewed, pki.issue("server", issuer="narrow", names=(x509.DNSName("b.example.com"),))):
        assert openssl_verify(tmp_path, handed, "sslserver") == ""
    assert pki.reads.find("root", second.serial_number) is not None


def test_a_root_is_renewed_by_itself(pki: SmallPki, tmp_path: Path) -> None:
    old = pki.issue(issuer="issuing")
    after = issuance_authorities.renew(pki.ports, "root", timedelta(days=9000))
    handed = Handed(certified=old.certified, chain=(old.chain[0], after.certificate))
    assert openssl_verify(tmp_path, handed, "sslclient") == ""


def test_a_revoked_authority_is_not_renewed(pki: SmallPki) -> None:
    der = pki.issue(issuer="issuing").chain[0]
    issuance_states.revoke(pki.ports, Selector(certificate=der), "certificateHold")
    with pytest.raises(Failure, match="issuing is revoked"):
        issuance_authorities.renew(pki.ports, "issuing", None)


def test_an_authority_that_was_certified_elsewhere_is_renewed_there(tmp_path: Path) -> None:
    with small_pki(tmp_path / "offline") as offline, small_pki(tmp_path / "online") as online:
        root = x509.load_der_x509_certificate(offline.root("root").certificate)
        issuance_elsewhere.install(online.ports, "root", root, "", AuthoritySettings())
        key, kept = "file:keys/issuing.key", AuthoritySettings(points=POINTS)

        def certified() -> x509.Certificate:
            request = issuance_elsewhere.request(online.ports, "issuing", "issuing", key, "p256")
            wanted = issuance_elsewhere.SignedAuthority(request=request)
            return issuance_elsewhere.sign_request(offline.ports, wanted, "root")

        issuance_elsewhere.install(online.ports, "issuing", certified(), key, kept)
        old = online.issue(issuer="issuing")
        issuance_elsewhere.install(online.ports, "issuing", again := certified(), key, AuthoritySettings())
        entry = online.register.authority("issuing")
        assert entry is not None
        assert (entry.settings, entry.signing_key) == (kept, key)
        renewed = Handed(certified=old.certified, chain=(entry.certificate, old.chain[1]))
        for handed in (old, renewed, online.issue(issuer="issuing")):
            assert openssl_verify(tmp_path, handed, "sslclient") == ""
        with pytest.raises(Failure, match="with this certificate"):
            issuance_elsewhere.install(online.ports, "issuing", again, key, kept)
        with pytest.raises(Failure, match="request, sign and install it anew"):
            issuance_authorities.renew(small_without_parent(online), "issuing", None)


def small_without_parent(pki: SmallPki) -> IssuancePorts:
    """As where the root was never installed."""
    entry = pki.register.authority("issuing")
    assert entry is not None
    with pki.register.writing() as book:
        book.change_authority(msgspec.structs.replace(entry, parent=None))
    return pki.ports
