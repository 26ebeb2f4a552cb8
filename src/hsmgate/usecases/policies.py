"""The rules that a policy must meet before a key is made with it (approvals.md section 1)."""

import binascii

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509.oid import NameOID

from hsmgate.domain.policy import Approval, Group, Policy, Rule, Token
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.find import check_text

MOST_PARTS = 1024  # every answer about the key repeats them all, twice
_MINUTE = 60  # seconds: what times are counted in
_MOST_MINUTES = 2**32 - 1
_APPROVER_KEYS = (
    rsa.RSAPublicKey,
    ec.EllipticCurvePublicKey,
    ed25519.Ed25519PublicKey,
    ed448.Ed448PublicKey,
    dsa.DSAPublicKey,
)


def accepted(policy: Policy) -> Policy:
    """The policy with the names of its certificates filled in.

    Failure: INVALID_INPUT, INVALID_CERTIFICATE, UNSUPPORTED_APPROVER_KEY, APPROVER_NOT_FOUND.
    """
    if _size(policy) > MOST_PARTS:
        raise _invalid(f"A policy has at most {MOST_PARTS} tokens, groups and approvals.")
    return Policy(
        rule_use=_rule(policy.rule_use, attainable=True),
        rule_block=_rule(policy.rule_block),
        rule_unblock=_rule(policy.rule_unblock),
        rule_modify=_rule(policy.rule_modify),
        blocked=policy.blocked,
    )


def _size(policy: Policy) -> int:
    rules = (policy.rule_use, policy.rule_block, policy.rule_unblock, policy.rule_modify)
    tokens = [token for rule in rules if rule for token in rule.tokens]
    groups = [group for token in tokens for group in token.groups]
    return len(tokens) + len(groups) + sum(len(group.approvals) for group in groups)


def _rule(rule: Rule | None, *, attainable: bool = False) -> Rule | None:
    """`attainable`: more approvals than there are approvers must not be asked for; else that forbids for good."""
    return None if rule is None else Rule(tuple(_token(t, attainable=attainable) for t in rule.tokens))


def _token(token: Token, *, attainable: bool) -> Token:
    for name, seconds in (("timelock", token.timelock), ("timeout", token.timeout)):
        if seconds % _MINUTE or not 0 <= seconds <= _MOST_MINUTES * _MINUTE:
            raise _invalid(f"{name} must be a multiple of {_MINUTE} seconds.")
    _check_name(token.name)
    groups = tuple(_group(group, attainable=attainable) for group in token.groups)
    return msgspec.structs.replace(token, groups=groups)


def _group(group: Group, *, attainable: bool) -> Group:
    _check_name(group.name)
    if group.quorum < 1:
        raise _invalid("quorum must be at least 1.")
    approvers: set[bytes] = set()
    approvals: list[Approval] = []
    for approval in group.approvals:
        checked, public_key = _approval(approval)
        approvals.append(checked)
        approvers.add(public_key)
    if attainable and group.quorum > len(approvers):
        raise _invalid("quorum of ruleUse must not exceed the number of its approvers.")
    return msgspec.structs.replace(group, approvals=tuple(approvals))


def _approval(approval: Approval) -> tuple[Approval, bytes]:
    """The approval as it is stored, and its key as SubjectPublicKeyInfo: what counts as one approver."""
    _check_name(approval.name)
    if approval.type == "public_key":
        if not approval.name:
            raise _invalid("An approval of type public_key needs a name.")
        return approval, _public_key(_value(approval))
    if approval.type == "certificate":
        return _certificate(approval)
    if approval.type == "onboarded_approver_certificate":  # nobody is onboarded: there is no approver management yet
        raise Failure(Reason.APPROVER_NOT_FOUND, f"There is no approver with the name '{approval.name}'.")
    raise _invalid("The type of an approval is public_key, certificate or onboarded_approver_certificate.")


def _public_key(der: bytes) -> bytes:
    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _invalid("The value of an approval is no public key (SubjectPublicKeyInfo, DER, Base64).") from None
    return _spki(key)


def _certificate(approval: Approval) -> tuple[Approval, bytes]:
    try:
        certificate = x509.load_der_x509_certificate(_value(approval))
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        name = str(names[0].value) if names else certificate.subject.rfc4514_string()
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise Failure(Reason.INVALID_CERTIFICATE, "The value of an approval is no certificate (DER, Base64).") from None
    name = approval.name or name or f"serial {certificate.serial_number:x}"
    _check_name(name)
    return Approval(approval.type, name, approval.value), _spki(key)


def _spki(key: object) -> bytes:
    if not isinstance(key, _APPROVER_KEYS):
        raise Failure(Reason.UNSUPPORTED_APPROVER_KEY, "An approver's key is RSA, EC, ED or DSA.")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _value(approval: Approval) -> bytes:
    try:
        return binascii.a2b_base64(approval.value or "", strict_mode=True)
    except (binascii.Error, ValueError):
        raise _invalid("The value of an approval must be standard Base64.") from None


def _check_name(name: str | None) -> None:
    if name:
        check_text(name, "A name in a policy", Reason.INVALID_INPUT)


def _invalid(message: str) -> Failure:
    return Failure(Reason.INVALID_INPUT, message)
