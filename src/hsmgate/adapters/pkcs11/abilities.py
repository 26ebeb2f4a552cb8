"""What a token can do: mechanisms are asked for, curves are tried with keys that are never stored."""

import pkcs11

from hsmgate.adapters.pkcs11.direct import Direct
from hsmgate.adapters.pkcs11.making import GENERATORS, generate
from hsmgate.adapters.pkcs11.proof import is_sound
from hsmgate.adapters.pkcs11.seats import Seat
from hsmgate.adapters.pkcs11.signing import Mechanisms, sign, signature_algorithms, way_of
from hsmgate.adapters.pkcs11.trials import Trials, Tried, works
from hsmgate.adapters.pkcs11.vendors import Vendor
from hsmgate.domain.algorithm import HMAC_HASHES
from hsmgate.domain.cipher import CIPHERS
from hsmgate.domain.curve import CURVES, ED25519_OID
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.signature_algorithm import signature_algorithm
from hsmgate.usecases.ports import Capabilities

_SIGNS = KeyAttributes(sign=True)
_TRIED = bytes(range(32))
_PROOFS = {"EC": "NONE_WITH_ECDSA", "ED": "EDDSA"}


def mechanisms_of(token: pkcs11.Token) -> Mechanisms:
    """What the token lists. May raise PKCS11Error."""
    return frozenset(token.slot.get_mechanisms())


def discover(seat: Seat, mechanisms: Mechanisms, maker: Vendor, direct: Direct | None) -> Capabilities:
    """Try what is listed. May raise PKCS11Error of a lost token."""
    made = {name for name, generator in GENERATORS.items() if generator in mechanisms}
    curves = {
        row.oid
        for row in CURVES
        if not row.absent and "EC" in made and _signs(seat.session, mechanisms, maker, "EC", row.oid)
    }
    if "ED" in made and _signs(seat.session, mechanisms, maker, "ED", None):
        curves.add(ED25519_OID)
    else:
        made.discard("ED")
    if not curves - {ED25519_OID}:
        made.discard("EC")
    one = next((oid for oid in sorted(curves) if oid != ED25519_OID), None)
    tried = Trials(seat.session, maker, mechanisms, direct).run(frozenset(made), one)
    keys = frozenset(name for name in made if _is_of_use(name, tried))
    return Capabilities(
        key_algorithms=keys,
        curves=frozenset(curves),
        signature_algorithms=signature_algorithms(mechanisms, keys),
        ciphers=tried.ciphers,
        wrap_methods=tried.wrap_methods,
        macs=tried.macs,
        imports=tried.imports & keys,
        exports=tried.imports & keys if maker.tells else frozenset(),
        changes=frozenset({"password", "policy"}),
    )


def _is_of_use(name: str, tried: Tried) -> bool:
    """Keys that do one thing only are not offered where the token does not do it."""
    if name in HMAC_HASHES:
        return name in tried.macs
    return name != "TDEA" or any(row.key == name and row.name in tried.ciphers for row in CIPHERS)


def _signs(
    session: pkcs11.Session, mechanisms: Mechanisms, maker: Vendor, algorithm: str, curve_oid: str | None
) -> bool:
    """Whether the token makes such a key, and signs with it so that it verifies."""
    row = signature_algorithm(_PROOFS[algorithm])
    spec = KeySpec("hsmgate-trial", algorithm, _SIGNS, curve_oid=curve_oid)

    def trial() -> bool:
        if way_of(row.scheme, mechanisms) is None:
            return False
        made = generate(session, maker, spec, b"trial", stored=False)
        key = Key("", spec.label, algorithm, _SIGNS, 0, curve_oid=curve_oid, public_key=made.public_key)
        sound = is_sound(made.public_key or b"", row, _TRIED, sign(made.item, key, row, _TRIED, mechanisms))
        made.item.destroy()
        return sound

    return works(trial)
