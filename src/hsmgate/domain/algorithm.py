"""Key algorithms: the contract's names, OIDs and sizes (enums.md section 1)."""

from hsmgate.domain.curve import ED25519_OID, curve
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record


class KeyAlgorithm(Record):
    """One type of key. `sizes` in bits; none: the size is no choice. `operations`: what the type is for."""

    name: str
    oid: str  # empty: never reported, for no backend has the type
    sizes: tuple[int, ...] = ()
    default_size: int = 0  # bits of a key whose size was not named; 0: it must be
    fixed_octets: int = 0  # of a secret key whose size is no choice
    operations: tuple[str, ...] = ("sign",)
    symmetric: bool = False
    slow: bool = False  # to make: primes are searched for
    absent: str = ""  # why no backend offers it


_LATER = "not in this version"
_DRAFT = "a draft that its standard has replaced"
_NO_LIBRARY = "no sound library has it"
_CIPHER = ("encrypt",)
_HMACS = {"SHA1": 160, "SHA224": 224, "SHA256": 256, "SHA384": 384, "SHA512": 512}
_BITS = (128, 192, 256)
_SLH_DSA = (
    *(f"SHA2-{size}" for size in ("128s", "128f", "192s", "192f", "256s", "256f")),
    *(f"SHAKE-{size}" for size in ("128s", "128f", "192s", "192f", "256s", "256f")),
)

KEY_ALGORITHMS: tuple[KeyAlgorithm, ...] = (
    KeyAlgorithm("EC", "1.2.840.10045.2.1", operations=("sign", "derive")),
    KeyAlgorithm("ED", ED25519_OID, operations=("sign", "derive")),
    KeyAlgorithm(
        "RSA", "1.2.840.113549.1.1.1", (2048, 3072, 4096, 8192), operations=("sign", "encrypt", "wrap"), slow=True
    ),
    KeyAlgorithm("AES", "1.0.18033.3.2.1", _BITS, operations=("encrypt", "wrap"), symmetric=True),
    KeyAlgorithm("DSA", "1.2.840.10040.4.1", (1024, 2048), slow=True),
    KeyAlgorithm("BLS", "1.3.6.1.4.1.44668.5.3.1.1", absent=_LATER),
    KeyAlgorithm("ISS", "", (1, 2, 3), absent=_NO_LIBRARY),
    KeyAlgorithm("Camellia", "1.0.18033.3.2.2", _BITS, operations=_CIPHER, symmetric=True),
    KeyAlgorithm("ChaCha20", "1.2.840.113549.1.9.16.3.18", (256,), operations=_CIPHER, symmetric=True),
    KeyAlgorithm("TDEA", "1.0.18033.3.1.1", fixed_octets=24, operations=_CIPHER, symmetric=True),
    *(
        KeyAlgorithm(f"HMAC{digest}", f"1.2.840.113549.2.{arc}", (bits,), bits, operations=("hmac",), symmetric=True)
        for arc, (digest, bits) in enumerate(_HMACS.items(), start=7)
    ),
    KeyAlgorithm("ML-DSA-44", "2.16.840.1.101.3.4.3.17", absent=_LATER),
    KeyAlgorithm("ML-DSA-65", "2.16.840.1.101.3.4.3.18", absent=_LATER),
    KeyAlgorithm("ML-DSA-87", "2.16.840.1.101.3.4.3.19", absent=_LATER),
    *(
        KeyAlgorithm(f"SLH-DSA-{name}", f"2.16.840.1.101.3.4.3.{arc}", absent=_LATER)
        for arc, name in enumerate(_SLH_DSA, start=20)
    ),
    KeyAlgorithm("ML-KEM-512", "2.16.840.1.101.3.4.4.1", operations=(), absent=_LATER),
    KeyAlgorithm("ML-KEM-768", "2.16.840.1.101.3.4.4.2", operations=(), absent=_LATER),
    KeyAlgorithm("ML-KEM-1024", "2.16.840.1.101.3.4.4.3", operations=(), absent=_LATER),
    KeyAlgorithm("LMS", "1.2.840.113549.1.9.16.3.17", absent=_LATER),
    KeyAlgorithm("XMSS-SHA256_10_256", "1.3.6.1.5.5.7.6.34", absent=_NO_LIBRARY),
    KeyAlgorithm("XMSS-SHAKE256_10_256", "1.3.6.1.5.5.7.6.34", absent=_NO_LIBRARY),
    *(KeyAlgorithm(f"DILITHIUM_{level}", "", absent=_DRAFT) for level in ("L2", "L3", "L5")),
    *(KeyAlgorithm(f"SPHINCS_PLUS_SHAKE_{level}", "", absent=_DRAFT) for level in ("L1", "L3", "L5")),
    *(
        KeyAlgorithm(f"KYBER{size}_WITH_{hashing}", "", operations=(), absent=_DRAFT)
        for size in (512, 768, 1024)
        for hashing in ("SHAKE", "SHA2_AES")
    ),
)
_BY_NAME = {row.name: row for row in KEY_ALGORITHMS}
_ANY_CASE = {name.casefold(): name for name in ("ChaCha20", "Camellia")}
_BY_OID = {row.oid: row for row in reversed(KEY_ALGORITHMS) if row.oid}


