"""Every signature algorithm of the contract against an implementation that shares nothing with ours."""

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsmgate.adapters import key_material, sql
from hsmgate.adapters.sealing_key import SealingKey
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.domain.algorithm import KEY_ALGORITHMS
from hsmgate.domain.curve import CURVES, SECP256K1_OID
from hsmgate.domain.digest import DIGESTS
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.domain.public_key import ec_key, secp256k1_point
from hsmgate.domain.signature import express
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS, signature_algorithm
from hsmgate.domain.verification import verify
from hsmgate.usecases.ports import SignExtra
from support import bip340
from support.affine import Affine
from support.keccak import keccak
from support.keystore_contract import KINDS, NO_EXTRA, spec_of

MESSAGE = b"what is signed \xff\x00\n" * 9
CONTRACT = Path(__file__).parent / "signature_algorithms.txt"
LISTED: dict[str, str] = {
    line.split()[1]: line.split()[0] for line in CONTRACT.read_text().splitlines() if not line.startswith("#")
}


class Proof(NamedTuple):
    """How openssl is asked: `dgst` over the message, or `pkeyutl` over what `payload` makes of it."""

    command: str
    options: tuple[str, ...] = ()
    payload: Callable[[bytes], bytes] = bytes  # what the keystore is given
    hashed: Callable[[bytes], bytes] = bytes  # what openssl is given


def openssl_digest(name: str) -> Callable[[bytes], bytes]:
    return lambda data: run("dgst", f"-{name}", "-binary", data=data)


def double_sha256(data: bytes) -> bytes:
    return openssl_digest("sha256")(openssl_digest("sha256")(data))


def dgst(name: str, *options: str) -> Proof:
    return Proof("dgst", (f"-{name}", *(part for option in options for part in ("-sigopt", option))))


def prehashed(name: str, *options: str, openssl_is_told: bool = True) -> Proof:
    told = (f"digest:{name}",) if openssl_is_told else ()
    digest = openssl_digest(name)
    return Proof("pkeyutl", _pkeyopts(*told, *options), payload=digest, hashed=digest)


def keccak_of(bits: int) -> Callable[[bytes], bytes]:
    return lambda data: keccak(data, bits)


def hashed_by(digest: Callable[[bytes], bytes]) -> Proof:
    return Proof("pkeyutl", hashed=digest)


def _pkeyopts(*options: str) -> tuple[str, ...]:
    return tuple(part for option in options for part in ("-pkeyopt", option))


PSS = ("rsa_padding_mode:pss", "rsa_pss_saltlen:digest")
SHA = ("sha1", "sha224", "sha256", "sha384", "sha512")

PROOFS: dict[str, Proof] = {
    **{f"{sha.upper()}_WITH_RSA": dgst(sha) for sha in SHA},
    **{f"{sha.upper()}_WITH_RSA_PSS": dgst(sha, *PSS, f"rsa_mgf1_md:{sha}") for sha in SHA},
    "NONE_WITH_RSA": prehashed("sha256", "rsa_padding_mode:pkcs1", openssl_is_told=False),
    "NONE_WITH_RSA_PSS": prehashed("sha256", *PSS),
    **{f"NONE{sha.upper()}_WITH_RSA": prehashed(sha, "rsa_padding_mode:pkcs1") for sha in SHA},
    **{f"NONE{sha.upper()}_WITH_RSA_PSS": prehashed(sha, *PSS) for sha in SHA if sha != "sha1"},
    "NONE_WITH_ECDSA": prehashed("sha256", openssl_is_told=False),
    **{f"{sha.upper()}_WITH_ECDSA": dgst(sha) for sha in SHA},
    "DOUBLE_SHA256_WITH_ECDSA": hashed_by(double_sha256),
    **{f"SHA3{bits}_WITH_ECDSA": dgst(f"sha3-{bits}") for bits in (224, 256, 384, 512)},
    "SHA256_WITH_ECDSA_DETERMINISTIC": dgst("sha256"),
    **{f"KECCAK{bits}_WITH_ECDSA": hashed_by(keccak_of(bits)) for bits in (224, 256, 384, 512)},
    "EDDSA": Proof("pkeyutl", ("-rawin",)),
    "NONE_WITH_DSA": prehashed("sha256", openssl_is_told=False),
    **{f"{sha.upper()}_WITH_DSA": dgst(sha) for sha in SHA},
}
ELSEWHERE = {"NONE_WITH_EC_SCHNORR_BIP0340": "the tests of BIP-340 below, with a verifier of their own"}


