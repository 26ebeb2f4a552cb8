"""The keys of a token as its objects: found, made, used. Runs on the threads of the token; knows no records."""

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pkcs11 import Attribute, ObjectClass, PKCS11Error, SignMixin
from structlog.typing import FilteringBoundLogger

from hsmgate.adapters import rsa_ciphers
from hsmgate.adapters.pkcs11 import ciphers, importing, wrapping
from hsmgate.adapters.pkcs11.direct import Direct
from hsmgate.adapters.pkcs11.losses import failure_of, loss_of
from hsmgate.adapters.pkcs11.macs import mac
from hsmgate.adapters.pkcs11.making import Made, destroy, generate
from hsmgate.adapters.pkcs11.objects import OWN_ID, attribute, find, public_der
from hsmgate.adapters.pkcs11.proof import is_sound
from hsmgate.adapters.pkcs11.seats import Seat
from hsmgate.adapters.pkcs11.signing import Mechanisms, sign
from hsmgate.adapters.pkcs11.token import MAKE_SECONDS, Token
from hsmgate.adapters.pkcs11.vendors import Vendor
from hsmgate.domain.algorithm import HMAC_HASHES, key_algorithm
from hsmgate.domain.cipher import Cipher, Encrypted
from hsmgate.domain.key import Key, KeySpec
from hsmgate.domain.material import Material, public_material, secret_size
from hsmgate.domain.public_key import rsa_key
from hsmgate.domain.signature_algorithm import SignatureAlgorithm
from hsmgate.domain.wrapping import WrapMethod
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import CipherExtra

T = TypeVar("T")


