"""Keys that other tools made: what appears, what is used, what is told and never guessed."""

from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass

from hsmgate.adapters.pkcs11.keystore import TokenKeystore
from hsmgate.adapters.pkcs11.objects import OWN_ID, find
from hsmgate.adapters.pkcs11.seats import Seat
from hsmgate.domain.key import KeySpec
from hsmgate.domain.verification import verify
from hsmgate.errors import Reason
from support.hsm_tokens import PIN, Place, open_keystore, open_token, softhsm
from support.keystore_contract import NO_EXTRA, POLICY, SIGNS, label, raises, spec_of


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return softhsm(tmp_path_factory.mktemp("survey"))


@pytest.fixture(scope="module")
def store(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenKeystore]:
    keystore = open_keystore(place, tmp_path_factory.mktemp("data"))
    yield keystore
    keystore.close()


def keypair(place: Place, name: str, kind: str = "EC:prime256v1", number: str = "01", *more: str) -> None:
    place.tool("--keypairgen", "--key-type", kind, "--label", name, "--id", number, *more)


def signs(store: TokenKeystore, name: str, algorithm: str) -> None:
    key = store.find(name)
    verify(key, algorithm, b"m", store.sign(key, None, algorithm, b"m", NO_EXTRA))


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("EC:prime256v1", "SHA256_WITH_ECDSA"),
        ("EC:secp521r1", "SHA512_WITH_ECDSA"),
        ("EC:secp256k1", "KECCAK256_WITH_ECDSA"),
        ("EC:edwards25519", "EDDSA"),
        ("RSA:2048", "SHA256_WITH_RSA_PSS"),
    ],
)
def test_keys_of_pkcs11_tool_appear_and_sign(store: TokenKeystore, place: Place, kind: str, algorithm: str) -> None:
    name = label()
    keypair(place, name, kind, "a1b2", "--usage-sign")
    assert name in store.labels()
    signs(store, name, algorithm)
    key = store.find(name)
    assert (key.origin, key.id, key.use_count) == ("imported", "a1b2", 1)
    assert key.attributes.sign
    assert not key.attributes.extractable
    store.delete(key, None)
    assert name not in store.labels()
    with raises(Reason.KEY_NOT_FOUND):
        store.find(name)
    assert name.encode() not in place.tool("--list-objects")


def test_keys_of_softhsm2_util_appear_and_sign(store: TokenKeystore, place: Place, tmp_path: Path) -> None:
    name, file = label(), tmp_path / "key.pem"
    place.run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(file))
    imported = ("--import", str(file), "--token", place.label, "--label", name, "--id", "c3", "--pin", PIN)
    place.run("softhsm2-util", *imported)
    assert name in store.labels()
    signs(store, name, "SHA256_WITH_RSA")
    public = place.run("openssl", "pkey", "-in", str(file), "-pubout", "-outform", "DER")
    assert store.find(name).public_key == public


def test_secret_keys_appear(store: TokenKeystore, place: Place) -> None:
    name = label()
    place.tool("--keygen", "--key-type", "AES:32", "--label", name, "--id", "05")
    key = store.find(name)
    assert (key.algorithm, key.key_size, key.public_key) == ("AES", 256, None)
    with raises(Reason.INVALID_KEY_TYPE):
        store.sign(key, None, "SHA256_WITH_RSA", b"m", NO_EXTRA)


def test_keys_of_one_label_are_told_and_none_is_used(store: TokenKeystore, place: Place) -> None:
    name = label()
    keypair(place, name, number="11")
    signs(store, name, "SHA256_WITH_ECDSA")
    keypair(place, name, number="12")  # the one that was used is told apart by its public key
    signs(store, name, "SHA256_WITH_ECDSA")
    assert any(f"2 keys are called {name!r}" in remark for remark in store.remarks())
    other = label()
    keypair(place, other, number="13")
    keypair(place, other, number="14")
    assert other not in store.labels()
    with raises(Reason.KEY_NOT_FOUND):
        store.find(other)


def test_a_label_of_another_tools_key_is_taken(store: TokenKeystore, place: Place) -> None:
    name = label()
    keypair(place, name, number="21")
    with raises(Reason.KEY_EXISTS):
        store.create(spec_of("secp256r1", name), None)
    own = store.create(spec_of("secp256r1", label()), None)
    keypair(place, own.label, number="22")
    assert store.find(own.label) == own
    verify(own, "SHA256_WITH_ECDSA", b"m", store.sign(own, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA))
    assert any(f"another tool's key is called {own.label!r}" in remark for remark in store.remarks())


def test_keys_without_label_or_private_or_public_part_are_told(store: TokenKeystore, place: Place) -> None:
    place.tool("--keypairgen", "--key-type", "EC:prime256v1", "--id", "31")
    lone, bare = label(), label()
    keypair(place, lone, number="32")
    place.tool("--delete-object", "--type", "privkey", "--id", "32")
    keypair(place, bare, number="33")
    place.tool("--delete-object", "--type", "pubkey", "--id", "33")
    assert not {lone, bare} & set(store.labels())
    with raises(Reason.KEY_NOT_FOUND):
        store.find(bare)
    remarks = "\n".join(store.remarks())
    assert "a key without a label (CKA_ID 31)" in remarks
    assert f"the public key {lone!r} has no private key" in remarks
    assert f"the key {bare!r} is not used: the token does not tell its public key" in remarks