def run(*arguments: str, data: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftwareKeystore]:
    folder = tmp_path_factory.mktemp("proofs")
    keystore = SoftwareKeystore(sql.connect(None, None, None, folder), SealingKey(octets=bytes(range(32))), lambda: 0.0)
    yield keystore
    keystore.close()


@pytest.fixture(scope="module")
def keys(store: SoftwareKeystore) -> dict[str, Key]:
    return {kind: store.create(spec_of(kind, kind), None) for kind in KINDS}


def openssl_accepts(folder: Path, key: Key, proof: Proof, signature: bytes) -> bool:
    assert key.public_key
    (folder / "key.der").write_bytes(key.public_key)
    (folder / "signature").write_bytes(signature)
    given = folder / "given"
    given.write_bytes(proof.hashed(MESSAGE))
    public = str(folder / "key.der")
    if proof.command == "dgst":
        command = ["dgst", *proof.options, "-keyform", "DER", "-verify", public]
        command += ["-signature", str(folder / "signature"), str(given)]
    else:
        command = ["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", public, *proof.options]
        command += ["-in", str(given), "-sigfile", str(folder / "signature")]
    done = subprocess.run(["openssl", *command], capture_output=True, text=True, check=False, timeout=30)
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "fail" in said.lower(), said
    return done.returncode == 0


def openssl_signs(folder: Path, private: Path, proof: Proof) -> bytes:
    given = folder / "given"
    given.write_bytes(proof.hashed(MESSAGE))
    if proof.command == "dgst":
        return run("dgst", *proof.options, "-sign", str(private), str(given))
    return run("pkeyutl", "-sign", "-inkey", str(private), *proof.options, "-in", str(given))


def kinds_for(algorithm: str) -> list[str]:
    """Every curve for the algorithms that show how curves matter; two, one with low s, for the rest."""
    if signature_algorithm(algorithm).key == "EC":
        every = algorithm in {"NONE_WITH_ECDSA", "SHA512_WITH_ECDSA"}
        return [row.name for row in CURVES if not row.absent and (every or row.name in {"secp256r1", "secp256k1"})]
    return [{"RSA": "RSA-2048", "ED": "ED25519", "DSA": "DSA-1024"}[signature_algorithm(algorithm).key]]


def test_the_tables_have_the_values_of_the_contract_and_no_others() -> None:
    assert {row.name for row in SIGNATURE_ALGORITHMS} == set(LISTED)
    assert [list(LISTED.values()).count(kind) for kind in ("RSA", "EC", "ED", "DSA")] == [21, 17, 1, 6]


@pytest.mark.parametrize("algorithm", LISTED)
def test_every_value_is_either_proven_or_absent_with_its_reason(algorithm: str) -> None:
    row = next(row for row in SIGNATURE_ALGORITHMS if row.name == algorithm)
    proven = (algorithm in PROOFS) + (algorithm in ELSEWHERE)
    assert proven + bool(row.absent) == 1
    if LISTED[algorithm] in {"RSA", "EC", "ED", "DSA"}:
        assert row.key == LISTED[algorithm]
        assert not row.absent
        assert row.key in {known.name for known in KEY_ALGORITHMS if not known.absent}


@pytest.mark.parametrize("algorithm", PROOFS)
def test_openssl_verifies_what_we_sign(
    tmp_path: Path, store: SoftwareKeystore, keys: dict[str, Key], algorithm: str
) -> None:
    proof = PROOFS[algorithm]
    for kind in kinds_for(algorithm):
        payload = proof.payload(MESSAGE)
        signature = store.sign(keys[kind], None, algorithm, payload, NO_EXTRA)
        assert openssl_accepts(tmp_path, keys[kind], proof, signature), kind
        wrong = signature[:-1] + bytes([signature[-1] ^ 1])
        assert not openssl_accepts(tmp_path, keys[kind], proof, wrong), kind


