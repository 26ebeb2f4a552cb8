"""usecases/policies.py: which policies are accepted, and what is filled in."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from hsmgate.domain.policy import Approval, Group, Policy, Rule, Token
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.policies import accepted

KEY = ec.generate_private_key(ec.SECP256R1())


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey | dsa.DSAPrivateKey,
) -> str:
    return b64(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def certificate(*names: tuple[x509.ObjectIdentifier, str]) -> str:
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, KEY.public_key(), 77, now, now + timedelta(1))
    return b64(builder.sign(KEY, SHA256()).public_bytes(Encoding.DER))


def of_version(number: int) -> str:
    """A certificate that says so of itself: v1 is 0."""
    der = base64.b64decode(certificate((NameOID.COMMON_NAME, "Carol")))
    return b64(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes([number]), 1))


def with_approvals(*approvals: Approval, quorum: int = 1) -> Rule:
    return Rule((Token("t", 0, 60, (Group("g", quorum, approvals),)),))


def refused(policy: Policy) -> Reason:
    with pytest.raises(Failure) as caught:
        accepted(policy)
    return caught.value.reason


ALICE = Approval("public_key", "alice", spki(KEY))
BOB = Approval("public_key", "bob", spki(ed25519.Ed25519PrivateKey.generate()))


def test_what_is_right_stays_as_it_is() -> None:
    rule = with_approvals(ALICE, BOB, quorum=2)
    policy = Policy(rule, Rule(), None, Rule((Token(None, 60, 0),)), blocked=True)
    assert accepted(policy) == policy
    assert accepted(Policy()) == Policy()


def test_a_certificate_without_a_name_gets_its_subjects() -> None:
    named, other, bare = (
        certificate((NameOID.COMMON_NAME, "Carol"), (NameOID.ORGANIZATION_NAME, "Lab")),
        certificate((NameOID.ORGANIZATION_NAME, "Lab")),
        certificate(),
    )
    rule = with_approvals(
        Approval("certificate", None, named),
        Approval("certificate", "", other),
        Approval("certificate", None, bare),
        Approval("certificate", "mine", named),
    )
    use = accepted(Policy(rule_use=rule)).rule_use
    assert use is not None
    approvals = use.tokens[0].groups[0].approvals
    assert [approval.name for approval in approvals] == ["Carol", "O=Lab", "serial 4d", "mine"]
    assert [approval.value for approval in approvals] == [named, other, bare, named]


@pytest.mark.parametrize(
    ("token", "passes"),
    [
        (Token("t", 0, 0), True),
        (Token("t", 60, 120), True),
        (Token("t", 60 * (2**32 - 1), 0), True),
        (Token("t", 60 * 2**32, 0), False),
        (Token("t", 59, 0), False),
        (Token("t", 0, 61), False),
        (Token("t", -60, 0), False),
        (Token("a\nb", 0, 0), False),
        (Token("", 0, 0), True),
    ],
)
@pytest.mark.parametrize("place", ["rule_use", "rule_block", "rule_unblock", "rule_modify"])
def test_times_and_names(token: Token, place: str, passes: bool) -> None:
    policy = Policy(**{place: Rule((token,))})  # type: ignore[arg-type]
    if passes:
        assert accepted(policy) == policy
    else:
        assert refused(policy) is Reason.INVALID_INPUT


def test_one_approver_counts_once() -> None:
    again = Approval("certificate", "alice again", certificate((NameOID.COMMON_NAME, "Alice")))
    assert refused(Policy(rule_use=with_approvals(ALICE, again, quorum=2))) is Reason.INVALID_INPUT
    accepted(Policy(rule_use=with_approvals(ALICE, BOB, again, quorum=2)))


def test_a_quorum_beyond_reach_forbids_everything_but_use() -> None:
    beyond = with_approvals(ALICE, quorum=2)
    accepted(Policy(rule_block=beyond, rule_unblock=beyond, rule_modify=with_approvals(quorum=1)))
    assert refused(Policy(rule_use=beyond)) is Reason.INVALID_INPUT
    assert refused(Policy(rule_use=with_approvals(quorum=1))) is Reason.INVALID_INPUT


@pytest.mark.parametrize(
    ("approval", "reason"),
    [
        (Approval("public_key", None, ALICE.value), Reason.INVALID_INPUT),
        (Approval("public_key", "", ALICE.value), Reason.INVALID_INPUT),
        (Approval("public_key", "a\0", ALICE.value), Reason.INVALID_INPUT),
        (Approval("public_key", "x" * 256, ALICE.value), Reason.INVALID_INPUT),
        (Approval("public_key", "alice", None), Reason.INVALID_INPUT),
        (Approval("public_key", "alice", "%"), Reason.INVALID_INPUT),
        (Approval("public_key", "alice", "ä"), Reason.INVALID_INPUT),
        (Approval("public_key", "alice", "AAAA"), Reason.INVALID_INPUT),
        (Approval("public_key", "alice", f"{ALICE.value}\n"), Reason.INVALID_INPUT),
        (Approval("public_key", "x", spki(x25519.X25519PrivateKey.generate())), Reason.UNSUPPORTED_APPROVER_KEY),
        (Approval("certificate", None, "AAAA"), Reason.INVALID_CERTIFICATE),
        (Approval("certificate", None, ALICE.value), Reason.INVALID_CERTIFICATE),
        (Approval("certificate", None, None), Reason.INVALID_CERTIFICATE),
        (Approval("certificate", None, of_version(3)), Reason.INVALID_CERTIFICATE),
        (Approval("onboarded_approver_certificate", "eve", None), Reason.APPROVER_NOT_FOUND),
        (Approval("PUBLIC_KEY", "alice", ALICE.value), Reason.INVALID_INPUT),
        (Approval("", "alice", ALICE.value), Reason.INVALID_INPUT),
    ],
)
def test_wrong_approvals(approval: Approval, reason: Reason) -> None:
    assert refused(Policy(rule_modify=with_approvals(approval))) is reason


def test_a_policy_has_so_many_parts_in_all() -> None:
    def of(groups: int) -> Policy:
        token = Token("t", 0, 0, (Group("g", 1, (ALICE,)),) * groups)
        return Policy(rule_block=Rule((token,)), rule_modify=Rule((token, Token(None, 0, 0))))

    accepted(of(255))  # 3 tokens, 510 groups, 510 approvals
    assert refused(of(256)) is Reason.INVALID_INPUT


@pytest.mark.parametrize("quorum", [0, -1])
def test_a_quorum_of_nobody(quorum: int) -> None:
    assert refused(Policy(rule_block=with_approvals(ALICE, quorum=quorum))) is Reason.INVALID_INPUT


def test_dsa_approvers() -> None:
    key = dsa.generate_private_key(1024)
    accepted(Policy(rule_use=with_approvals(Approval("public_key", "dora", spki(key)))))
