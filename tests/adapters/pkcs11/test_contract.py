"""The contract suite over real tokens: what a token lacks is skipped by its capabilities, not by its maker."""

import hmac
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from adapters.test_cipher_proofs import AAD, payloads
from adapters.test_signature_proofs import MESSAGE, PROOFS, kinds_for, openssl_accepts
from adapters.test_wrap_proofs import OFFERED, OPEN, SEAL
from hsmgate.adapters import key_material
from hsmgate.domain.algorithm import HMAC_HASHES
from hsmgate.domain.backends import page
from hsmgate.domain.cipher import cipher
from hsmgate.domain.key import Key, KeySpec
from hsmgate.domain.material import secret_material
from hsmgate.domain.protection import brought_in
from hsmgate.domain.verification import verify
from hsmgate.domain.wrapping import wrap_method
from hsmgate.errors import Reason
from hsmgate.usecases.ports import CipherExtra, Keystore, Locked
from support import token_matrix
from support.cipher_judges import JUDGES
from support.hsm_tokens import nss, nss_parameters, open_keystore, open_token, softhsm
from support.keystore_contract import NO_EXTRA, P256, TRAVELS, KeystoreContract, label, raises
from support.stub import Stub, needs_compiler


class TokenContract(KeystoreContract):
    column: str  # of docs/reference/tokens.md

    def test_the_page_of_tokens_says_what_it_can(self, store: Keystore) -> None:
        wanted = page({self.column: token_matrix.names(store.capabilities())})
        assert token_matrix.column(self.column) == wanted, "run: PYTHONPATH=tests python tests/support/token_matrix.py"

    @pytest.mark.parametrize("algorithm", PROOFS)
    def test_openssl_verifies_what_it_signs(
        self, store: Keystore, keys: dict[str, Key], tmp_path: Path, algorithm: str
    ) -> None:
        if algorithm not in store.capabilities().signature_algorithms:
            pytest.skip("not a capability")
        proof = PROOFS[algorithm]
        judged = [kind for kind in kinds_for(algorithm) if kind in keys]
        assert judged
        for kind in judged:
            signature = store.sign(keys[kind], None, algorithm, proof.payload(MESSAGE), NO_EXTRA)
            assert openssl_accepts(tmp_path, keys[kind], proof, signature), kind
            wrong = signature[:-1] + bytes([signature[-1] ^ 1])
            assert not openssl_accepts(tmp_path, keys[kind], proof, wrong), kind

    @pytest.mark.parametrize("name", JUDGES)
    def test_others_open_what_it_seals_and_it_opens_what_they_seal(
        self, store: Keystore, opened_keys: dict[str, tuple[Key, bytes]], name: str
    ) -> None:
        row = cipher(name)
        if name not in store.capabilities().ciphers:
            pytest.skip("not a capability")
        key, octets = opened_keys[row.key]
        for payload in payloads(row):
            extra = CipherExtra(None, AAD, 128) if row.has_tag else CipherExtra()
            whole = payload.rjust(256, b"\0") if row.mode == "RAW" else payload
            made = store.encrypt(key, None, name, payload, extra)
            sealed = made.ciphertext + (made.tag or b"")
            assert JUDGES[name].open((octets, made.iv or b"", AAD), sealed) == whole
            iv = bytes(range(0xF0, 0xF0 + row.iv))
            theirs = JUDGES[name].seal((octets, iv, AAD), payload)
            given = msgspec.structs.replace(extra, iv=iv or None)
            assert store.decrypt(key, None, name, theirs, given) == whole

    @pytest.mark.parametrize("name", OFFERED)
    def test_others_open_what_it_wraps_and_it_unwraps_what_they_wrap(
        self, store: Keystore, opened_keys: dict[str, tuple[Key, bytes]], name: str
    ) -> None:
        row = wrap_method(name)
        if name not in store.capabilities().wrap_methods:
            pytest.skip("not a capability")
        wrapping, secret = opened_keys[row.key]
        key, octets = opened_keys[row.wraps or "AES"]
        opened = OPEN[row.scheme](secret, store.wrap(Locked(key), Locked(wrapping), name))
        rest = opened[len(octets) :]
        assert opened[: len(octets)] == octets
        assert not rest or (row.wraps and rest == bytes(len(rest)) and len(rest) < 8)  # DER tells its own length
        spec = KeySpec(label(), key.algorithm, brought_in(TRAVELS))
        made = store.unwrap(Locked(wrapping), name, SEAL[row.scheme](secret, octets), spec, None)
        assert (made.public_key, made.key_size) == (key.public_key, key.key_size)
        if not row.wraps:
            sealed = store.encrypt(made, None, "AES_ECB", bytes(32), CipherExtra()).ciphertext
            assert JUDGES["AES_ECB"].open((octets, b"", b""), sealed) == bytes(32)
        else:
            algorithm = "SHA256_WITH_RSA" if row.wraps == "RSA" else "SHA256_WITH_ECDSA"
            verify(key, algorithm, b"m", store.sign(made, None, algorithm, b"m", NO_EXTRA))

    def test_a_key_of_no_whole_blocks_travels_as_it_is_or_not_at_all(
        self, store: Keystore, opened_keys: dict[str, tuple[Key, bytes]]
    ) -> None:
        if "AES_WRAP_PAD" not in store.capabilities().wrap_methods:
            pytest.skip("not a capability")
        wrapping, secret = opened_keys["AES"]
        octets = bytes(range(1, 21))
        key = store.bring_in(KeySpec(label(), "HMACSHA1", TRAVELS), secret_material("HMACSHA1", octets), None)
        if self.column == token_matrix.SOFTHSM:
            with raises(Reason.ALGORITHM_NOT_FOR_KEY):
                store.wrap(Locked(key), Locked(wrapping), "AES_WRAP_PAD")
        else:
            assert OPEN["KWP"](secret, store.wrap(Locked(key), Locked(wrapping), "AES_WRAP_PAD")) == octets
        made = store.unwrap(
            Locked(wrapping), "AES_WRAP_PAD", SEAL["KWP"](secret, octets), KeySpec(label(), "HMACSHA1", TRAVELS), None
        )
        assert made.key_size == 160
        assert store.mac(made, None, b"m") == hmac.digest(octets, b"m", "sha1")

    @pytest.mark.parametrize("name", HMAC_HASHES)
    def test_python_makes_the_same_codes(self, store: Keystore, name: str) -> None:
        if name not in store.capabilities().macs:
            pytest.skip("not a capability")
        secret = bytes(range(1, 65))
        key = store.bring_in(KeySpec(label(), name, TRAVELS), secret_material(name, secret), None)
        for payload in (b"", b"payload", bytes(10_000)):
            assert store.mac(key, None, payload) == hmac.digest(secret, payload, HMAC_HASHES[name])

    def test_wrong_rsa_ciphertexts_are_all_alike(
        self, store: Keystore, opened_keys: dict[str, tuple[Key, bytes]]
    ) -> None:
        key, _ = opened_keys["RSA"]
        for name in ("RSA_PADDING_OAEP", "RSA_PADDING_PKCS"):
            sealed = store.encrypt(key, None, name, b"payload", CipherExtra()).ciphertext
            said = set()
            wrong = [b"", sealed[:-1], sealed + b"\0", b"\xff" * 256]
            if self.tells_wrong_pkcs1 or name != "RSA_PADDING_PKCS":
                wrong += [bytes(256), sealed[:-1] + bytes([sealed[-1] ^ 1])]
            for octets in wrong:
                with raises(Reason.DECRYPT_FAILED) as caught:
                    store.decrypt(key, None, name, octets, CipherExtra())
                said.add(caught.value.args)
            assert len(said) == 1
            assert store.decrypt(key, None, name, sealed, CipherExtra()) == b"payload"

    @pytest.fixture(scope="class")
    @classmethod
    def opened_keys(cls, store: Keystore) -> dict[str, tuple[Key, bytes]]:
        """A key of each type that was imported, with its octets, for the judges."""
        able, found = store.capabilities(), dict[str, tuple[Key, bytes]]()
        for name, size in {"AES": 256, "TDEA": None, "RSA": 2048, "EC": None}.items():
            spec = KeySpec(label(), name, TRAVELS, P256 if name == "EC" else None, size)
            material = key_material.generate(spec)
            if name in able.imports:
                found[name] = (store.bring_in(spec, material, None), material.private or material.secret or b"")
        return found

    def test_every_algorithm_it_offers_is_judged_by_openssl(self, store: Keystore) -> None:
        assert store.capabilities().signature_algorithms <= set(PROOFS)


class TestSoftHsm(TokenContract):
    column = token_matrix.SOFTHSM

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystore]:
        folder = tmp_path_factory.mktemp("softhsm")
        keystore = open_keystore(softhsm(folder), folder)
        yield keystore
        keystore.close()


@needs_compiler
@pytest.mark.long
class TestNss(TokenContract):
    column = token_matrix.NSS
    tells_wrong_pkcs1 = False

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystore]:
        folder = tmp_path_factory.mktemp("nss")
        stub = Stub(nss(folder), folder, nss_parameters(folder))
        # one session: softokn sleeps for 5 s where two threads meet at its database, and up to ten times
        keystore = open_keystore(stub.place, folder, open_token(stub.place, sessions=1))
        yield keystore
        keystore.close()