@pytest.fixture(scope="module")
def made_by_openssl(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Key]]:
    folder = tmp_path_factory.mktemp("openssl")
    made = {}
    for kind, (algorithm, curve_oid, size) in KINDS.items():
        private = folder / f"{kind}.pem"
        options = {
            "RSA": _pkeyopts(f"rsa_keygen_bits:{size}"),
            "EC": _pkeyopts(f"ec_paramgen_curve:{_curve_name(kind)}"),
        }
        name = "ED25519" if algorithm == "ED" else algorithm
        if algorithm == "DSA":
            parameters = folder / f"{kind}.parameters"
            parameters.write_bytes(
                run("genpkey", "-genparam", "-algorithm", "DSA", *_pkeyopts(f"dsa_paramgen_bits:{size}"))
            )
            private.write_bytes(run("genpkey", "-paramfile", str(parameters)))
        else:
            private.write_bytes(run("genpkey", "-algorithm", name, *options.get(algorithm, ())))
        public = run("pkey", "-in", str(private), "-pubout", "-outform", "DER")
        key = Key("", kind, algorithm, KeyAttributes(), 0, curve_oid=curve_oid, key_size=size, public_key=public)
        made[kind] = (private, key)
    return made


def _curve_name(kind: str) -> str:
    return "prime256v1" if kind == "secp256r1" else kind


@pytest.mark.parametrize("algorithm", PROOFS)
def test_we_verify_what_openssl_signs(
    tmp_path: Path, made_by_openssl: dict[str, tuple[Path, Key]], algorithm: str
) -> None:
    proof = PROOFS[algorithm]
    for kind in kinds_for(algorithm):
        private, key = made_by_openssl[kind]
        verify(key, algorithm, proof.payload(MESSAGE), openssl_signs(tmp_path, private, proof))


@pytest.mark.parametrize(("length", "digest"), [(20, "sha1"), (28, "sha224"), (48, "sha384"), (64, "sha512")])
def test_the_length_of_the_payload_chooses_the_hash_of_none_with_rsa_pss(
    tmp_path: Path, store: SoftwareKeystore, keys: dict[str, Key], length: int, digest: str
) -> None:
    proof = prehashed(digest, *PSS)
    payload = proof.payload(MESSAGE)
    assert len(payload) == length
    signature = store.sign(keys["RSA-2048"], None, "NONE_WITH_RSA_PSS", payload, NO_EXTRA)
    assert openssl_accepts(tmp_path, keys["RSA-2048"], proof, signature)


@pytest.mark.parametrize("length", [1, 245])
def test_none_with_rsa_takes_any_payload_that_fits(
    tmp_path: Path, store: SoftwareKeystore, keys: dict[str, Key], length: int
) -> None:
    key, payload = keys["RSA-2048"], b"\xa5" * length
    assert key.public_key
    (tmp_path / "key.der").write_bytes(key.public_key)
    (tmp_path / "signature").write_bytes(store.sign(key, None, "NONE_WITH_RSA", payload, NO_EXTRA))
    recover = ["pkeyutl", "-verifyrecover", "-pubin", "-keyform", "DER", "-inkey", str(tmp_path / "key.der")]
    assert run(*recover, "-in", str(tmp_path / "signature")) == payload


@pytest.mark.parametrize("length", [1, 20, 31, 32, 33, 64, 65, 66, 67, 100])
@pytest.mark.parametrize(
    ("kind", "field", "a"), [("secp256k1", bip340.P, 0), ("secp521r1", 2**521 - 1, -3)], ids=["secp256k1", "secp521r1"]
)
def test_ecdsa_uses_the_leftmost_bits_of_a_digest_of_any_length(
    store: SoftwareKeystore, keys: dict[str, Key], kind: str, field: int, a: int, length: int
) -> None:
    payload = bytes(range(0x80, 0x80 + length))
    r, s = decode_dss_signature(store.sign(keys[kind], None, "NONE_WITH_ECDSA", payload, NO_EXTRA))
    order = next(row.order for row in CURVES if row.name == kind)
    z = int.from_bytes(payload, "big") >> max(0, 8 * length - order.bit_length())
    public = ec_key(keys[kind])
    point, one = public.public_numbers(), ec.derive_private_key(1, public.curve).public_key().public_numbers()
    curve, w = Affine(field, a), pow(s, -1, order)
    found = curve.add(
        curve.multiply((one.x, one.y), z * w % order), curve.multiply((point.x, point.y), r * w % order)
    )  # FIPS 186-5, 6.4.2
    assert found is not None
    assert found[0] % order == r


