"""usecases/keys.py: from a wish to the specification of a key, and what happens between requests."""

from collections.abc import Iterator

import msgspec
import pytest

from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.policy import Policy
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.keys import CreateKey, attributes, create, delete, specify
from hsmgate.usecases.ports import Ports
from support.api import NOW, ListAudit
from support.keystores import software_keystore

SIGNS = KeyAttributes(sign=True, destroyable=True)
WISH = CreateKey("orders", SIGNS, algorithm="EC", curve_oid="1.2.840.10045.3.1.7")


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    with software_keystore(tmp_path_factory.mktemp("keys"), NOW) as keystore:
        yield Ports(keystore, ListAudit(), lambda: NOW, (), "")


def reason_of(wish: CreateKey) -> Reason:
    with pytest.raises(Failure) as caught:
        specify(wish)
    return caught.value.reason


def test_a_specification_holds_what_was_wished() -> None:
    spec = KeySpec("orders", "EC", SIGNS, "1.2.840.10045.3.1.7")
    assert specify(WISH) == (spec, "")
    with_policy = msgspec.structs.replace(WISH, id="7", policy=Policy())
    assert specify(with_policy) == (msgspec.structs.replace(spec, id="7", policy=Policy()), "")


def test_the_curve_of_ed_is_no_choice() -> None:
    spec, _ = specify(CreateKey("ed", SIGNS, algorithm="ED", curve_oid="1.3.101.112"))
    assert (spec.curve_oid, spec.key_size) == (None, None)


def test_a_secret_key_loses_its_policy_with_a_remark() -> None:
    spec, remark = specify(
        CreateKey("aes", KeyAttributes(decrypt=True), algorithm="AES", key_size=256, policy=Policy(blocked=True))
    )
    assert spec.policy is None
    assert remark
    wish = CreateKey("aes", KeyAttributes(decrypt=True), algorithm="AES", key_size=256, policy=Policy())
    assert reason_of(msgspec.structs.replace(wish, address_format="ETH")) is Reason.ADDRESS_NEEDS_POLICY


@pytest.mark.parametrize("wanted", ["BTC", "ETH", "XLM", "XRP"])
def test_addresses_need_a_policy_and_a_key_of_their_chain(wanted: str) -> None:
    with_policy = msgspec.structs.replace(WISH, address_format=wanted, policy=Policy())
    assert reason_of(with_policy) is Reason.UNSUPPORTED_ADDRESS_FORMAT
    assert reason_of(msgspec.structs.replace(WISH, address_format=wanted)) is Reason.ADDRESS_NEEDS_POLICY
    coins = msgspec.structs.replace(
        with_policy, algorithm="ED" if wanted == "XLM" else "EC", curve_oid=None if wanted == "XLM" else "1.3.132.0.10"
    )
    assert specify(coins)[0].address_format == wanted


def test_between_finding_and_deleting_another_may_delete(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    key = create(ports, WISH).signed.key
    stale = SoftwareKeystore.find(ports.keystore, "orders")  # type: ignore[arg-type]
    ports.keystore.delete(key, None)
    monkeypatch.setattr(ports.keystore, "find", lambda _: stale)
    with pytest.raises(Failure) as caught:
        delete(ports, "orders", None)
    assert caught.value.reason is Reason.KEY_NOT_FOUND
    assert str(caught.value) == "A key with the name 'orders' does not exist."


def test_a_store_that_is_away_is_not_a_missing_key(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Key:
        raise Failure(Reason.CONNECTIVITY)

    monkeypatch.setattr(ports.keystore, "find", away)
    for label in ("orders", "orders/0'"):
        with pytest.raises(Failure) as caught:
            attributes(ports, label, None)
        assert caught.value.reason is Reason.CONNECTIVITY


def test_nothing_is_attested_before_the_password_is_right(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    create(ports, msgspec.structs.replace(WISH, label="locked", password="pw"))
    attested: list[bytes] = []
    monkeypatch.setattr(ports.keystore, "attest", attested.append)
    with pytest.raises(Failure) as caught:
        attributes(ports, "locked", "PW")
    assert caught.value.reason is Reason.KEY_PASSWORD_MISMATCH
    assert attested == []