def test_weak_and_unknown_keys_are_told(store: TokenKeystore, place: Place) -> None:
    weak, strange = label(), label()
    keypair(place, weak, "RSA:1024", "41")
    place.tool("--keygen", "--key-type", "GENERIC:16", "--label", strange, "--id", "42")
    assert not {weak, strange} & set(store.labels())
    remarks = "\n".join(store.remarks())
    assert f"the key {weak!r} is not used: it is of no type, size or curve" in remarks
    assert f"the secret key {strange!r} is not used" in remarks


def test_a_key_may_not_do_what_the_token_forbids(store: TokenKeystore) -> None:
    name, parameters = label(), bytes.fromhex("06082a8648ce3d030107")
    store.token.run(
        lambda seat: seat.session.generate_keypair(
            pkcs11.KeyType.EC,
            store=True,
            label=name,
            id=b"51",
            capabilities=pkcs11.MechanismFlag.DERIVE,
            public_template={Attribute.EC_PARAMS: parameters},
        )
    )
    key = store.find(name)
    assert not key.attributes.sign
    with raises(Reason.KEY_FORBIDS):
        store.sign(key, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)


def test_our_keys_are_sensitive_and_never_leave(store: TokenKeystore) -> None:
    for kind in ("secp256r1", "RSA-2048", "ED25519"):
        store.create(spec_of(kind, label()), None)
    store.create(KeySpec(label(), "AES", SIGNS, key_size=256), None)
    guards = [Attribute.PRIVATE, Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE]

    def told(seat: Seat) -> list[tuple[bytes, dict[Attribute, bool]]]:
        kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.SECRET_KEY)
        items = [item for kind in kinds for item in find(seat.session, kind=kind)]
        return [(item[Attribute.ID], item.get_attributes([*guards, Attribute.EXTRACTABLE])) for item in items]

    mine = [flags for identifier, flags in store.token.run(told) if identifier.startswith(OWN_ID)]
    assert len(mine) >= 5  # and the secret of the seal
    for flags in mine:
        assert flags == {**dict.fromkeys(guards, True), Attribute.EXTRACTABLE: False}


def test_a_key_of_ours_without_record_is_never_used_for_its_policy_is_lost(tmp_path: Path) -> None:
    place = softhsm(tmp_path / "token")
    with_policy = spec_of("secp256r1", label(), policy=POLICY)
    first = open_keystore(place, tmp_path)
    first.create(with_policy, None)
    assert first.find(with_policy.label).policy == POLICY
    first._book.remove(first.find(with_policy.label))  # as an old backup of the database would have it
    assert with_policy.label not in first.labels()
    with raises(Reason.KEY_NOT_FOUND):
        first.find(with_policy.label)
    with raises(Reason.KEY_EXISTS):
        first.create(with_policy, None)
    assert any("has no record in this database" in remark for remark in first.remarks())
    first.close()


def test_keys_are_there_after_a_restart_and_only_with_their_own_token(tmp_path: Path) -> None:
    place, data = softhsm(tmp_path / "one"), tmp_path / "data"
    first = open_keystore(place, data)
    made = first.create(spec_of("secp256r1", label(), policy=POLICY), "secret")
    attested = first.attestation_public_key()
    first.close()
    again = open_keystore(place, data)
    assert again.find(made.label) == made
    again.unlock(made, "secret")
    with raises(Reason.KEY_PASSWORD_MISMATCH):
        again.unlock(made, "wrong")
    assert again.attestation_public_key() == attested
    again.close()
    other = softhsm(tmp_path / "two")
    with raises(Reason.CONFIG_INVALID):
        open_keystore(other, data)
    assert b"hsmgate" not in other.tool("--list-objects")


def test_two_first_starts_of_one_database_end_with_one_seal(tmp_path: Path) -> None:
    place, data = softhsm(tmp_path / "one"), tmp_path / "data"
    first = open_keystore(place, data)
    made = first.create(spec_of("secp256r1", label()), None)
    place.tool("--keygen", "--key-type", "GENERIC:32", "--label", "hsmgate-sealing-key", "--id", "00", "--usage-sign")
    first.close()
    again = open_keystore(place, data)
    assert again.find(made.label) == made
    again.close()


def test_a_rehearsal_stores_nothing(tmp_path: Path) -> None:
    place = softhsm(tmp_path / "one")
    token = open_token(place)
    keystore = open_keystore(place, tmp_path / "data", token, rehearsal=True)
    assert keystore.labels() == []
    assert keystore.remarks() == []
    keystore.ping()
    keystore.close()
    assert place.tool("--list-objects").strip() in {b"", b"Using slot 0 with a present token"}