# Keccak


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
@pytest.mark.parametrize("length", [0, 1, 71, 72, 135, 136, 137, 144, 500])
def test_our_keccak_is_the_original_one(bits: int, length: int) -> None:
    data = bytes(index % 251 for index in range(length))
    assert keccak(data, bits, suffix=0x06) == hashlib.new(f"sha3_{bits}", data).digest()  # the judge is sound
    assert DIGESTS[f"KECCAK-{bits}"](data) == keccak(data, bits)
    assert DIGESTS[f"SHA3-{bits}"](data) == hashlib.new(f"sha3_{bits}", data).digest()


def test_keccak_256_of_nothing_is_the_known_value() -> None:
    known = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"  # "the empty hash" of Ethereum
    assert DIGESTS["KECCAK-256"](b"").hex() == known == keccak(b"", 256).hex()


# deterministic ECDSA: RFC 6979, A.2.5, curve P-256 with SHA-256

RFC_6979_KEY = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
RFC_6979 = {
    b"sample": (
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    b"test": (
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
}


def key_on(curve: ec.EllipticCurve, scalar: int) -> tuple[ec.EllipticCurvePrivateKey, Key]:
    private = ec.derive_private_key(scalar, curve)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    oid = KINDS[curve.name][1]
    return private, Key("", "k", "EC", KeyAttributes(), 0, curve_oid=oid, public_key=public)


@pytest.mark.parametrize("message", RFC_6979)
def test_deterministic_signatures_are_those_of_rfc_6979(message: bytes) -> None:
    private, key = key_on(ec.SECP256R1(), RFC_6979_KEY)
    row = signature_algorithm("SHA256_WITH_ECDSA_DETERMINISTIC")
    digest = hashlib.sha256(message).digest()
    assert key_material.sign(private, key, row, digest, NO_EXTRA) == encode_dss_signature(*RFC_6979[message])
    verify(key, row.name, message, encode_dss_signature(*RFC_6979[message]))


def test_only_the_deterministic_algorithm_repeats_itself(store: SoftwareKeystore, keys: dict[str, Key]) -> None:
    for algorithm, different in (("SHA256_WITH_ECDSA_DETERMINISTIC", 1), ("SHA256_WITH_ECDSA", 5)):
        made = {store.sign(keys["secp256r1"], None, algorithm, MESSAGE, NO_EXTRA) for _ in range(5)}
        assert len(made) == different


# BIP-340, from bip-0340/test-vectors.csv of github.com/bitcoin/bips: private key, auxiliary randomness, message, result

BIP_340 = [
    (
        "0000000000000000000000000000000000000000000000000000000000000003",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        (
            "E907831F80848D1069A5371B402410364BDF1C5F8307B0084C55F1CE2DCA8215"
            "25F66A4A85EA8B71E482A74F382D2CE5EBEEE8FDB2172F477DF4900D310536C0"
        ),
    ),
    (
        "B7E151628AED2A6ABF7158809CF4F3C762E7160F38B4DA56A784D9045190CFEF",
        "0000000000000000000000000000000000000000000000000000000000000001",
        "243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89",
        (
            "6896BD60EEAE296DB48A229FF71DFE071BDE413E6D43F917DC8DCF8C78DE3341"
            "8906D11AC976ABCCB20B091292BFF4EA897EFCB639EA871CFA95F6DE339E4B0A"
        ),
    ),
    (
        "C90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B14E5C9",
        "C87AA53824B4D7AE2EB035A2B5BBBCCC080E76CDC6D1692C4B0B62D798E6D906",
        "7E2D58D8B3BCDF1ABADEC7829054F90DDA9805AAB56C77333024B9D0A508B75C",
        (
            "5831AAEED7B44BB74E5EAB94BA9D4294C49BCF2A60728D8B4C200F50DD313C1B"
            "AB745879A5AD954A72C45A91C3A51D3C7ADEA98D82F8481E0E1E03674A6F3FB7"
        ),
    ),
]
SCHNORR = "NONE_WITH_EC_SCHNORR_BIP0340"


@pytest.mark.parametrize(("scalar", "auxiliary", "message", "known"), BIP_340)
def test_schnorr_signatures_are_those_of_bip_340(scalar: str, auxiliary: str, message: str, known: str) -> None:
    private, key = key_on(ec.SECP256K1(), int(scalar, 16))
    extra = SignExtra(auxiliary_random_data=bytes.fromhex(auxiliary))
    signature = key_material.sign(private, key, signature_algorithm(SCHNORR), bytes.fromhex(message), extra)
    assert signature == bytes.fromhex(known)
    assert bip340.verifies(secp256k1_point(key)[1:], bytes.fromhex(message), signature)
    verify(key, SCHNORR, bytes.fromhex(message), signature)


def test_schnorr_signatures_verify_by_the_specification(store: SoftwareKeystore, keys: dict[str, Key]) -> None:
    key = keys["secp256k1"]
    x_only = secp256k1_point(key)[1:]
    message = hashlib.sha256(MESSAGE).digest()
    made = {store.sign(key, None, SCHNORR, message, NO_EXTRA) for _ in range(3)}
    assert len(made) == 3  # auxiliary randomness is fresh when none is given
    for signature in made:
        assert bip340.verifies(x_only, message, signature)
        assert not bip340.verifies(x_only, message[::-1], signature)
        assert express(signature, "RAW", key, SCHNORR, message) == signature


# BIP-341, from bip-0341/wallet-test-vectors.json of the same place: private key, Merkle root, output key

BIP_341 = [
    (
        "6b973d88838f27366ed61c9ad6367663045cb456e28335c109e30717ae0c6baa",
        "",
        "53a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343",
    ),
    (
        "1e4da49f6aaf4e5cd175fe08a32bb5cb4863d963921255f33d3bc31e1343907f",
        "5b75adecf53548f3ec6ad7d78383bf84cc57b55a3127c72b9a2481752dd88b21",
        "147c9c57132f6e7ecddba9800bb0c4449251c92a1e60371ee77557b6620f3ea3",
    ),
]


@pytest.mark.parametrize(("scalar", "root", "output"), BIP_341)
def test_a_merkle_root_tweaks_the_key_as_bip_341_says(scalar: str, root: str, output: str) -> None:
    message = hashlib.sha256(MESSAGE).digest()
    extra = SignExtra(merkle_root=bytes.fromhex(root))
    order = next(row.order for row in CURVES if row.oid == SECP256K1_OID)
    for number in (int(scalar, 16), order - int(scalar, 16)):  # one of the two has an odd y
        private, key = key_on(ec.SECP256K1(), number)
        signature = key_material.sign(private, key, signature_algorithm(SCHNORR), message, extra)
        assert bip340.verifies(bytes.fromhex(output), message, signature)
        assert bip340.output_key(secp256k1_point(key)[1:], bytes.fromhex(root)).hex() == output


# ETH: recovery by point arithmetic of our own


def test_eth_signatures_recover_the_key_that_signed(store: SoftwareKeystore, keys: dict[str, Key]) -> None:
    key = keys["secp256k1"]
    digest = int.from_bytes(keccak(MESSAGE, 256), "big")
    seen = set()
    for _ in range(40):  # both values of v come, but for a chance of 2^-39
        der = store.sign(key, None, "KECCAK256_WITH_ECDSA", MESSAGE, NO_EXTRA)
        signature = express(der, "ETH", key, "KECCAK256_WITH_ECDSA", MESSAGE)
        r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
        assert len(signature) == 65
        assert s <= bip340.N // 2
        point = bip340.lift_x(r)  # even y
        assert point is not None
        if v == 28:
            point = (point[0], bip340.P - point[1])
        inverse = pow(r, -1, bip340.N)
        found = bip340.CURVE.add(
            bip340.CURVE.multiply(point, s * inverse % bip340.N),
            bip340.CURVE.multiply(bip340.G, -digest * inverse % bip340.N),
        )
        assert found is not None
        assert bytes([2 + found[1] % 2]) + found[0].to_bytes(32, "big") == secp256k1_point(key)
        seen.add(v)
        if seen == {27, 28}:
            return
    pytest.fail(f"v was always one of {seen}")
