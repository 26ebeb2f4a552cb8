"""What every keystore must do, whatever holds its keys: a test class to inherit from.

The inheriting class gives the fixture `store` (class-scoped, a class method, so that slow keys are made once).
"""

import hashlib
import hmac
import itertools
import threading
import uuid
from collections.abc import Iterator

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hsmgate.adapters import key_material
from hsmgate.domain.algorithm import HMAC_HASHES, KEY_ALGORITHMS, key_algorithm
from hsmgate.domain.cipher import CIPHERS, Cipher
from hsmgate.domain.curve import CURVES, SECP256K1_OID
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.material import Material
from hsmgate.domain.policy import Approval, Group, Policy, Rule, Token
from hsmgate.domain.protection import brought_in
from hsmgate.domain.signature import FORMS, check_form, express
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS, SignatureAlgorithm
from hsmgate.domain.verification import verify
from hsmgate.domain.wrapping import WRAP_METHODS, WrapMethod
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import CipherExtra, Keystore, Locked, SignExtra

NO_EXTRA = SignExtra()
SIGNS = KeyAttributes(sign=True, destroyable=True)
TRAVELS = KeyAttributes(sign=True, decrypt=True, unwrap=True, sensitive=False, extractable=True, destroyable=True)
P256 = "1.2.840.10045.3.1.7"
KINDS = {
    **{row.name: ("EC", row.oid, None) for row in CURVES if not row.absent},
    "RSA-2048": ("RSA", None, 2048),
    "ED25519": ("ED", None, None),
    "DSA-1024": ("DSA", None, 1024),
}
SECRETS = {"AES": 256, "Camellia": 128, "ChaCha20": 256, "TDEA": None}
POLICY = Policy(
    rule_use=Rule(
        tokens=(Token(name="t", timelock=3, timeout=9, groups=(Group("g", 1, (Approval("public_key", "n", "v"),)),)),)
    ),
    rule_block=Rule(),
    blocked=True,
)


def label() -> str:
    return f"key-{uuid.uuid4().hex[:12]}"


def spec_of(kind: str, name: str, **more: object) -> KeySpec:
    algorithm, curve_oid, size = KINDS[kind]
    fields = {"attributes": SIGNS, "curve_oid": curve_oid, "key_size": size, **more}
    return KeySpec(label=name, algorithm=algorithm, **fields)  # type: ignore[arg-type]


def payload_for(row: SignatureAlgorithm) -> bytes:
    return bytes(range(32 if not row.lengths or 32 in row.lengths else row.lengths[0]))


def fits(row: SignatureAlgorithm, key: Key) -> bool:
    return not row.absent and row.key == key.algorithm and row.curve_oid in {"", key.curve_oid}


def raises(reason: Reason) -> pytest.RaisesExc[Failure]:
    return pytest.raises(Failure, check=lambda failure: failure.reason is reason)


def extra_for(row: Cipher, iv: bytes | None = None) -> CipherExtra:
    return CipherExtra(iv, b"seen", 128) if row.has_tag else CipherExtra(iv)


ROWS = [pytest.param(row, id=row.name) for row in SIGNATURE_ALGORITHMS if not row.absent]


