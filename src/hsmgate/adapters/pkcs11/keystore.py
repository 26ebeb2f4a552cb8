"""The Keystore port over a PKCS#11 token: keys in the token, what is said of them in the database."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pkcs11
from structlog.typing import FilteringBoundLogger

from hsmgate.adapters.key_book import KeyBook, not_found
from hsmgate.adapters.key_cache import Known
from hsmgate.adapters.key_records import ATTESTATION, CLIENT
from hsmgate.adapters.own_secret import OwnSecret
from hsmgate.adapters.pkcs11.abilities import discover, mechanisms_of
from hsmgate.adapters.pkcs11.held import HeldKeys
from hsmgate.adapters.pkcs11.objects import OWN_ID, find
from hsmgate.adapters.pkcs11.sealing import LABEL as SEALING_KEY
from hsmgate.adapters.pkcs11.sealing import open_seal
from hsmgate.adapters.pkcs11.seats import Seat
from hsmgate.adapters.pkcs11.survey import Survey, Unusable
from hsmgate.adapters.pkcs11.token import LIST_SECONDS, MAKE_SECONDS, Token
from hsmgate.adapters.pkcs11.vendors import vendor
from hsmgate.adapters.sql import Database
from hsmgate.adapters.sql.keys import KeyRows
from hsmgate.domain.algorithm import hmac_hash, key_algorithm
from hsmgate.domain.cipher import Encrypted, cipher_for
from hsmgate.domain.curve import ED25519_OID
from hsmgate.domain.digest import to_be_signed
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.material import Material
from hsmgate.domain.policy import Policy
from hsmgate.domain.signature_algorithm import signature_algorithm, signature_algorithm_for
from hsmgate.domain.wrapping import check_length, wrap_method_by
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Capabilities, CipherExtra, Locked, SignExtra, Statistics

TENANT = "default"
_ATTESTATION_BITS = 3072
_ATTESTATION_ALGORITHM = "SHA256_WITH_RSA"


class TokenKeystore:
    """Keys of one token. Opening it may fail with CONFIG_INVALID: token and database do not belong together."""

    def __init__(
        self,
        database: Database,
        token: Token,
        now: Callable[[], float],
        log: FilteringBoundLogger,
        attestation_label: str = "attestation-key",
        *,
        rehearsal: bool = False,
    ) -> None:
        self._database, self.token, self._now, self._log = database, token, now, log
        self._attestation_label = attestation_label
        self._vendor = vendor(token.manufacturer)
        mechanisms = token.run(lambda _: mechanisms_of(token.token))
        self._held = HeldKeys(token, mechanisms, self._vendor, log)
        seal = open_seal(token, database, now(), rehearsal=rehearsal)
        self._book = KeyBook(database, TENANT, seal)
        self.own_secret = OwnSecret(KeyRows(database, TENANT), seal, TENANT, now)
        self._capabilities = token.run(
            lambda seat: discover(seat, mechanisms, self._vendor, self._held.direct), MAKE_SECONDS
        )
        self._making_attestation_key = threading.Lock()

    def capabilities(self) -> Capabilities:
        return self._capabilities

    def create(self, spec: KeySpec, password: str | None) -> Key:
        self._check_offered(spec)
        self._check_free(spec.label)
        key = self._make(spec, password or None, CLIENT)
        if key is None:
            raise _in_use()
        return key

    def find(self, label: str) -> Key:
        key = self._book.find_client_key(label)
        if key is not None:
            return key
        if label in {self._attestation_label, SEALING_KEY, ""} or "\0" in label:
            raise not_found(label)
        adopted = self.token.run(lambda seat: self._foreign(seat, label))
        if self._book.add(adopted, CLIENT, None):
            self._log.info("token.key-adopted", key=label, algorithm=adopted.algorithm)
        found = self._book.find_client_key(label)  # perhaps the record that another process made
        if found is None:
            raise not_found(label)
        return found

    def labels(self) -> list[str]:
        known = set(self._book.labels())

        def work(seat: Seat) -> list[str]:
            self.token.check_login(seat)
            return Survey(seat.session).labels(known)

        foreign = self.token.run(work, LIST_SECONDS)
        return sorted({*known, *foreign} - {self._attestation_label, SEALING_KEY})

    def unlock(self, key: Key, password: str | None) -> None:
        self._book.unlock(self._book.current(key), password or None)

    def sign(self, key: Key, password: str | None, algorithm: str, payload: bytes, extra: SignExtra) -> bytes:
        row = signature_algorithm_for(key, algorithm)
        octets = to_be_signed(row, payload, key.key_size)
        known = self._able(key, password, "signatureAlgorithm", row.name, self._capabilities.signature_algorithms)
        if extra != SignExtra():
            raise Failure(Reason.INVALID_INPUT, f"auxiliary randomness and tweaks do not fit {row.name}")
        signature = self._held.sign(known, row, octets)
        self._book.count_use(key)
        return signature

    def encrypt(self, key: Key, password: str | None, cipher: str, payload: bytes, extra: CipherExtra) -> Encrypted:
        row = cipher_for(key, cipher)
        known = self._able(key, password, "cipherAlgorithm", row.name, self._capabilities.ciphers)
        encrypted = self._held.encrypt(known, row, payload, extra)
        self._book.count_use(key)
        return encrypted

    def decrypt(self, key: Key, password: str | None, cipher: str, payload: bytes, extra: CipherExtra) -> bytes:
        row = cipher_for(key, cipher)
        known = self._able(key, password, "cipherAlgorithm", row.name, self._capabilities.ciphers)
        opened = self._held.decrypt(known, row, payload, extra)
        self._book.count_use(key)
        return opened

    def mac(self, key: Key, password: str | None, payload: bytes) -> bytes:
        hmac_hash(key.algorithm)
        known = self._able(key, password, "HMAC by keys of type", key.algorithm, self._capabilities.macs)
        made = self._held.mac(known, payload)
        self._book.count_use(key)
        return made

    def bring_in(self, spec: KeySpec, material: Material, password: str | None) -> Key:
        if not (material.private or material.secret):
            return self._bring_in_public(spec, material)
        if spec.algorithm not in self._capabilities.imports or not self._has_curve(material.curve_oid, spec.algorithm):
            raise Failure(Reason.NOT_IMPLEMENTED, f"import of {spec.algorithm} keys like this one: the token lacks it")
        self._check_free(spec.label)
        identity = uuid.uuid4()
        self._held.put(spec, material, identity.bytes)
        return self._recorded(identity, spec, material, password, "imported")

    def take_out(self, key: Key, password: str | None) -> Material:
        known = self._able(key, password, "export of type", key.algorithm, self._capabilities.exports | _alone(key))
        if known.is_public_only:
            return Material(key.algorithm, None, key.public_key, None, key.curve_oid, key.key_size)
        return self._held.take(known)

    def wrap(self, key: Locked, wrapping: Locked, method: str) -> bytes:
        row = wrap_method_by(wrapping.key, method)
        self.unlock(key.key, key.password)
        by = self._able(wrapping.key, wrapping.password, "wrapMethod", row.name, self._capabilities.wrap_methods)
        if not row.wraps:
            octets = key_algorithm(key.key.algorithm).fixed_octets or (key.key.key_size or 0) // 8
            check_length(row, octets, by.key_size or 0)
            if self._vendor.fills and octets % 8:  # whoever unwraps it would take the zeros for a part of the key
                raise Failure(Reason.ALGORITHM_NOT_FOR_KEY, f"{row.name} by this token takes whole blocks of 8 bytes")
        wrapped = self._held.wrap(key.key, by, row)
        self._book.count_use(wrapping.key)
        return wrapped

    def unwrap(self, wrapping: Locked, method: str, wrapped: bytes, spec: KeySpec, password: str | None) -> Key:
        row = wrap_method_by(wrapping.key, method)
        by = self._able(wrapping.key, wrapping.password, "wrapMethod", row.name, self._capabilities.wrap_methods)
        self._check_offered(spec, any_curve=True)
        self._check_free(spec.label)
        identity = uuid.uuid4()
        material = self._held.unwrap(by, row, wrapped, spec, identity.bytes)
        self._book.count_use(wrapping.key)
        return self._recorded(identity, spec, material, password, "imported")

    def change_password(self, key: Key, password: str | None, new: str | None) -> None:
        known = self._book.current(key)
        self._book.unlock(known, password or None)
        self._book.change_password(known, new or None)

    def change_policy(self, key: Key, password: str | None, policy: Policy) -> Key:
        known = self._book.current(key)
        self._book.unlock(known, password or None)
        return self._book.change_policy(known, policy)

    def _able(self, key: Key, password: str | None, kind: str, name: str, offered: frozenset[str]) -> Key:
        """The key as it is now, unlocked, where the token can do this. Failure: NOT_IMPLEMENTED, and as unlock()."""
        known = self._book.current(key)
        self._book.unlock(known, password or None)
        if name not in offered:
            raise Failure(Reason.NOT_IMPLEMENTED, f"{kind} {name}: the token lacks it")
        return known.key

    def random(self, length: int) -> bytes:
        return bytes(self.token.run(lambda seat: seat.session.generate_random(length * 8)))

    def statistics(self) -> Statistics:
        return self._book.statistics()

    def delete(self, key: Key, password: str | None) -> None:
        known = self._book.current(key)
        self._book.unlock(known, password or None)
        self._held.destroy(known.key)
        self._book.remove(key)

    def attest(self, document: bytes) -> tuple[str, bytes]:
        key = self._attestation_key().key
        row = signature_algorithm(_ATTESTATION_ALGORITHM)
        return key.label, self._held.sign(key, row, to_be_signed(row, document, key.key_size))

    def attestation_key_name(self) -> str:
        return self._attestation_label

    def attestation_public_key(self) -> bytes:
        return self._attestation_key().key.public_key or b""

    def ping(self) -> None:
        self._database.ping()
        self.token.ping()

    def remarks(self) -> list[str]:
        """What an operator should know of the token's objects: duplicates, keys without label, public key or record."""
        recorded = {uuid.UUID(each).bytes for each in self._book.uuids()}

        def work(seat: Seat) -> list[str]:
            self.token.check_login(seat)
            survey = Survey(seat.session)
            survey.labels()
            lost = [
                f"a key made by hsmgate has no record in this database (CKA_ID {(OWN_ID + rest).hex()}): it is not used"
                for rest in sorted(survey.own - recorded)
            ]
            return [*survey.remarks, *survey.public_only(), *lost]

        return self.token.run(work, MAKE_SECONDS)

    def close(self) -> None:
        """Write the use counts, let the token go and close the database."""
        self._book.close()
        self.token.close()
        self._database.close()

    def _check_free(self, label: str) -> None:
        """Failure: KEY_EXISTS."""
        taken = label in {self._attestation_label, SEALING_KEY} or self._book.find(label) is not None
        if taken or self.token.run(lambda seat: self._is_in_token(seat, label)):
            raise _in_use()

    def _check_offered(self, spec: KeySpec, *, any_curve: bool = False) -> None:
        """Failure: NOT_IMPLEMENTED and those of the tables."""
        algorithm = key_algorithm(spec.algorithm)
        offered = algorithm.name in self._capabilities.key_algorithms
        if not offered or not (any_curve or self._has_curve(spec.curve_oid, algorithm.name)):
            what = f"{algorithm.name} keys" + (f" on the curve {spec.curve_oid}" if spec.curve_oid and offered else "")
            raise Failure(Reason.NOT_IMPLEMENTED, f"the token has no {what}")

    def _has_curve(self, oid: str | None, algorithm: str) -> bool:
        used = ED25519_OID if algorithm == "ED" else oid
        return used is None or used in self._capabilities.curves

    def _make(self, spec: KeySpec, password: str | None, purpose: str) -> Key | None:
        """Generate, then store the record; None when the label was taken meanwhile."""
        identity = uuid.uuid4()
        public = self._held.make(spec, identity.bytes).public_key
        made = Material(spec.algorithm, public=public, curve_oid=spec.curve_oid, key_size=spec.key_size)
        return self._record(identity, spec, made, password, purpose, "generated")

    def _bring_in_public(self, spec: KeySpec, material: Material) -> Key:
        """A lone public key is in its record alone; it takes the place of another lone one."""
        old = self._book.find(spec.label)
        if old is None or old.row.purpose != CLIENT:
            self._check_free(spec.label)
            return self._recorded(uuid.uuid4(), spec, material, None, "public")
        if old.key.public_key == material.public:
            return self.find(spec.label)
        if not old.key.is_public_only:
            raise _in_use()
        return self._book.replace(old, self._described(uuid.uuid4(), spec, material, None, "public"))

    def _recorded(
        self, identity: uuid.UUID, spec: KeySpec, material: Material, password: str | None, origin: str
    ) -> Key:
        """The record of a new key of a client. Failure: KEY_EXISTS (the label was taken meanwhile)."""
        key = self._record(identity, spec, material, password or None, CLIENT, origin)
        if key is None:
            raise _in_use()
        return key

    def _record(
        self, identity: uuid.UUID, spec: KeySpec, material: Material, password: str | None, purpose: str, origin: str
    ) -> Key | None:
        key = self._described(identity, spec, material, password, origin)
        if self._book.add(key, purpose, password):
            return key
        self._held.undo(identity.bytes)
        return None

    def _described(
        self, identity: uuid.UUID, spec: KeySpec, material: Material, password: str | None, origin: str
    ) -> Key:
        return Key(
            uuid=str(identity),
            label=spec.label,
            algorithm=spec.algorithm,
            attributes=spec.attributes,
            created=int(self._now()),
            curve_oid=material.curve_oid,
            key_size=material.key_size,
            id=spec.id,
            policy=spec.policy,
            address_format=spec.address_format,
            public_key=material.public,
            origin=origin,
            has_password=password is not None,
        )

    def _attestation_key(self) -> Known:
        known = self._book.find(self._attestation_label)
        if known is None:
            with self._making_attestation_key:
                known = self._book.find(self._attestation_label) or self._new_attestation_key()
        if known.row.purpose != ATTESTATION:
            raise Failure(
                Reason.CONFIG_INVALID,
                f"the attestation key's name {known.key.label} is the name of another key: choose another",
            )
        return known

    def _new_attestation_key(self) -> Known:
        attributes = KeyAttributes(sign=True, modifiable=False)
        spec = KeySpec(self._attestation_label, "RSA", attributes, key_size=_ATTESTATION_BITS)
        self._make(spec, None, ATTESTATION)  # None: another process was faster, and its key counts
        known = self._book.find(self._attestation_label)
        if known is None:
            raise Failure(Reason.INTEGRITY, "the database does not keep what is written")
        return known

    def located(self, seat: Seat, key: Key) -> Any:  # noqa: ANN401 - made by python-pkcs11
        """The object that is this key, on a thread of the token."""
        return self._held.located(seat, key)

    # on a thread of the token

    def _is_in_token(self, seat: Seat, label: str) -> bool:
        return any(isinstance(item, pkcs11.PrivateKey | pkcs11.SecretKey) for item in find(seat.session, label=label))

    def _foreign(self, seat: Seat, label: str) -> Key:
        """A key that another tool made. Failure: KEY_NOT_FOUND (none that can be used)."""
        survey = Survey(seat.session, label)
        try:
            key = survey.one(label, int(self._now()))
        except Unusable as why:
            self._log.warning("token.key-unusable", key=label, detail=str(why))
            raise not_found(label) from None
        if key is None:
            self.token.check_login(seat)
            raise not_found(label)
        return key


def _alone(key: Key) -> frozenset[str]:
    """Lone public keys are in their records: no token is asked for them."""
    return frozenset({key.algorithm}) if key.is_public_only else frozenset()


def _in_use() -> Failure:
    return Failure(Reason.KEY_EXISTS, "Could not create key. The key name is already in use.")