# of each type that makes MACs, its hash in the words of hashlib
HMAC_HASHES = {f"HMAC{digest}": digest.lower() for digest in _HMACS}


def hmac_hash(name: str) -> str:
    """The hash of a type of key that makes MACs, in the words of hashlib. Failure: INVALID_KEY_TYPE."""
    if name not in HMAC_HASHES:
        raise Failure(Reason.INVALID_KEY_TYPE, f"a key of type {name} makes no HMAC")
    return HMAC_HASHES[name]


def key_algorithm(name: str) -> KeyAlgorithm:
    """The type of this name. Failure: INVALID_INPUT (unknown), NOT_IMPLEMENTED (listed, but no backend has it)."""
    return _offered(_BY_NAME.get(_ANY_CASE.get(name.casefold(), name)), name)


def key_algorithm_of_oid(oid: str) -> KeyAlgorithm:
    """The type of this algorithmOid. Failure: as key_algorithm."""
    return _offered(_BY_OID.get(oid), oid)


def is_slow_to_make(name: str | None, oid: str | None) -> bool:
    """Whether a key asked for by name, else by algorithmOid, takes its time; what is unknown is refused at once."""
    row = _BY_NAME.get(name) if name else _BY_OID.get(oid or "")
    return row is not None and row.slow


def check_key_size(algorithm: KeyAlgorithm, size: int | None) -> int | None:
    """The size to make in bits, None where it is no choice; 0 counts as absent. Failure: INVALID_KEY_SIZE."""
    size = size or algorithm.default_size
    if not algorithm.sizes and not size:
        return None
    if size in algorithm.sizes:
        return size
    wanted = f"one of {', '.join(map(str, algorithm.sizes))}" if algorithm.sizes else "absent"
    raise Failure(Reason.INVALID_KEY_SIZE, f"keySize of {algorithm.name} must be {wanted}")


def check_curve(algorithm: KeyAlgorithm, oid: str | None) -> str | None:
    """The curve's OID in its standard spelling, None where it is no choice.

    Failure: INVALID_INPUT (missing, unknown, or not for this type), NOT_IMPLEMENTED.
    """
    if algorithm.name == "EC":
        if not oid:
            raise Failure(Reason.INVALID_INPUT, "curveOid is required for EC")
        return curve(oid).oid
    if not oid or (algorithm.name == "ED" and oid == ED25519_OID):
        return None
    raise Failure(Reason.INVALID_INPUT, f"curveOid does not fit {algorithm.name}")


def _offered(row: KeyAlgorithm | None, asked: str) -> KeyAlgorithm:
    if row is None:
        raise Failure(Reason.INVALID_INPUT, f"key algorithm {asked[:64]!r} is not known")
    if row.absent:
        raise Failure(Reason.NOT_IMPLEMENTED, f"key algorithm {row.name}: {row.absent}")
    return row