class KeystoreContract:
    # of PKCS#1 v1.5 some tokens give random octets where the padding is wrong, so that nobody learns that it is
    tells_wrong_pkcs1 = True

    @pytest.fixture(scope="class")
    @classmethod
    def keys(cls, store: Keystore) -> dict[str, Key]:
        able = store.capabilities()
        return {
            kind: store.create(spec_of(kind, label()), None)
            for kind, (algorithm, curve_oid, _) in KINDS.items()
            if algorithm in able.key_algorithms and (curve_oid is None or curve_oid in able.curves)
        }

    @pytest.fixture(scope="class")
    @classmethod
    def others(cls, store: Keystore, keys: dict[str, Key]) -> dict[str, Key]:
        return {kind: store.create(spec_of(kind, label()), None) for kind in keys}

    @pytest.fixture
    def key(self, store: Keystore) -> Key:
        return store.create(spec_of("secp256r1", label()), None)

    @pytest.fixture(scope="class")
    @classmethod
    def openers(cls, store: Keystore) -> dict[str, tuple[Key, Key]]:
        """Two keys of each type that encrypts."""
        flags, able = KeyAttributes(decrypt=True), store.capabilities()
        return {
            name: (
                store.create(KeySpec(label(), name, flags, key_size=size), None),
                store.create(KeySpec(label(), name, flags, key_size=size), None),
            )
            for name, size in {**SECRETS, "RSA": 2048}.items()
            if name in able.key_algorithms
        }

    @pytest.fixture(scope="class")
    @classmethod
    def travellers(cls, store: Keystore) -> dict[str, Key]:
        """One key of each type that is wrapped or imported; all may leave."""
        able = store.capabilities()
        kinds = {
            "EC": spec_of("secp256r1", label()),
            "ED": spec_of("ED25519", label()),
            "DSA": spec_of("DSA-1024", label()),
        }
        kinds |= {
            name: KeySpec(label(), name, TRAVELS, key_size=size) for name, size in {**SECRETS, "RSA": 2048}.items()
        }
        return {
            name: store.create(msgspec.structs.replace(spec, attributes=TRAVELS), None)
            for name, spec in kinds.items()
            if name in able.key_algorithms
        }

    def test_what_it_promises_stands_in_the_tables(self, store: Keystore) -> None:
        able = store.capabilities()
        assert able.key_algorithms <= {row.name for row in KEY_ALGORITHMS if not row.absent}
        assert able.curves <= {row.oid for row in CURVES if not row.absent} | {"1.3.101.112"}
        assert able.signature_algorithms <= {row.name for row in SIGNATURE_ALGORITHMS if not row.absent}
        assert able.ciphers <= {row.name for row in CIPHERS}
        assert able.wrap_methods <= {row.name for row in WRAP_METHODS if not row.absent}
        assert able.macs <= set(HMAC_HASHES)
        assert able.exports <= able.imports <= able.key_algorithms
        assert {"RSA", "EC", "ED"} & able.key_algorithms

    @pytest.mark.parametrize("row", ROWS)
    def test_signatures_verify_in_every_form_and_nothing_else_does(
        self, store: Keystore, keys: dict[str, Key], others: dict[str, Key], row: SignatureAlgorithm
    ) -> None:
        if row.name not in store.capabilities().signature_algorithms:
            pytest.skip("not a capability")
        signed = 0
        for kind, key in keys.items():
            if not fits(row, key):
                continue
            payload = payload_for(row)
            signature = store.sign(key, None, row.name, payload, NO_EXTRA)
            for form in _forms(key, row.name):
                expressed = express(signature, form, key, row.name, payload)
                verify(key, row.name, payload, expressed)
                for wrong in _tampered(expressed):
                    with raises(Reason.SIGNATURE_INVALID):
                        verify(key, row.name, payload, wrong)
                with raises(Reason.SIGNATURE_INVALID):
                    verify(key, row.name, bytes([payload[0] ^ 1]) + payload[1:], expressed)
                with raises(Reason.SIGNATURE_INVALID):
                    verify(others[kind], row.name, payload, expressed)
            signed += 1
        assert signed

    @pytest.mark.parametrize("row", CIPHERS, ids=lambda row: row.name)
    def test_what_is_encrypted_is_decrypted_and_nothing_else_is(
        self, store: Keystore, openers: dict[str, tuple[Key, Key]], row: Cipher
    ) -> None:
        if row.name not in store.capabilities().ciphers:
            pytest.skip("not a capability")
        key, other = openers[row.key]
        payload = bytes(range(32))
        made = [store.encrypt(key, None, row.name, payload, extra_for(row)) for _ in range(2)]
        sealed, iv = made[0].ciphertext + (made[0].tag or b""), made[0].iv
        assert len(iv or b"") == row.iv
        assert (made[0].tag is not None) == row.has_tag
        assert (made[0] == made[1]) == (row.mode in {"ECB", "RAW"})
        opened = store.decrypt(key, None, row.name, sealed, extra_for(row, iv))
        assert opened == (payload.rjust(256, b"\0") if row.mode == "RAW" else payload)
        found = _opened(store, other, row, sealed, iv)  # some cannot tell
        assert found != opened
        assert found is None or not row.has_tag
        if row.has_tag:
            for wrong in (bytes([sealed[0] ^ 1]) + sealed[1:], sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:20]):
                with raises(Reason.DECRYPT_FAILED):
                    store.decrypt(key, None, row.name, wrong, extra_for(row, iv))
            with raises(Reason.DECRYPT_FAILED):
                store.decrypt(key, None, row.name, sealed, CipherExtra(iv, b"other", 128))

    def test_ciphers_of_other_keys_are_refused(self, store: Keystore, openers: dict[str, tuple[Key, Key]]) -> None:
        for name, (key, _) in openers.items():
            wrong = "RSA_PADDING_OAEP" if name != "RSA" else "AES_GCM"
            for use in (store.encrypt, store.decrypt):
                with raises(Reason.ALGORITHM_NOT_FOR_KEY):
                    use(key, None, wrong, bytes(16), CipherExtra())

    @pytest.mark.parametrize("row", ROWS)
    def test_payloads_of_other_lengths_are_refused(
        self, store: Keystore, keys: dict[str, Key], row: SignatureAlgorithm
    ) -> None:
        wrong = {31, 33, 65} - set(row.lengths) if row.lengths else {0} if row.shortest else set()
        if row.name == "NONE_WITH_RSA":
            wrong.add(2048 // 8 - 10)
        for key in keys.values():
            for length in wrong if fits(row, key) else ():
                with raises(Reason.INVALID_PAYLOAD):
                    store.sign(key, None, row.name, bytes(length), NO_EXTRA)

    def test_messages_may_be_empty_or_long(self, store: Keystore, keys: dict[str, Key]) -> None:
        for kind, algorithm in (
            ("secp521r1", "NONE_WITH_ECDSA"),
            ("secp256r1", "SHA512_WITH_ECDSA"),
            ("RSA-2048", "SHA256_WITH_RSA_PSS"),
            ("ED25519", "EDDSA"),
        ):
            if kind in keys:
                for payload in (b"", b"x" * 65536):
                    if payload or not algorithm.startswith("NONE"):
                        verify(
                            keys[kind], algorithm, payload, store.sign(keys[kind], None, algorithm, payload, NO_EXTRA)
                        )

    def test_signatures_on_secp256k1_have_low_s(self, store: Keystore, keys: dict[str, Key]) -> None:
        if "secp256k1" not in keys:
            pytest.skip("not a capability")
        order = next(row.order for row in CURVES if row.oid == SECP256K1_OID)
        for _ in range(20):  # each would be high with a chance of one half
            _, s = decode_dss_signature(store.sign(keys["secp256k1"], None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA))
            assert s <= order // 2

    def test_algorithms_of_other_keys_are_refused(self, store: Keystore, keys: dict[str, Key]) -> None:
        for kind, algorithm in (
            ("secp256r1", "SHA256_WITH_RSA"),
            ("secp256r1", "NONE_WITH_EC_SCHNORR_BIP0340"),
            ("RSA-2048", "EDDSA"),
            ("ED25519", "SHA256_WITH_ECDSA"),
        ):
            if kind in keys:
                with raises(Reason.ALGORITHM_NOT_FOR_KEY):
                    store.sign(keys[kind], None, algorithm, bytes(32), NO_EXTRA)

    def test_listed_algorithms_that_it_lacks_are_not_implemented(self, store: Keystore, key: Key) -> None:
        with raises(Reason.NOT_IMPLEMENTED):
            store.create(KeySpec(label=label(), algorithm="BLS", attributes=SIGNS), None)
        with raises(Reason.NOT_IMPLEMENTED):
            store.create(KeySpec(label=label(), algorithm="EC", attributes=SIGNS, curve_oid="1.3.132.0.32"), None)
        with raises(Reason.NOT_IMPLEMENTED):
            store.sign(key, None, "ML_DSA", b"m", NO_EXTRA)
        with raises(Reason.INVALID_INPUT):
            store.sign(key, None, "SHA256", b"m", NO_EXTRA)

    def test_a_key_is_found_as_it_was_made(self, store: Keystore) -> None:
        flags = KeyAttributes(sign=True, unwrap=True, encrypt=None, wrap=False, derive=True, copyable=True)
        spec = spec_of("secp384r1", label(), attributes=flags, id="0a", policy=POLICY)
        made = store.create(spec, None)
        assert made == store.find(spec.label)
        assert (made.label, made.algorithm, made.curve_oid, made.id) == (spec.label, "EC", "1.3.132.0.34", "0a")
        assert (made.attributes, made.policy, made.origin) == (flags, POLICY, "generated")
        assert made.public_key
        assert not made.has_password
        assert uuid.UUID(made.uuid)

    def test_secret_keys_are_kept_and_do_not_sign(self, store: Keystore) -> None:
        if "AES" not in store.capabilities().key_algorithms:
            pytest.skip("not a capability")
        flags = KeyAttributes(decrypt=True, encrypt=True)
        key = store.create(KeySpec(label=label(), algorithm="AES", attributes=flags, key_size=256), None)
        assert key.public_key is None
        assert store.find(key.label) == key
        with raises(Reason.INVALID_KEY_TYPE):
            store.sign(key, None, "SHA256_WITH_RSA", b"m", NO_EXTRA)
        with raises(Reason.INVALID_KEY_SIZE):
            store.create(KeySpec(label=label(), algorithm="AES", attributes=flags, key_size=64), None)

    def test_labels_are_listed_in_order_and_are_case_sensitive(self, store: Keystore) -> None:
        name = label()
        made = [name, name.upper(), f"{name}é", f"{name}%_'\""]
        for each in made:
            store.create(spec_of("secp256r1", each), None)
        listed = store.labels()
        assert set(made) <= set(listed)
        assert listed == sorted(listed)
        assert store.find(name.upper()).label == name.upper()

    def test_unknown_keys_are_not_found(self, store: Keystore, key: Key) -> None:
        for absent in (label(), "", f"{key.label} ", key.label[:-1], f"{key.label}\0"):
            with raises(Reason.KEY_NOT_FOUND):
                store.find(absent)

    def test_a_label_is_given_once(self, store: Keystore, key: Key) -> None:
        with raises(Reason.KEY_EXISTS):
            store.create(spec_of("secp384r1", key.label), None)
        assert store.find(key.label) == key

    def test_of_creations_at_once_one_succeeds(self, store: Keystore) -> None:
        name, outcomes = label(), list[object]()
        start = threading.Barrier(8)

        def create() -> None:
            start.wait()
            try:
                outcomes.append(store.create(spec_of("secp256r1", name), None))
            except Failure as failure:
                outcomes.append(failure.reason)

        threads = [threading.Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        made = [outcome for outcome in outcomes if isinstance(outcome, Key)]
        assert made == [store.find(name)]
        assert outcomes.count(Reason.KEY_EXISTS) == 7

    def test_passwords_guard_every_use(self, store: Keystore) -> None:
        for kind in ("secp256r1", "ED25519"):
            if KINDS[kind][0] not in store.capabilities().key_algorithms:
                continue
            key = store.create(spec_of(kind, label()), "correct é horse")
            algorithm = "EDDSA" if kind == "ED25519" else "SHA256_WITH_ECDSA"
            assert key.has_password
            assert store.find(key.label).has_password
            for wrong in (None, "", "Correct é horse", "correct é horse ", "correct"):
                with raises(Reason.KEY_PASSWORD_MISMATCH):
                    store.unlock(key, wrong)
                with raises(Reason.KEY_PASSWORD_MISMATCH):
                    store.sign(key, wrong, algorithm, b"m", NO_EXTRA)
                with raises(Reason.KEY_PASSWORD_MISMATCH):
                    store.delete(key, wrong)
                store.unlock(key, "correct é horse")
                verify(key, algorithm, b"m", store.sign(key, "correct é horse", algorithm, b"m", NO_EXTRA))
            store.delete(key, "correct é horse")
            with raises(Reason.KEY_NOT_FOUND):
                store.find(key.label)

    def test_passwords_guard_ciphers(self, store: Keystore) -> None:
        able = store.capabilities()
        for name, size, used in (("AES", 128, "AES_ECB"), ("RSA", 2048, "RSA_PADDING_OAEP")):
            if name not in able.key_algorithms or used not in able.ciphers:
                continue
            key = store.create(KeySpec(label(), name, KeyAttributes(decrypt=True), key_size=size), "secret")
            sealed = store.encrypt(key, "secret", used, bytes(16), CipherExtra()).ciphertext
            for wrong in (None, "Secret"):
                for use in (store.encrypt, store.decrypt):
                    with raises(Reason.KEY_PASSWORD_MISMATCH):
                        use(key, wrong, used, sealed, CipherExtra())
            assert store.decrypt(key, "secret", used, sealed, CipherExtra()) == bytes(16)

    def test_a_password_for_a_key_without_one_is_wrong(self, store: Keystore, key: Key) -> None:
        with raises(Reason.KEY_PASSWORD_MISMATCH):
            store.unlock(key, "secret")
        store.unlock(key, None)
        store.unlock(key, "")

    def test_deleted_keys_are_gone(self, store: Keystore, key: Key) -> None:
        store.sign(key, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)
        store.delete(key, None)
        assert key.label not in store.labels()
        for use in (
            lambda: store.find(key.label),
            lambda: store.sign(key, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA),
            lambda: store.unlock(key, None),
            lambda: store.delete(key, None),
        ):
            with raises(Reason.KEY_NOT_FOUND):
                use()

    def test_a_new_key_of_the_same_label_is_another_key(self, store: Keystore, key: Key) -> None:
        store.sign(key, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)
        store.delete(key, None)
        made = store.create(spec_of("secp256r1", key.label), None)
        assert (made.uuid, made.public_key) != (key.uuid, key.public_key)
        with raises(Reason.KEY_NOT_FOUND):
            store.sign(key, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)
        verify(made, "SHA256_WITH_ECDSA", b"m", store.sign(made, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA))

    def test_uses_are_counted(self, store: Keystore, key: Key) -> None:
        assert store.find(key.label).use_count == 0
        for _ in range(3):
            store.sign(store.find(key.label), None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)
        assert store.find(key.label).use_count == 3

    def test_the_attestation_key_signs_and_is_no_key_of_clients(self, store: Keystore) -> None:
        name, signature = store.attest(b"<xml/>")
        attestation = Key(
            uuid="",
            label=name,
            algorithm="RSA",
            attributes=SIGNS,
            created=0,
            key_size=3072,
            public_key=store.attestation_public_key(),
        )
        verify(attestation, "SHA256_WITH_RSA", b"<xml/>", signature)
        assert store.attest(b"<xml/>") == (name, signature)
        assert name not in store.labels()
        with raises(Reason.KEY_NOT_FOUND):
            store.find(name)
        with raises(Reason.KEY_EXISTS):
            store.create(spec_of("secp256r1", name), None)

    def test_it_may_be_used_by_many_threads(self, store: Keystore, keys: dict[str, Key]) -> None:
        failed = list[Exception]()

        def work(key: Key, algorithm: str) -> None:
            try:
                for turn in range(20):
                    payload = bytes([turn]) * 9
                    verify(key, algorithm, payload, store.sign(key, None, algorithm, payload, NO_EXTRA))
                    assert store.find(key.label).uuid == key.uuid
            except Exception as error:
                failed.append(error)

        pairs = [("secp256r1", "SHA256_WITH_ECDSA"), ("RSA-2048", "SHA256_WITH_RSA"), ("ED25519", "EDDSA")]
        able = [pair for pair in pairs * 3 if pair[0] in keys]
        threads = [threading.Thread(target=work, args=(keys[kind], algorithm)) for kind, algorithm in able]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []

    @pytest.mark.parametrize("row", [row for row in WRAP_METHODS if not row.absent], ids=lambda row: row.name)
    def test_what_is_wrapped_is_unwrapped_and_nothing_else_is(
        self, store: Keystore, travellers: dict[str, Key], row: WrapMethod
    ) -> None:
        able = store.capabilities()
        source = row.wraps or "AES"
        if row.name not in able.wrap_methods or source not in travellers:
            pytest.skip("not a capability")
        wrapping, key = travellers[row.key], travellers[source]
        wrapped = store.wrap(Locked(key), Locked(wrapping), row.name)
        flags = brought_in(TRAVELS)
        made = store.unwrap(Locked(wrapping), row.name, wrapped, KeySpec(label(), source, flags), "new")
        assert made == store.find(made.label)
        assert (made.algorithm, made.curve_oid, made.key_size) == (key.algorithm, key.curve_oid, key.key_size)
        assert (made.public_key, made.origin, made.attributes) == (key.public_key, "imported", flags)
        with raises(Reason.KEY_PASSWORD_MISMATCH):
            store.unlock(made, None)
        store.unlock(made, "new")
        again = store.wrap(Locked(made, "new"), Locked(wrapping), row.name)
        assert (again == wrapped) == (row.key == "AES")
        with raises(Reason.KEY_EXISTS):
            store.unwrap(Locked(wrapping), row.name, wrapped, KeySpec(key.label, source, flags), None)
        changed = (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), bytes(len(wrapped)))
        for wrong in (b"", wrapped[:-8], *(changed if self.tells_wrong_pkcs1 or row.scheme != "PKCS1" else ())):
            with raises(Reason.UNWRAP_FAILED):
                store.unwrap(Locked(wrapping), row.name, wrong, KeySpec(label(), source, flags), None)

    def test_wrapping_asks_both_passwords(self, store: Keystore) -> None:
        if not {"AES_WRAP"} & store.capabilities().wrap_methods:
            pytest.skip("not a capability")
        spec = KeySpec(label(), "AES", TRAVELS, key_size=128)
        key, wrapping = store.create(spec, "one"), store.create(msgspec.structs.replace(spec, label=label()), "two")
        for mine, theirs in ((None, "two"), ("one", None), ("two", "one")):
            with raises(Reason.KEY_PASSWORD_MISMATCH):
                store.wrap(Locked(key, mine), Locked(wrapping, theirs), "AES_WRAP")
        wrapped = store.wrap(Locked(key, "one"), Locked(wrapping, "two"), "AES_WRAP")
        with raises(Reason.KEY_PASSWORD_MISMATCH):
            store.unwrap(Locked(wrapping, "one"), "AES_WRAP", wrapped, KeySpec(label(), "AES", TRAVELS), None)

    def test_keys_come_in_and_go_out(self, store: Keystore, travellers: dict[str, Key]) -> None:
        for kind, key in travellers.items():
            if kind not in store.capabilities().imports:
                continue
            leaves = kind in store.capabilities().exports
            spec = KeySpec("", kind, TRAVELS, key.curve_oid, key.key_size)
            material = store.take_out(key, None) if leaves else key_material.generate(spec)
            assert not leaves or (material.public, material.key_size) == (key.public_key, key.key_size)
            assert bool(material.private) != bool(material.secret)
            spec = KeySpec(label(), kind, brought_in(TRAVELS), key.curve_oid, key.key_size)
            made = store.bring_in(spec, material, "secret")
            assert made == store.find(spec.label)
            assert (made.origin, made.public_key, made.has_password) == ("imported", material.public, True)
            with raises(Reason.KEY_PASSWORD_MISMATCH):
                store.take_out(made, None)
            assert not leaves or store.take_out(made, "secret") == material
            if kind in {"RSA", "EC"}:
                algorithm = f"SHA256_WITH_{'RSA' if kind == 'RSA' else 'ECDSA'}"
                verify(made, algorithm, b"m", store.sign(made, "secret", algorithm, b"m", NO_EXTRA))
            with raises(Reason.KEY_EXISTS):
                store.bring_in(spec, material, None)

    def test_lone_public_keys(self, store: Keystore, travellers: dict[str, Key]) -> None:
        pair = [kind for kind in ("RSA", "EC", "ED") if kind in store.capabilities().imports & travellers.keys()][:2]
        if len(pair) < 2:
            pytest.skip("not a capability")
        name = label()
        for kind in pair:
            key = travellers[kind]
            alone = Material(kind, public=key.public_key, curve_oid=key.curve_oid, key_size=key.key_size)
            spec = KeySpec(name, kind, KeyAttributes(sensitive=False), key.curve_oid, key.key_size)
            made = store.bring_in(spec, alone, None)  # the second takes the place of the first
            assert (made.is_public_only, made.public_key, made.algorithm) == (True, key.public_key, kind)
            assert store.find(name) == made
            assert store.take_out(made, None) == alone
            with raises(Reason.KEY_EXISTS):
                store.bring_in(
                    msgspec.structs.replace(spec, label=travellers[pair[kind == pair[0]]].label), alone, None
                )

    @pytest.mark.parametrize("name", HMAC_HASHES)
    def test_macs(self, store: Keystore, name: str) -> None:
        if name not in store.capabilities().macs:
            pytest.skip("not a capability")
        size = key_algorithm(name).default_size
        key, other = (store.create(KeySpec(label(), name, TRAVELS, key_size=size), "secret") for _ in range(2))
        made = store.mac(key, "secret", b"payload")
        assert len(made) == hashlib.new(HMAC_HASHES[name], usedforsecurity=False).digest_size
        assert made == store.mac(key, "secret", b"payload")
        assert len({made, store.mac(key, "secret", b"payloae"), store.mac(other, "secret", b"payload")}) == 3
        with raises(Reason.KEY_PASSWORD_MISMATCH):
            store.mac(key, None, b"payload")
        if name in store.capabilities().exports:
            material = store.take_out(key, "secret")
            assert made == hmac.digest(material.secret or b"", b"payload", HMAC_HASHES[name])

    def test_other_keys_make_no_macs(self, store: Keystore, key: Key) -> None:
        with raises(Reason.INVALID_KEY_TYPE):
            store.mac(key, None, b"payload")

    def test_passwords_change(self, store: Keystore, key: Key) -> None:
        if "password" not in store.capabilities().changes:
            pytest.skip("not a capability")
        passwords = [None, "one", "two", None]
        for old, new in itertools.pairwise(passwords):
            now = store.find(key.label)
            with raises(Reason.KEY_PASSWORD_MISMATCH):
                store.change_password(now, "other", new)
            store.change_password(now, old, new)
            changed = store.find(key.label)
            assert changed == msgspec.structs.replace(now, has_password=new is not None)
            verify(key, "SHA256_WITH_ECDSA", b"m", store.sign(changed, new, "SHA256_WITH_ECDSA", b"m", NO_EXTRA))
            with raises(Reason.KEY_PASSWORD_MISMATCH):
                store.sign(changed, old, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)

    def test_policies_change(self, store: Keystore) -> None:
        if "policy" not in store.capabilities().changes:
            pytest.skip("not a capability")
        for password in (None, "secret"):
            key = store.create(spec_of("secp256r1", label(), policy=Policy()), password)
            with raises(Reason.KEY_PASSWORD_MISMATCH):
                store.change_policy(key, "other", POLICY)
            changed = store.change_policy(key, password, POLICY)
            assert changed == msgspec.structs.replace(key, policy=POLICY) == store.find(key.label)
            verify(changed, "SHA256_WITH_ECDSA", b"m", _signed(store, changed, password))
            with raises(Reason.KEYSTORE):  # who decided on the old one decides again
                _signed(store, key, password)

    def test_of_changes_at_once_none_is_lost_silently(self, store: Keystore) -> None:
        if "policy" not in store.capabilities().changes:
            pytest.skip("not a capability")
        key, outcomes = store.create(spec_of("secp256r1", label(), policy=Policy()), None), list[object]()
        start = threading.Barrier(6)

        def change(turn: int) -> None:
            start.wait()
            try:
                outcomes.append(store.change_policy(key, None, Policy(rule_use=Rule((Token(str(turn)),)))))
            except Failure as failure:
                outcomes.append(failure.reason)

        threads = [threading.Thread(target=change, args=(turn,)) for turn in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [outcome for outcome in outcomes if isinstance(outcome, Key)] == [store.find(key.label)]
        assert outcomes.count(Reason.KEYSTORE) == 5

    @pytest.mark.parametrize("length", [1, 32, 65_536])
    def test_random_octets_are_new_and_as_many_as_asked_for(self, store: Keystore, length: int) -> None:
        drawn = {store.random(length) for _ in range(30)}
        assert {len(octets) for octets in drawn} == {length}
        assert len(drawn) > 10

    def test_it_counts_the_keys_of_clients(self, store: Keystore) -> None:
        before = store.statistics()
        key = store.create(spec_of("secp256r1", label()), None)
        store.attest(b"<xml/>")
        after = store.statistics()
        assert after.private_keys == before.private_keys + 1
        assert after.secret_keys == before.secret_keys
        assert after.used_bytes >= before.used_bytes
        store.delete(key, None)
        assert store.statistics() == before

    def test_it_answers(self, store: Keystore) -> None:
        store.ping()


def _forms(key: Key, algorithm: str) -> Iterator[str]:
    for form in FORMS:
        if form == "ETH" and (algorithm, key.curve_oid) != ("KECCAK256_WITH_ECDSA", SECP256K1_OID):
            with raises(Reason.INVALID_INPUT):
                check_form(form, key, algorithm)
        else:
            check_form(form, key, algorithm)
            yield form


def _signed(store: Keystore, key: Key, password: str | None) -> bytes:
    return store.sign(key, password, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)


def _opened(store: Keystore, key: Key, row: Cipher, sealed: bytes, iv: bytes | None) -> bytes | None:
    try:
        return store.decrypt(key, None, row.name, sealed, extra_for(row, iv))
    except Failure as failure:
        if failure.reason is Reason.DECRYPT_FAILED:
            return None
        raise


def _tampered(signature: bytes) -> Iterator[bytes]:
    middle = len(signature) // 2
    yield b""
    yield signature[:-2]  # one octet less turns ETH into a good RAW
    yield signature + b"\x05"  # RAW with a 0 is ETH
    yield b"\0" + signature
    yield signature[:middle] + bytes([signature[middle] ^ 0x40]) + signature[middle + 1 :]
    yield signature[:-1] + bytes([signature[-1] ^ 0x01])
    yield bytes(len(signature))
    yield b"\xff" * len(signature)
