"""The attestation of a key: its XML (contract: endpoints.md section 2.9), tab-indented, blank lines at its end."""

import base64
import datetime
from collections.abc import Iterator
from html import escape

from hsmgate.domain.address import address_of
from hsmgate.domain.algorithm import key_algorithm
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.domain.policy import Approval, Group, Policy, Rule, Token
from hsmgate.errors import Failure, Reason

Node = tuple[str, "str | list[Node]"]  # an element: its name, and its text or its children


def document(key: Key, attested: float) -> str:
    """The XML of a key at `attested` (Unix seconds). Failure: INVALID_KEY_NAME (a text that XML cannot hold)."""
    root = "public_key" if key.is_public_only else "secret_key" if key.public_key is None else "private_key"
    origin = "imported" if key.is_public_only else key.origin
    lines = [f'<{root} creation="{_text(origin)}">']
    for child in _children(key, attested):
        lines += _lines(child, 1)
    lines += [f"</{root}>", "", ""]
    return "\n".join(lines)


def _children(key: Key, attested: float) -> Iterator[Node]:
    yield "uuid", key.uuid
    yield "label", key.label
    yield "create_time", moment(key.created)
    yield "attest_time", moment(attested)
    yield "key_use_count", str(key.use_count)
    algorithm = key_algorithm(key.algorithm)
    yield "algorithm", algorithm.name
    yield "algorithm_oid", algorithm.oid
    if key.curve_oid is not None and algorithm.name == "EC":
        yield "curve_oid", key.curve_oid
    if key.key_size is not None:
        yield "key_size", str(key.key_size)
    if key.public_key is not None:
        yield "public_key", base64.b64encode(key.public_key).decode()
    address = address_of(key)
    if address is not None:
        yield "address_truncated", address.hex().upper()
    yield "attributes", list(_attributes(key.attributes))
    if key.policy is not None:
        yield "policy", list(_policy(key.policy))


def _attributes(flags: KeyAttributes) -> Iterator[Node]:
    for name, value in (
        ("decrypt", flags.decrypt),
        ("sign", flags.sign),
        ("unwrap", flags.unwrap),
        ("derive", flags.derive),
        ("sensitive", flags.sensitive),
        ("always_sensitive", flags.always_sensitive),
        ("extractable", flags.extractable),
        ("never_extractable", flags.never_extractable),
        ("modifiable", flags.modifiable),
        ("copyable", flags.copyable),
        ("destroyable", flags.destroyable),
        ("unique", False),  # no claim: backups of the store hold the key too
    ):
        yield name, _flag(value)


def _policy(policy: Policy) -> Iterator[Node]:
    yield "key_status", [("blocked", _flag(policy.blocked))]
    yield "rule_use", _rule(policy.rule_use)
    yield "rule_block", _rule(policy.rule_block)
    yield "rule_unblock", _rule(policy.rule_unblock)
    yield "rule_modify", _rule(policy.rule_modify)


def _rule(rule: Rule | None) -> "list[Node]":
    return [] if rule is None else [("token", _token(token)) for token in rule.tokens]


def _token(token: Token) -> "list[Node]":
    times: list[Node] = [("timelock", str(token.timelock)), ("timeout", str(token.timeout))]
    return [("name", token.name or ""), *times, *(("group", _group(group)) for group in token.groups)]


def _group(group: Group) -> "list[Node]":
    head: list[Node] = [("name", group.name or ""), ("quorum", str(group.quorum))]
    return [*head, *(("approval", _approval(approval)) for approval in group.approvals)]


def _approval(approval: Approval) -> "list[Node]":
    return [("type", approval.type), ("name", approval.name or ""), ("value", approval.value or "")]


def _lines(node: Node, depth: int) -> Iterator[str]:
    name, content = node
    indent = "\t" * depth
    if isinstance(content, str):
        yield f"{indent}<{name}>{_text(content)}</{name}>"
    elif not content:
        yield f"{indent}<{name}/>"
    else:
        yield f"{indent}<{name}>"
        for child in content:
            yield from _lines(child, depth + 1)
        yield f"{indent}</{name}>"


def _text(text: str) -> str:
    """Escaped; carriage returns too, which a reader would turn into line feeds."""
    if not all(_is_xml(character) for character in text):
        raise Failure(Reason.INVALID_KEY_NAME, "The key has a name that XML cannot hold.")
    return escape(text).replace("\r", "&#13;")


def _is_xml(character: str) -> bool:
    """XML 1.0, production Char."""
    code = ord(character)
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000


def moment(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, second precision, `Z`."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _flag(value: bool) -> str:
    return "true" if value else "false"
