"""The embedded keystore: keys sealed in the database, used by this process."""

import hmac
import os
import threading
from collections.abc import Callable

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hsmgate.adapters import key_material, key_records, rsa_ciphers, software_ciphers, software_wrapping
from hsmgate.adapters.key_cache import Known
from hsmgate.adapters.key_records import ATTESTATION, CLIENT
from hsmgate.adapters.own_secret import OwnSecret
from hsmgate.adapters.sealed_keys import TENANT, SealedKeys, in_use, not_found
from hsmgate.adapters.sealing_key import Passphrase, SealingKey
from hsmgate.adapters.sql import Database
from hsmgate.adapters.sql.keys import KeyRow
from hsmgate.adapters.use_counts import UseCounts
from hsmgate.domain.algorithm import HMAC_HASHES, KEY_ALGORITHMS, hmac_hash
from hsmgate.domain.cipher import CIPHERS, Encrypted, cipher_for
from hsmgate.domain.curve import CURVES, ED25519_OID
from hsmgate.domain.digest import to_be_signed
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.material import Material, private_material, secret_material
from hsmgate.domain.policy import Policy
from hsmgate.domain.public_key import rsa_key
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS, signature_algorithm, signature_algorithm_for
from hsmgate.domain.wrapping import WRAP_METHODS, wrap_method_by
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Capabilities, CipherExtra, Locked, SignExtra, Statistics

_ATTESTATION_BITS = 3072
_ATTESTATION_ALGORITHM = "SHA256_WITH_RSA"

CAPABILITIES = Capabilities(
    key_algorithms=frozenset(row.name for row in KEY_ALGORITHMS if not row.absent),
    curves=frozenset({row.oid for row in CURVES if not row.absent} | {ED25519_OID}),
    signature_algorithms=frozenset(row.name for row in SIGNATURE_ALGORITHMS if not row.absent),
    ciphers=frozenset(row.name for row in CIPHERS),
    wrap_methods=frozenset(row.name for row in WRAP_METHODS if not row.absent),
    macs=frozenset(HMAC_HASHES),
    imports=frozenset(row.name for row in KEY_ALGORITHMS if not row.absent),
    exports=frozenset(row.name for row in KEY_ALGORITHMS if not row.absent),
    changes=frozenset({"password", "policy"}),
)