class HeldKeys:
    """Uses of keys that have a record. Every method may fail with CONNECTIVITY, OVERLOADED and KEYSTORE."""

    def __init__(self, token: Token, mechanisms: Mechanisms, maker: Vendor, log: FilteringBoundLogger) -> None:
        self._token, self._mechanisms, self._maker, self._log = token, mechanisms, maker, log
        self.direct = None if token.functions is None else Direct(token.functions)

    def make(self, spec: KeySpec, identifier: bytes) -> Made:
        """Generate. What a crash leaves behind is under an id of ours without a record, and never used."""
        seconds = MAKE_SECONDS if key_algorithm(spec.algorithm).slow else None
        return self._renewed(lambda seat: generate(seat.session, self._maker, spec, identifier), identifier, seconds)

    def put(self, spec: KeySpec, material: Material, identifier: bytes) -> None:
        """Make the objects of a key that comes from outside. Failure: NOT_IMPLEMENTED, KEYSTORE."""

        def work(seat: Seat) -> None:
            _try_out(importing.put(seat.session, self._maker, spec, material, identifier).item, spec)

        self._renewed(work, identifier)

    def sign(self, key: Key, row: SignatureAlgorithm, octets: bytes) -> bytes:
        """A signature that verifies, or none."""

        def work(seat: Seat) -> bytes:
            private = seat.remembered(key.uuid, lambda: self.located(seat, key))
            return sign(private, key, row, octets, self._mechanisms, self.direct)

        for _ in range(2):
            signature = self._token.run(work)
            if is_sound(key.public_key or b"", row, octets, signature):
                return signature
            self._log.error("token.wrong-signature", key=key.label, detail="it was not released; handles are renewed")
            self._token.renew()
        raise Failure(Reason.KEYSTORE, f"the token's signatures with the key '{key.label}' do not verify")

    def encrypt(self, key: Key, row: Cipher, payload: bytes, extra: CipherExtra) -> Encrypted:
        """RSA by the public key of the record, outside. Failure: KEY_FORBIDS, INVALID_PAYLOAD."""
        if row.is_rsa:
            return Encrypted(rsa_ciphers.encrypt(rsa_key(key), row, payload))
        return self._token.run(
            lambda seat: ciphers.encrypt(self._object(seat, key), key, row, payload, extra, self.direct)
        )

    def decrypt(self, key: Key, row: Cipher, payload: bytes, extra: CipherExtra) -> bytes:
        """Failure: KEY_FORBIDS, DECRYPT_FAILED, NOT_IMPLEMENTED."""
        public = rsa_key(key) if row.is_rsa else None
        if public is not None:
            ciphers.check_number(public, payload)

        def work(seat: Seat) -> bytes:
            item = self._object(seat, key)
            decrypted = ciphers.opened(
                lambda: ciphers.decrypt(item, key, row, payload, extra),
                lambda: self._token.check(seat),
                Reason.DECRYPT_FAILED,
            )
            return _whole(row, public, decrypted, payload)

        return self._token.run(work)

    def mac(self, key: Key, payload: bytes) -> bytes:
        """Failure: KEY_FORBIDS, NOT_IMPLEMENTED (a key of a length that the token does not take)."""
        return self._token.run(lambda seat: mac(self._object(seat, key), key.algorithm, key.label, payload))

    def take(self, key: Key) -> Material:
        """The key itself. Failure: KEYSTORE (the token does not tell it)."""
        return self._token.run(lambda seat: importing.take(self._object(seat, key), key))

    def wrap(self, key: Key, by: Key, row: WrapMethod) -> bytes:
        """Failure: KEY_FORBIDS, NOT_IMPLEMENTED."""

        def work(seat: Seat) -> bytes:
            item = self._object(seat, key)
            if row.key == "RSA":
                return wrapping.wrap_by_public(seat.session, self._maker, row, by, item, self.direct)
            return wrapping.wrap(self._maker, row, self._object(seat, by), item, self.direct)

        return self._token.run(work)

    def unwrap(self, by: Key, row: WrapMethod, wrapped: bytes, spec: KeySpec, identifier: bytes) -> Material:
        """What was unwrapped, without what is secret of it. Failure: UNWRAP_FAILED, KEY_FORBIDS, NOT_IMPLEMENTED."""
        wrapping.check_wrapped(row, wrapped, by.key_size or 0)

        def work(seat: Seat) -> Material:
            item = self._object(seat, by)
            made = ciphers.opened(
                lambda: wrapping.unwrap(self._maker, row, item, wrapped, spec, identifier),
                lambda: self._token.check(seat),
                Reason.UNWRAP_FAILED,
            )
            _try_out(made.item, spec)
            try:
                if not row.wraps:
                    octets = wrapping.octets_of(made, self.direct, self._maker, row, item, wrapped, spec)
                    return Material(spec.algorithm, key_size=secret_size(spec.algorithm, octets))
                return public_material(spec.algorithm, made.public_key or b"")
            except Failure:
                raise Failure(Reason.UNWRAP_FAILED) from None

        return self._renewed(work, identifier)

    def destroy(self, key: Key) -> None:
        """Destroy what there is of the key; a key that is gone already is gone."""
        if not key.is_public_only:
            self._token.run(lambda seat: self._destroy(seat, key))

    def undo(self, identifier: bytes) -> None:
        """Destroy what was made under this identifier."""
        self._token.run(lambda seat: destroy(seat.session, identifier))

    def located(self, seat: Seat, key: Key) -> Any:  # noqa: ANN401 - made by python-pkcs11
        """The one object that is this key. Failure: KEYSTORE (none, or several), INVALID_KEY_TYPE (no private part)."""
        if key.is_public_only:
            raise Failure(Reason.INVALID_KEY_TYPE, f"the key '{key.label}' has no private part")
        kind = ObjectClass.SECRET_KEY if key.public_key is None else ObjectClass.PRIVATE_KEY
        found = find(seat.session, kind=kind, id=_own_id(key))
        if not found and key.origin != "generated":  # of another tool
            found = [item for item in find(seat.session, kind=kind, label=key.label) if _is_adopted(item, key)]
        if key.public_key is not None:
            found = [item for item in found if public_der(seat.session, item) == key.public_key]
        if not found:
            self._token.check_login(seat)
        if len(found) != 1 and not _is_one(found, key):
            raise Failure(Reason.KEYSTORE, f"the token holds {len(found) or 'no'} objects of the key '{key.label}'")
        return found[0]

    def _object(self, seat: Seat, key: Key) -> Any:  # noqa: ANN401
        """The object, seen to be still the one that it was: what these uses give cannot be verified outside."""
        for _ in range(2):
            item, identifier = seat.remembered(f"{key.uuid} and id", lambda: self._identified(seat, key))
            if (attribute(item, Attribute.ID) or b"") == identifier:
                return item
            seat.forget(f"{key.uuid} and id")
        raise Failure(Reason.KEYSTORE, f"the token does not keep the key '{key.label}' apart")

    def _identified(self, seat: Seat, key: Key) -> tuple[Any, bytes]:
        item = self.located(seat, key)
        return item, attribute(item, Attribute.ID) or b""

    def _renewed(self, work: Callable[[Seat], T], identifier: bytes, seconds: float | None = None) -> T:
        """Run what makes objects; what a try leaves behind that fails is destroyed, at the latest before the next."""

        def once(seat: Seat) -> T:
            destroy(seat.session, identifier)
            try:
                return work(seat)
            except (PKCS11Error, Failure):
                with suppress(PKCS11Error):
                    destroy(seat.session, identifier)
                raise

        def twice(seat: Seat) -> T:
            try:
                return once(seat)
            except (PKCS11Error, Failure) as error:
                if not _may_be_chance(error):
                    raise
                return once(seat)

        return self._token.run(twice, seconds)

    def _destroy(self, seat: Seat, key: Key) -> None:
        if destroy(seat.session, uuid.UUID(key.uuid).bytes):
            return
        if key.origin == "generated":
            self._token.check_login(seat)
            return
        private = self.located(seat, key)
        identifier = attribute(private, Attribute.ID)
        private.destroy()
        for item in find(seat.session, kind=ObjectClass.PUBLIC_KEY, label=key.label) if identifier else ():
            if attribute(item, Attribute.ID) == identifier:
                item.destroy()


