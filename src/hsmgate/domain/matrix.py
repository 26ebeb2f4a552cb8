"""Tells the algorithm tables as a page of the reference: docs/reference/algorithms.md is exactly this text."""

from collections.abc import Iterable, Iterator, Mapping

from hsmgate.domain.algorithm import KEY_ALGORITHMS, KeyAlgorithm
from hsmgate.domain.cipher import CIPHERS, Cipher
from hsmgate.domain.curve import CURVES, ED25519_OID
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS, SignatureAlgorithm
from hsmgate.domain.wrapping import WRAP_METHODS

# name of a backend -> its key algorithms, curve OIDs, signature algorithms, "cipher NAME" and "wrap NAME"
Backends = Mapping[str, frozenset[str]]

_HEAD = """\
# Algorithms

Every key type, curve, signature algorithm, cipher and wrap method that the wire contract names, and which keystore has
it. This page is made from the tables of the program (`hsmgate/domain/`), and a test holds it to them. What is listed
and not offered answers HTTP 501 with errorCode 101 (ML-KEM as a wrap method: 400 with 600); a name that is not listed
answers 400 with errorCode 600.
"""
_KEYS = """\
"For" is what the contract uses the type for. Keys are not derived in this version. The size of an HMAC key need not be
named; imported ones have 14 to 512 bytes. TDEA keys have three parts, 24 bytes, no two neighbours of which are alike.
"""
_SIGNATURES = """\
Payload `message`: the keystore hashes it. `digest`: the caller has hashed it; a wrong length answers errorCode 612.

- PSS: MGF1 with the same hash, salt as long as the hash. `NONE_WITH_RSA_PSS` takes the hash from the payload's length.
- ECDSA uses the leftmost bits of a digest that is longer than the order of the curve. Any hash goes with any curve.
- On secp256k1, and only there, signatures come with low s. Verifying takes both.
- DSA is for verifiers that know nothing else: use EC. Of a digest longer than the subgroup's order the leftmost bits
  count.
- Keccak is the original one (padding 0x01), as Ethereum uses it, and not SHA-3.
- `NONE_WITH_EC_SCHNORR_BIP0340` signs as BIP-340 says; without `auxiliaryRandomData` (32 bytes) fresh randomness is
  used. With `merkleRootData` (32 bytes, or empty where there are no scripts) the key is tweaked as BIP-341 says, and
  the signature verifies under the output key, not under the key itself. `taprootTweakData` answers errorCode 101.
"""
_FORMS = """\
## Forms

| signatureType | Form | For |
|---|---|---|
| `DER` (default) | SEQUENCE of r and s | ECDSA and DSA; all others are the same in DER and RAW |
| `RAW` | r and s, each as long as the group's order | ECDSA and DSA; all others are the same in DER and RAW |
| `ETH` | r, s and v (27 or 28), 65 bytes, low s | `KECCAK256_WITH_ECDSA` on secp256k1; else errorCode 600 |

Verifying is not told the form. Every form that the octets allow is tried, and one that verifies is enough; DER is read
strictly. In ETH v may be 0 or 1 too, s must be low, and the key that is recovered must be the key.
"""
_CIPHERS = """\
IVs are made at random by the keystore, one for each encryption, and stand in the answer. `CBC` and `ECB` without
padding take whole blocks only. An IV given where there is none, or of another length, answers errorCode 600.

- **Only `AES_GCM` and `CHACHA20_AEAD` authenticate.** A ciphertext of the others can be changed without anybody
  noticing, and `ECB` shows which blocks are equal. `additionalAuthenticationData` with any of the others is refused
  (errorCode 600).
- `encryptedPayload` is the ciphertext followed by the tag, and so is what is decrypted. `tagLength` of `AES_GCM` is
  96, 104, 112, 120 or 128 bits (64 too where `hsmgate.ciphers.shortest-tag` says so). Absent, and 0 on encryption, mean
  128; 0 on decryption is refused (errorCode 624), for it might be meant as "no check". `CHACHA20_AEAD` has 128 and no
  other. The other ciphers ignore it.
- A key should encrypt at most 2^32 payloads with `AES_GCM` or `CHACHA20_AEAD`: random IVs of 96 bits may repeat then.
- `CHACHA20` counts its blocks from 0.
- OAEP uses its hash for MGF1 too, and an empty label; `RSA_PADDING_OAEP` is the one with SHA-1.
- `RSA` and `RSA_PADDING_PKCS` are the same. **Whoever can tell failures of PKCS#1 v1.5 from successes can decrypt with
  the key** (Bleichenbacher), so all failures are one error, in one time; that one remains. Use OAEP, and
  `hsmgate.ciphers.rsa-legacy: refuse`.
- `RSA_NO_PADDING` is the bare operation. A shorter payload is the same number; what is decrypted is always as long as
  the modulus. With a key that may sign too, **whoever may decrypt can make its signatures**: each use is a warning in
  the log, and `hsmgate.ciphers.raw-rsa-of-signing-keys: refuse` forbids it.
"""
_WRAPPING = """\
A wrapped private key is its PKCS#8. Where RFC 3394 needs whole blocks of 8 bytes, zeros fill the last one; what others
have filled as PKCS#7 does is understood too. OAEP wraps with SHA-1 and an empty label, and unwraps with SHA-1 or
SHA-256. A secret key that is unwrapped is an AES key, unless `algorithm`, a member that the contract does not have,
names another type.
"""