class SoftwareKeystore:
    """The Keystore port over a database. Opening it may fail with CONFIG_INVALID: not this database's sealing key."""

    def __init__(
        self,
        database: Database,
        sealing_key: SealingKey | Passphrase,
        now: Callable[[], float],
        attestation_label: str = "attestation-key",
    ) -> None:
        self._database = database
        self._attestation_label = attestation_label
        self._keys = SealedKeys(database, sealing_key, now)
        self._rows = self._keys.rows
        self.own_secret = OwnSecret(self._rows, self._keys.seal, TENANT, now)
        self._uses = UseCounts(self._rows.add_uses)
        self._making_attestation_key = threading.Lock()

    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def create(self, spec: KeySpec, password: str | None) -> Key:
        self._check_free(spec.label)  # before anything is generated
        return self._keys.store(
            self._keys.make(spec, key_material.generate(spec), password or None, CLIENT, "generated")
        )

    def find(self, label: str) -> Key:
        key = self._uses.completed(lambda: self._stored(label))
        if key is None:
            raise not_found(label)
        return key

    def labels(self) -> list[str]:
        return self._rows.labels(CLIENT)

    def unlock(self, key: Key, password: str | None) -> None:
        self._keys.check(self._keys.current(key), password or None)

    def sign(self, key: Key, password: str | None, algorithm: str, payload: bytes, extra: SignExtra) -> bytes:
        row = signature_algorithm_for(key, algorithm)
        digest = to_be_signed(row, payload, key.key_size)
        private = self._keys.material(self._keys.current(key), password or None)
        signature = key_material.sign(private, key, row, digest, extra)
        self._uses.add(key.uuid)
        return signature

    def encrypt(self, key: Key, password: str | None, cipher: str, payload: bytes, extra: CipherExtra) -> Encrypted:
        row, known = cipher_for(key, cipher), self._keys.current(key)
        if row.is_rsa:
            self._keys.check(known, password or None)
            encrypted = Encrypted(rsa_ciphers.encrypt(rsa_key(key), row, payload))
        else:
            encrypted = software_ciphers.encrypt(self._keys.material(known, password or None), row, payload, extra)
        self._uses.add(key.uuid)
        return encrypted

    def decrypt(self, key: Key, password: str | None, cipher: str, payload: bytes, extra: CipherExtra) -> bytes:
        row, known = cipher_for(key, cipher), self._keys.current(key)
        opened = software_ciphers.decrypt(self._keys.material(known, password or None), row, payload, extra)
        self._uses.add(key.uuid)
        return opened

    def mac(self, key: Key, password: str | None, payload: bytes) -> bytes:
        hashing = hmac_hash(key.algorithm)
        made = hmac.digest(self._secret(Locked(key, password)), payload, hashing)
        self._uses.add(key.uuid)
        return made

    def bring_in(self, spec: KeySpec, material: Material, password: str | None) -> Key:
        alone = not (material.private or material.secret)
        new = self._keys.make(spec, material, password or None, CLIENT, "public" if alone else "imported")
        old = self._rows.by_label(spec.label) if alone else None
        if old is None or old.purpose != CLIENT:
            self._check_free(spec.label)
            return self._keys.store(new)
        known = self._keys.known(old).key
        if known.public_key == material.public:
            return self.find(spec.label)
        if not known.is_public_only:
            raise in_use()
        return self._keys.put_instead(old, new)

    def take_out(self, key: Key, password: str | None) -> Material:
        secret = self._keys.octets(self._keys.current(key), password or None) or None
        private, octets = (None, secret) if key.public_key is None else (secret, None)
        return Material(key.algorithm, private, key.public_key, octets, key.curve_oid, key.key_size)

    def wrap(self, key: Locked, wrapping: Locked, method: str) -> bytes:
        row = wrap_method_by(wrapping.key, method)
        octets = self._keys.octets(self._keys.current(key.key), key.password or None)
        if row.key == "RSA":
            self.unlock(wrapping.key, wrapping.password)
            wrapped = software_wrapping.wrap_by_public(rsa_key(wrapping.key), row, octets)
        else:
            wrapped = software_wrapping.wrap_by_secret(self._secret(wrapping), row, octets)
        self._uses.add(wrapping.key.uuid)
        return wrapped

    def unwrap(self, wrapping: Locked, method: str, wrapped: bytes, spec: KeySpec, password: str | None) -> Key:
        row = wrap_method_by(wrapping.key, method)
        private = self._keys.material(self._keys.current(wrapping.key), wrapping.password or None)
        if isinstance(private, RSAPrivateKey):
            octets = software_wrapping.unwrap_by_private(private, row, wrapped)
        else:
            octets = software_wrapping.unwrap_by_secret(self._secret(wrapping), row, wrapped)
        try:
            material = (private_material if row.wraps else secret_material)(spec.algorithm, octets)
        except Failure:
            raise Failure(Reason.UNWRAP_FAILED) from None
        self._uses.add(wrapping.key.uuid)
        self._check_free(spec.label)
        return self._keys.store(self._keys.make(spec, material, password or None, CLIENT, "imported"))

    def change_password(self, key: Key, password: str | None, new: str | None) -> None:
        self._keys.change_password(self._keys.current(key), password or None, new or None)

    def change_policy(self, key: Key, password: str | None, policy: Policy) -> Key:
        known = self._keys.current(key)
        self._keys.check(known, password or None)
        return self._keys.change(known, msgspec.structs.replace(known.key, policy=policy))

    def delete(self, key: Key, password: str | None) -> None:
        self.unlock(key, password)
        if not self._rows.delete(key.uuid):
            raise not_found(key.label)
        self._keys.forget(key.uuid)
        self._uses.forget(key.uuid)

    def attest(self, document: bytes) -> tuple[str, bytes]:
        known = self._attestation_key()
        row = signature_algorithm(_ATTESTATION_ALGORITHM)
        digest = to_be_signed(row, document, known.key.key_size)
        signature = key_material.sign(self._keys.material(known, None), known.key, row, digest, SignExtra())
        return known.key.label, signature

    def attestation_key_name(self) -> str:
        return self._attestation_label

    def attestation_public_key(self) -> bytes:
        return self._attestation_key().key.public_key or b""

    def random(self, length: int) -> bytes:
        return os.urandom(length)

    def statistics(self) -> Statistics:
        held = self._rows.held(CLIENT)
        return Statistics(
            private_keys=sum(row.keys for row in held if row.asymmetric),
            secret_keys=sum(row.keys for row in held if not row.asymmetric),
            used_bytes=sum(row.octets for row in held),
        )

    def ping(self) -> None:
        self._database.ping()

    def close(self) -> None:
        """Write the use counts and close the database."""
        self._uses.close()
        self._database.close()

    def _stored(self, label: str) -> Key | None:
        row = self._rows.by_label(label)
        if row is None:
            return None
        key = self._keys.known(row).key
        return msgspec.structs.replace(key, use_count=key_records.uses_of(row)) if row.purpose == CLIENT else None

    def _check_free(self, label: str) -> None:
        if label == self._attestation_label or self._rows.by_label(label) is not None:
            raise in_use()

    def _secret(self, locked: Locked) -> bytes:
        material = self._keys.material(self._keys.current(locked.key), locked.password or None)
        if isinstance(material, bytes):
            return material
        raise Failure(Reason.INTEGRITY, "a stored key is of another type than its record")

    def _attestation_key(self) -> Known:
        row = self._rows.by_label(self._attestation_label)
        if row is None:
            with self._making_attestation_key:
                row = self._rows.by_label(self._attestation_label) or self._new_attestation_key()
        known = self._keys.known(row)
        if row.purpose != ATTESTATION:
            raise Failure(
                Reason.CONFIG_INVALID,
                f"the attestation key's name {row.label} is the name of another key: choose another",
            )
        return known

    def _new_attestation_key(self) -> KeyRow:
        attributes = KeyAttributes(sign=True, modifiable=False)
        spec = KeySpec(self._attestation_label, "RSA", attributes, key_size=_ATTESTATION_BITS)
        # not stored: another process was faster, and its key counts
        self._rows.insert(self._keys.make(spec, key_material.generate(spec), None, ATTESTATION, "generated"))
        row = self._rows.by_label(self._attestation_label)
        if row is None:
            raise Failure(Reason.INTEGRITY, "the database does not keep what is written")
        return row