def _try_out(item: Any, spec: KeySpec) -> None:  # noqa: ANN401
    """A token may hold a key that it then does not use: one for HMAC that is shorter than the code."""
    if spec.algorithm in HMAC_HASHES and isinstance(item, SignMixin):
        mac(item, spec.algorithm, spec.label, b"")


def _may_be_chance(error: PKCS11Error | Failure) -> bool:
    """Whether a second try may help. SoftHSM refuses some where another process stores an object at the same moment."""
    if isinstance(error, Failure):
        return error.reason in {Reason.UNWRAP_FAILED, Reason.KEYSTORE}
    return loss_of(error) is None and failure_of(error).reason is Reason.KEYSTORE


def _whole(row: Cipher, public: RSAPublicKey | None, decrypted: bytes, payload: bytes) -> bytes:
    return ciphers.whole_number(public, decrypted, payload) if public is not None and row.mode == "RAW" else decrypted


def _is_one(found: Sequence[Any], key: Key) -> bool:
    """Whether a token shows one object several times, as SoftHSM does where another process stores at the same moment.

    An identifier of ours is never given twice, so all are one key, unless they tell that they are not.
    """
    if not found or (attribute(found[0], Attribute.ID) or b"") != _own_id(key):
        return False
    return len({attribute(item, Attribute.CHECK_VALUE) for item in found}) == 1


def _own_id(key: Key) -> bytes:
    return OWN_ID + uuid.UUID(key.uuid).bytes


def _is_adopted(item: Any, key: Key) -> bool:  # noqa: ANN401
    """Whether an object of another tool may be the one; asymmetric ones are told apart by their public keys."""
    identifier = attribute(item, Attribute.ID) or b""
    if identifier.startswith(OWN_ID):
        return False
    return key.public_key is not None or (identifier.hex() or None) == key.id
