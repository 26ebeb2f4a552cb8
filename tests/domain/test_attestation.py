"""domain/attestation.py: the XML of a key, read back by a strict parser."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsmgate.domain.attestation import document, moment
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.domain.policy import Approval, Group, Policy, Rule, Token
from hsmgate.errors import Failure, Reason

EC = Key(
    uuid="5a2c7a3e-1111-4222-8333-444444444444",
    label="orders",
    algorithm="EC",
    attributes=KeyAttributes(sign=True, destroyable=True),
    created=1706007283,
    curve_oid="1.2.840.10045.3.1.7",
    public_key=b"\x30\x01\x00",
)
ATTESTED = 1706007284.9
POLICY = Policy(
    rule_use=Rule(
        (
            Token(
                "t1",
                timelock=60,
                timeout=600,
                groups=(Group("g<1>", 1, (Approval("public_key", "Älice & Bob", "MFkw"),)),),
            ),
            Token(None),
        )
    ),
    rule_block=Rule(),
    blocked=True,
)


def tree(key: Key) -> ElementTree.Element:
    return ElementTree.fromstring(document(key, ATTESTED).encode())


def copy(key: Key, **changes: object) -> Key:
    return Key(**({name: getattr(key, name) for name in Key.__struct_fields__} | changes))


def test_the_document_of_an_ec_key_is_exactly_this() -> None:
    attributes = "\n".join(
        f"\t\t<{name}>{value}</{name}>"
        for name, value in (
            ("decrypt", "false"),
            ("sign", "true"),
            ("unwrap", "false"),
            ("derive", "false"),
            ("sensitive", "true"),
            ("always_sensitive", "true"),
            ("extractable", "false"),
            ("never_extractable", "true"),
            ("modifiable", "true"),
            ("copyable", "false"),
            ("destroyable", "true"),
            ("unique", "false"),
        )
    )
    assert document(EC, ATTESTED) == (
        '<private_key creation="generated">\n'
        "\t<uuid>5a2c7a3e-1111-4222-8333-444444444444</uuid>\n"
        "\t<label>orders</label>\n"
        "\t<create_time>2024-01-23T10:54:43Z</create_time>\n"
        "\t<attest_time>2024-01-23T10:54:44Z</attest_time>\n"
        "\t<key_use_count>0</key_use_count>\n"
        "\t<algorithm>EC</algorithm>\n"
        "\t<algorithm_oid>1.2.840.10045.2.1</algorithm_oid>\n"
        "\t<curve_oid>1.2.840.10045.3.1.7</curve_oid>\n"
        "\t<public_key>MAEA</public_key>\n"
        f"\t<attributes>\n{attributes}\n\t</attributes>\n"
        "</private_key>\n\n"
    )


@pytest.mark.parametrize(
    ("changes", "root", "children"),
    [
        (
            {"algorithm": "RSA", "curve_oid": None, "key_size": 3072},
            "private_key",
            ["algorithm", "algorithm_oid", "key_size", "public_key", "attributes"],
        ),
        (
            {"algorithm": "ED", "curve_oid": "1.3.101.112"},
            "private_key",
            ["algorithm", "algorithm_oid", "public_key", "attributes"],
        ),
        (
            {"algorithm": "AES", "curve_oid": None, "key_size": 256, "public_key": None},
            "secret_key",
            ["algorithm", "algorithm_oid", "key_size", "attributes"],
        ),
        (
            {"policy": Policy()},
            "private_key",
            ["algorithm", "algorithm_oid", "curve_oid", "public_key", "attributes", "policy"],
        ),
    ],
)
def test_the_order_of_the_children(changes: dict[str, object], root: str, children: list[str]) -> None:
    element = tree(copy(EC, **changes))
    head = ["uuid", "label", "create_time", "attest_time", "key_use_count"]
    assert element.tag == root
    assert [child.tag for child in element] == head + children


def test_a_policy_is_written_whole() -> None:
    policy = tree(copy(EC, policy=POLICY)).find("policy")
    assert policy is not None
    leaves = [(e.tag, e.text) for e in policy.iter() if len(e) == 0]
    assert leaves == [
        ("blocked", "true"),
        ("name", "t1"),
        ("timelock", "60"),
        ("timeout", "600"),
        ("name", "g<1>"),
        ("quorum", "1"),
        ("type", "public_key"),
        ("name", "Älice & Bob"),
        ("value", "MFkw"),
        ("name", None),
        ("timelock", "0"),
        ("timeout", "0"),
        ("rule_block", None),
        ("rule_unblock", None),
        ("rule_modify", None),
    ]
    assert [child.tag for child in policy] == ["key_status", "rule_use", "rule_block", "rule_unblock", "rule_modify"]


def test_indentation_is_tabs_by_depth() -> None:
    depth = 0
    for line in document(copy(EC, policy=POLICY), ATTESTED).splitlines()[:-1]:
        closing = line.lstrip("\t").startswith("</")
        depth -= closing
        assert re.match(r"\t*", line)[0] == "\t" * depth  # type: ignore[index]
        depth += not closing and "</" not in line and not line.endswith("/>")


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")))
def test_any_label_is_read_back_as_it_was(label: str) -> None:
    assert (tree(copy(EC, label=label)).findtext("label") or "") == label


@pytest.mark.parametrize("label", ["<>&\"'", "]]>", "<!-- -->", "&lt;", "a\rb", "a\nb", "\t", "Ünïcödé 🔑", "</label>"])
def test_markup_in_a_label_stays_text(label: str) -> None:
    assert tree(copy(EC, label=label)).findtext("label") == label


@pytest.mark.parametrize("label", ["a\0b", "\x1b[2J", "\ufffe", "\uffff", "\ud800"])
def test_what_xml_cannot_hold_is_refused(label: str) -> None:
    with pytest.raises(Failure) as caught:
        document(copy(EC, label=label), ATTESTED)
    assert caught.value.reason is Reason.INVALID_KEY_NAME


def test_moments_are_utc_in_whole_seconds() -> None:
    assert moment(0) == "1970-01-01T00:00:00Z"
    assert moment(1706007283.999) == "2024-01-23T10:54:43Z"