def page(backends: Backends) -> str:
    """The page, as Markdown."""
    return "\n".join(
        [
            _HEAD,
            "## Key types\n",
            _KEYS,
            *_table(("algorithm", "algorithmOid", "keySize", "For"), _key_algorithms(), backends),
            "\n## Curves\n",
            *_table(("Name", "curveOid"), _curves(), backends),
            "\n`ED` keys are on Ed25519 and need no curveOid. Curves given by their parameters are not offered.",
            "\n## Signature algorithms\n",
            _SIGNATURES,
            *_table(("signatureAlgorithm", "Key", "Payload", "Scheme"), _signature_algorithms(), backends),
            "",
            _FORMS.rstrip("\n"),
            "\n## Ciphers\n",
            _CIPHERS,
            *_table(("cipherAlgorithm", "Key", "IV", "Payload", "How"), _ciphers(), backends),
            "\n## Wrap methods\n",
            _WRAPPING,
            *_table(("wrapMethod", "Wrapping key", "Wrapped key", "How"), _wrap_methods(), backends),
            "",
        ]
    )


_Row = tuple[str, str, tuple[str, ...]]  # the name in a backend's set, why it is absent, the cells


def _table(columns: tuple[str, ...], rows: Iterable[_Row], backends: Backends) -> Iterator[str]:
    yield f"| {' | '.join((*columns, *backends))} |"
    yield "|" + "---|" * (len(columns) + len(backends))
    for name, absent, cells in rows:
        offers = ("yes" if name in offered else absent or "no" for offered in backends.values())
        yield f"| {' | '.join((*cells, *offers))} |"


def _key_algorithms() -> Iterator[_Row]:
    for row in KEY_ALGORITHMS:
        yield row.name, row.absent, (f"`{row.name}`", row.oid or "-", _sizes(row), ", ".join(row.operations) or "-")


def _curves() -> Iterator[_Row]:
    for row in CURVES:
        yield row.oid, row.absent, (row.name, " or ".join((row.oid, *row.other_oids)))
    yield ED25519_OID, "", ("Ed25519", ED25519_OID)


def _signature_algorithms() -> Iterator[_Row]:
    for row in SIGNATURE_ALGORITHMS:
        yield row.name, row.absent, (f"`{row.name}`", row.key, _payload(row), _scheme(row))


def _ciphers() -> Iterator[_Row]:
    for row in CIPHERS:
        yield f"cipher {row.name}", "", (f"`{row.name}`", row.key, f"{row.iv} bytes" if row.iv else "-", *_cipher(row))


def _wrap_methods() -> Iterator[_Row]:
    names = {
        "": "-",
        "KW": "RFC 3394",
        "KWP": "RFC 5649",
        "PKCS1": "PKCS#1 v1.5",
        "OAEP": "OAEP with SHA1",
    }
    for row in WRAP_METHODS:
        wrapped = "-" if row.absent else row.wraps or "secret"
        yield f"wrap {row.name}", row.absent, (f"`{row.name}`", row.key, wrapped, names[row.scheme])


def _cipher(row: Cipher) -> tuple[str, str]:
    """What a payload may be, and the cipher in the words of the standards."""
    if row.is_rsa:
        names = {"OAEP": f"OAEP with {row.digest}", "PKCS1": "PKCS#1 v1.5", "RAW": "the bare operation"}
        taken = {"OAEP": "modulus less two hashes and 2", "PKCS1": "modulus less 11", "RAW": "modulus"}
        return f"at most {taken[row.mode]}", names[row.mode]
    if row.has_tag:
        return "any length", f"{'GCM' if row.mode == 'GCM' else 'ChaCha20-Poly1305'}, with tag"
    if row.block and not row.padded:
        return f"whole blocks of {row.block} bytes", row.mode
    return "any length", "CBC, PKCS#7 padding" if row.padded else "ChaCha20" if row.mode == "CHACHA20" else row.mode


def _sizes(row: KeyAlgorithm) -> str:
    return ", ".join(map(str, row.sizes)) or "-"


def _payload(row: SignatureAlgorithm) -> str:
    if row.absent:
        return "-"
    if row.scheme == "RAW-PKCS1":
        return "1 byte up to the modulus less 11"
    if row.lengths:
        return f"digest, {', '.join(map(str, row.lengths))} bytes"
    return "digest, any length" if row.prehashed else "message"


def _scheme(row: SignatureAlgorithm) -> str:
    names = {
        "": "-",
        "PKCS1": "PKCS#1 v1.5",
        "RAW-PKCS1": "PKCS#1 v1.5 without DigestInfo",
        "PSS": "PSS",
        "ECDSA": "ECDSA",
        "SCHNORR": "BIP-340 on secp256k1",
        "EDDSA": "Ed25519 (pure)",
        "DSA": "DSA",
    }
    hashing = f" with {row.digest}" if row.digest else ""
    twice = ", applied twice" if row.rounds > 1 else ""
    nonce = ", nonce by RFC 6979" if row.deterministic else ""
    return f"{names[row.scheme]}{hashing}{twice}{nonce}"
