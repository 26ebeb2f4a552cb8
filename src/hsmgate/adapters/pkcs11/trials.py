"""Tries what a token's mechanisms promise, with keys that are never stored; what does not work is not offered."""

import hmac
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pkcs11
from pkcs11 import Mechanism, PKCS11Error

from hsmgate.adapters import key_material, rsa_ciphers, software_ciphers
from hsmgate.adapters.pkcs11 import ciphers, importing, wrapping
from hsmgate.adapters.pkcs11.direct import Direct
from hsmgate.adapters.pkcs11.losses import Loss, loss_of
from hsmgate.adapters.pkcs11.macs import MACS, mac
from hsmgate.adapters.pkcs11.making import generate
from hsmgate.adapters.pkcs11.vendors import Vendor
from hsmgate.domain.algorithm import HMAC_HASHES, key_algorithm
from hsmgate.domain.cipher import CIPHERS, Cipher
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.material import Material
from hsmgate.domain.public_key import rsa_key
from hsmgate.domain.wrapping import WRAP_METHODS, WrapMethod
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import CipherExtra

_ALL = KeyAttributes(sign=True, decrypt=True, unwrap=True, sensitive=False, extractable=True)
_LABEL, _ID = "hsmgate-trial", b"trial"
_SIZES = {"RSA": 2048, "AES": 256}
_TRIED = bytes(range(32))


class Tried(NamedTuple):
    """What worked, in names of the tables."""

    ciphers: frozenset[str]
    wrap_methods: frozenset[str]
    macs: frozenset[str]
    imports: frozenset[str]


class _Held(NamedTuple):
    """An object for trials; `material` where it was imported, so that the token's work can be judged outside."""

    item: Any
    key: Key
    material: Material | None


class Trials:
    """Of one token, in one session. Every method may raise PKCS11Error of a lost session."""

    def __init__(
        self, session: pkcs11.Session, maker: Vendor, mechanisms: frozenset[Mechanism | int], direct: Direct | None
    ) -> None:
        self._session, self._maker, self._mechanisms, self._direct = session, maker, mechanisms, direct

    def run(self, types: frozenset[str], curve_oid: str | None) -> Tried:
        """With keys of these types; `curve_oid`: one that the token has."""
        held = {name: made for name in sorted(types) for made in self._held(name, curve_oid)}
        try:
            return Tried(
                frozenset(row.name for row in CIPHERS if works(lambda row=row: self._cipher(held, row))),  # type: ignore[misc]
                frozenset(row.name for row in WRAP_METHODS if works(lambda row=row: self._wraps(held, row))),  # type: ignore[misc]
                frozenset(name for name in HMAC_HASHES if works(lambda name=name: self._mac(held, name))),  # type: ignore[misc]
                frozenset(name for name, made in held.items() if made.material is not None),
            )
        finally:
            for made in held.values():
                made.item.destroy()

    def _held(self, name: str, curve_oid: str | None) -> Iterator[_Held]:
        """A key of the type that came in and goes out again, or else one that the token makes; none: neither works."""
        size = _SIZES.get(name) or key_algorithm(name).default_size or None
        spec = KeySpec(_LABEL, name, _ALL, curve_oid if name == "EC" else None, size)
        found = list[_Held]()

        def imported() -> bool:
            material = key_material.generate(spec)
            item = importing.put(self._session, self._maker, spec, material, _ID, stored=False).item
            key = _key(spec, material.public)
            try:
                same = importing.take(item, key) == material
            except BaseException:
                item.destroy()
                raise
            found.append(_Held(item, key, material))
            return same

        def made() -> bool:
            new = generate(self._session, self._maker, spec, _ID, stored=False)
            found.append(_Held(new.item, _key(spec, new.public_key), None))
            return True

        if works(imported) or works(made):
            yield found[-1]

    def _cipher(self, held: dict[str, _Held], row: Cipher) -> bool:
        if ciphers.mechanism_of(row) not in self._mechanisms or row.key not in held:
            return False
        item, key, material = held[row.key]
        payload = _TRIED.rjust(256, b"\0") if row.mode == "RAW" else _TRIED
        if row.is_rsa:
            sealed = rsa_ciphers.encrypt(rsa_key(key), row, payload)
            opened = ciphers.decrypt(item, key, row, sealed, CipherExtra())
            return opened.rjust(256, b"\0") == payload if row.mode == "RAW" else opened == payload
        extra = CipherExtra(None, b"seen", 128) if row.has_tag else CipherExtra()
        made = ciphers.encrypt(item, key, row, payload, extra, self._direct)
        sealed, given = made.ciphertext + (made.tag or b""), CipherExtra(made.iv, extra.aad, extra.tag_bits)
        if ciphers.decrypt(item, key, row, sealed, given) != payload:
            return False
        return material is None or software_ciphers.decrypt(material.secret or b"", row, sealed, given) == payload

    def _wraps(self, held: dict[str, _Held], row: WrapMethod) -> bool:
        source = row.wraps or "AES"
        if row.absent or not {row.key, source} <= held.keys():
            return False
        if wrapping.mechanism_of(self._maker, row) not in self._mechanisms:
            return False
        by, key = held[row.key], held[source]
        if row.key == "RSA":
            wrapped = wrapping.wrap_by_public(self._session, self._maker, row, by.key, key.item, self._direct)
        else:
            wrapped = wrapping.wrap(self._maker, row, by.item, key.item, self._direct)
        spec = KeySpec(_LABEL, source, _ALL)
        made = wrapping.unwrap(self._maker, row, by.item, wrapped, spec, _ID, stored=False)
        try:
            if row.wraps:
                same = made.public_key == key.key.public_key
            else:
                octets = wrapping.octets_of(made, self._direct, self._maker, row, by.item, wrapped, spec)
                same = octets * 8 == key.key.key_size
            if not same:
                return False
            return key.material is None or importing.take(made.item, key.key) == key.material
        finally:
            made.item.destroy()

    def _mac(self, held: dict[str, _Held], name: str) -> bool:
        mechanism = MACS[HMAC_HASHES[name]]
        if name not in held or mechanism not in self._mechanisms:
            return False
        item, _, material = held[name]
        made = mac(item, name, _LABEL, _TRIED)
        if material is None or material.secret is None:
            return bool(made)
        return hmac.compare_digest(made, hmac.digest(material.secret, _TRIED, HMAC_HASHES[name]))


def works(trial: Callable[[], bool]) -> bool:
    """Whether a trial passes. May raise PKCS11Error of a lost session. Failure: CONNECTIVITY."""
    try:
        return trial()
    except PKCS11Error as error:
        # some tokens say CKR_FUNCTION_FAILED or CKR_GENERAL_ERROR of what they lack
        if loss_of(error) is Loss.SESSION:
            raise
        return False
    except Failure as failure:
        if failure.reason is Reason.CONNECTIVITY:
            raise
        return False


def _key(spec: KeySpec, public: bytes | None) -> Key:
    return Key("", spec.label, spec.algorithm, spec.attributes, 0, spec.curve_oid, spec.key_size, public_key=public)
