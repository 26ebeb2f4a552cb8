"""RSA paddings made outside, for a token that has nothing but the bare operation; judged by openssl's library."""

import hashlib
from collections.abc import Iterator

import pytest
from Crypto.Hash import SHA1, SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pss as judge
from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import Mechanism

from hsmgate.adapters.pkcs11 import padding
from hsmgate.adapters.pkcs11.keystore import TokenKeystore
from hsmgate.adapters.pkcs11.signing import signature_algorithms
from hsmgate.domain.digest import to_be_signed
from hsmgate.domain.key import Key
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS, SignatureAlgorithm
from hsmgate.domain.verification import verify
from hsmgate.errors import Reason
from support.hsm_tokens import open_keystore, softhsm
from support.keystore_contract import NO_EXTRA, label, payload_for, raises, spec_of

BARE = frozenset({Mechanism.RSA_X_509, Mechanism.RSA_PKCS_KEY_PAIR_GEN})
RSA_ROWS = [row for row in SIGNATURE_ALGORITHMS if row.key == "RSA" and not row.absent]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenKeystore]:
    keystore = open_keystore(softhsm(tmp_path_factory.mktemp("token")), tmp_path_factory.mktemp("data"))
    keystore._held._mechanisms = BARE
    yield keystore
    keystore.close()


@pytest.fixture(scope="module")
def key(store: TokenKeystore) -> Key:
    return store.create(spec_of("RSA-2048", label()), None)


def test_a_token_that_has_the_bare_operation_signs_by_every_rsa_algorithm() -> None:
    offered = signature_algorithms(BARE, frozenset({"RSA"}))
    assert offered == {row.name for row in RSA_ROWS}
    assert signature_algorithms(BARE - {Mechanism.RSA_X_509}, frozenset({"RSA"})) == frozenset()


@pytest.mark.parametrize("row", RSA_ROWS, ids=lambda row: str(row.name))
def test_signatures_verify(store: TokenKeystore, key: Key, row: SignatureAlgorithm) -> None:
    payload = payload_for(row)
    signature = store.sign(key, None, row.name, payload, NO_EXTRA)
    assert len(signature) == 256
    verify(key, row.name, payload, signature)


def test_each_salt_is_new(store: TokenKeystore, key: Key) -> None:
    one, other = (store.sign(key, None, "SHA256_WITH_RSA_PSS", b"m", NO_EXTRA) for _ in range(2))
    assert one != other


def test_what_a_key_is_too_short_for_is_refused() -> None:
    with raises(Reason.INVALID_PAYLOAD):
        padding.pss(bytes(64), 1024 + 8 - 1)
    assert padding.pss(bytes(64), 1042)[-1:] == b"\xbc"
    with raises(Reason.INVALID_PAYLOAD):
        padding.pkcs1(bytes(118), 1024)
    assert padding.pkcs1(bytes(117), 1024) == b"\0\1" + b"\xff" * 8 + b"\0" + bytes(117)


@pytest.mark.parametrize("bits", [1024, 1025, 1031, 1032, 2048])
@pytest.mark.parametrize("name", ["sha1", "sha256"])
def test_pss_for_moduli_of_any_length(bits: int, name: str) -> None:
    """The bare operation by the numbers of the key; pycryptodome judges."""
    numbers = rsa.generate_private_key(65537, bits).private_numbers()
    modulus, exponent = numbers.public_numbers.n, numbers.public_numbers.e
    hashed = {"sha1": SHA1, "sha256": SHA256}[name].new(b"message")
    block = padding.pss(hashlib.new(name, b"message").digest(), bits)
    octets = (bits + 7) // 8
    assert len(block) == octets
    signature = pow(int.from_bytes(block, "big"), numbers.d, modulus).to_bytes(octets, "big")
    judge.new(RSA.construct((modulus, exponent))).verify(hashed, signature)


def test_the_token_really_does_the_bare_operation_only(store: TokenKeystore, key: Key) -> None:
    """What it signed, opened with the public key, is the block that was made outside."""
    row = next(row for row in RSA_ROWS if row.name == "SHA256_WITH_RSA")
    signature = store.sign(key, None, row.name, b"m", NO_EXTRA)
    public = RSA.import_key(key.public_key or b"")
    block = pow(int.from_bytes(signature, "big"), public.e, public.n).to_bytes(256, "big")
    digest = to_be_signed(row, b"m", 2048)
    assert block.startswith(b"\0\1\xff")
    assert block.endswith(digest)
