"""What use cases need from the world, declared by the consumer. All calls block: they run in worker threads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from hsmgate.domain.cipher import Encrypted
from hsmgate.domain.key import Key, KeySpec
from hsmgate.domain.material import Material
from hsmgate.domain.policy import Policy
from hsmgate.domain.request import Details, Request
from hsmgate.record import Record


class Capabilities(Record):
    """What a keystore can do, in names of the algorithm tables."""

    key_algorithms: frozenset[str]
    curves: frozenset[str]  # OIDs
    signature_algorithms: frozenset[str]
    ciphers: frozenset[str] = frozenset()
    wrap_methods: frozenset[str] = frozenset()
    macs: frozenset[str] = frozenset()  # names of key algorithms
    imports: frozenset[str] = frozenset()  # names of key algorithms
    exports: frozenset[str] = frozenset()  # the same
    changes: frozenset[Literal["password", "policy"]] = frozenset()  # of keys that exist

    @property
    def names(self) -> frozenset[str]:
        """Everything, as the pages want it: ciphers have the names of key types, so they are told apart."""
        return (
            self.key_algorithms
            | self.curves
            | self.signature_algorithms
            | frozenset(f"cipher {name}" for name in self.ciphers)
            | frozenset(f"wrap {name}" for name in self.wrap_methods)
            | frozenset(f"mac {name}" for name in self.macs)
            | frozenset(f"import {name}" for name in self.imports)
            | frozenset(f"export {name}" for name in self.exports)
        )


class Locked(Record):
    """A key and the password that opens it."""

    key: Key
    password: str | None = None


class Statistics(Record):
    """How many keys of clients there are. Sizes in bytes; None: nothing bounds them, or nobody counts."""

    private_keys: int
    secret_keys: int
    used_bytes: int
    most_bytes: int | None = None
    remaining_keys: int | None = None


class Keystore(Protocol):
    """Holds and uses keys. Software and PKCS#11 stand behind it; one contract suite runs over all.

    Every method may raise Failure(CONNECTIVITY) when store or token is away.
    """

    def capabilities(self) -> Capabilities: ...

    def create(self, spec: KeySpec, password: str | None) -> Key:
        """Make the key and store it durably. Failure: KEY_EXISTS, NOT_IMPLEMENTED (a listed type it lacks)."""
        ...

    def find(self, label: str) -> Key:
        """The key by its label. Failure: KEY_NOT_FOUND, INTEGRITY (its seal does not hold)."""
        ...

    def labels(self) -> list[str]:
        """Labels of all keys of clients, sorted; the service's own keys are not among them."""
        ...

    def unlock(self, key: Key, password: str | None) -> None:
        """Check the key password. Failure: KEY_PASSWORD_MISMATCH, for a wrong and an absent one alike."""
        ...

    def sign(self, key: Key, password: str | None, algorithm: str, payload: bytes, extra: "SignExtra") -> bytes:
        """Sign; ECDSA comes as DER, RSA and EdDSA as their octets. Policy and attributes are checked by the caller.

        Failure: KEY_PASSWORD_MISMATCH, ALGORITHM_NOT_FOR_KEY, INVALID_PAYLOAD, KEYSTORE.
        """
        ...

    def encrypt(self, key: Key, password: str | None, cipher: str, payload: bytes, extra: "CipherExtra") -> Encrypted:
        """Encrypt, with a fresh random IV where the cipher has one. The caller has checked attributes, policy, lengths.

        Failure: KEY_PASSWORD_MISMATCH, ALGORITHM_NOT_FOR_KEY, NOT_IMPLEMENTED (a listed cipher that it lacks),
        INVALID_PAYLOAD (a number that is not below the modulus), KEYSTORE.
        """
        ...

    def decrypt(self, key: Key, password: str | None, cipher: str, payload: bytes, extra: "CipherExtra") -> bytes:
        """Decrypt a ciphertext, its tag behind it. Nothing of a payload whose tag is wrong is given out.

        Failure: as encrypt(); DECRYPT_FAILED, the same for whatever is wrong with the ciphertext, in the same time.
        """
        ...

    def mac(self, key: Key, password: str | None, payload: bytes) -> bytes:
        """The HMAC, by the hash that the type of the key names.

        Failure: KEY_PASSWORD_MISMATCH, INVALID_KEY_TYPE, NOT_IMPLEMENTED, KEYSTORE.
        """
        ...

    def bring_in(self, spec: KeySpec, material: Material, password: str | None) -> Key:
        """Store a key that was made elsewhere. A public key takes the place of a lone public key of the same label.

        Failure: KEY_EXISTS, NOT_IMPLEMENTED (a type that it does not import).
        """
        ...

    def take_out(self, key: Key, password: str | None) -> Material:
        """The key itself. The caller has checked that it may leave. Failure: KEY_PASSWORD_MISMATCH, NOT_IMPLEMENTED."""
        ...

    def wrap(self, key: Locked, wrapping: Locked, method: str) -> bytes:
        """One key under another. The caller has checked attributes, policies, and the types of both.

        Failure: KEY_PASSWORD_MISMATCH, ALGORITHM_NOT_FOR_KEY (lengths), NOT_IMPLEMENTED, KEYSTORE.
        """
        ...

    def unwrap(self, wrapping: Locked, method: str, wrapped: bytes, spec: KeySpec, password: str | None) -> Key:
        """Unwrap a key of `spec`'s type, whose curve and size are found out, and store it with this password.

        Failure: KEY_PASSWORD_MISMATCH, UNWRAP_FAILED (whatever is wrong with it), KEY_EXISTS, NOT_IMPLEMENTED.
        """
        ...

    def change_password(self, key: Key, password: str | None, new: str | None) -> None:
        """Put a new password, or none, in the place of the old one. Failure: KEY_PASSWORD_MISMATCH, NOT_IMPLEMENTED."""
        ...

    def change_policy(self, key: Key, password: str | None, policy: Policy) -> Key:
        """Put a policy in the place of the old one. Failure: KEY_PASSWORD_MISMATCH, NOT_IMPLEMENTED."""
        ...

    def delete(self, key: Key, password: str | None) -> None:
        """Destroy the key. Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH."""
        ...

    def attest(self, document: bytes) -> tuple[str, bytes]:
        """Sign with the service's own attestation key (made on first need): (its name, PKCS#1 v1.5 SHA-256)."""
        ...

    def attestation_key_name(self) -> str:
        """The name that attest() gives; nothing is made or used for it."""
        ...

    def attestation_public_key(self) -> bytes:
        """SubjectPublicKeyInfo DER of the attestation key."""
        ...

    def random(self, length: int) -> bytes:
        """Draw so many octets of the keystore's own random generator. The length is bounded by the caller."""
        ...

    def statistics(self) -> Statistics:
        """Count the keys of clients; the service's own keys are not among them."""
        ...

    def ping(self) -> None:
        """Return when the store answers. Failure: CONNECTIVITY."""
        ...


class SignExtra(Record):
    """Inputs of single algorithms: BIP-340 auxiliary randomness and BIP-341 tweak."""

    auxiliary_random_data: bytes | None = None
    taproot_tweak: bytes | None = None
    merkle_root: bytes | None = None


class CipherExtra(Record):
    """Inputs of single ciphers: the IV of a decryption, what is authenticated only, the length of the tag in bits."""

    iv: bytes | None = None
    aad: bytes = b""
    tag_bits: int = 0


class CipherRules(Record):
    """What operators may forbid. `shortest_tag` in bits; `rsa_legacy`: PKCS#1 v1.5 and no padding, where decrypting;
    `raw_rsa_of_signers`: no padding with keys that may sign, too.
    """

    shortest_tag: int = 96
    rsa_legacy: bool = True
    raw_rsa_of_signers: bool = True


class AuditEvent(Record):
    """One decision. An outcome answers an intent of the same request id; a decision that had none is an event.

    `detail` holds JSON-able values, never key material.
    """

    phase: Literal["intent", "outcome", "event"]
    action: str  # e.g. "POST /v1/synchronousSign", "trust.swap", "start"
    request_id: str = ""
    peer: str = ""  # fingerprint, empty for anonymous or for the service itself
    result: str = ""  # "ok" or the name of a Reason
    detail: dict[str, str | int | bool | None] = {}


class Audit(Protocol):
    """The hash-chained record of decisions."""

    def append(self, event: AuditEvent) -> None:
        """Write one line; when it returns the line survives the process. Failure: AUDIT_UNAVAILABLE."""
        ...

    def recent(self, most: int) -> bytes:
        """The last whole lines, newest last, of at most this many octets. Failure: AUDIT_UNAVAILABLE."""
        ...


class Requests(Protocol):
    """Requests that are answered later. What a method has done survives the process when it returns.

    Every method may raise Failure(CONNECTIVITY).
    """

    def begin(self, request: Request, details: Details, claimed_until: float) -> None:
        """Store a request that this process is about to execute, until that time (Unix seconds)."""
        ...

    def settle(self, request_id: str, status: str, result: str | None) -> bool:
        """Say what came of it; False where it is not open any more, or was claimed by another process."""
        ...

    def find(self, request_id: str) -> Request | None:
        """The request. Failure: INTEGRITY (its seal does not hold)."""
        ...

    def page(self, statuses: tuple[str, ...], *, newest_first: bool, offset: int, most: int) -> list[Request]:
        """Requests in one of these states, none named: in any. Failure: INTEGRITY."""
        ...

    def cancel(self, request_id: str) -> bool:
        """Close an open one as CANCELLED; False where it is not open."""
        ...

    def cancel_of(self, label: str) -> None:
        """The same for all of a key."""
        ...

    def remove(self, request_id: str) -> bool:
        """False where there is none."""
        ...

    def give_up(self, now: float, note: Callable[[str, str], None]) -> int:
        """Close those as FAILED whose process let its time run out; how many. `note` gets id and key label of each
        before it counts; what it raises comes through, and then none is closed.
        """
        ...

    def remove_older(self, before: float) -> int:
        """Remove some of the settled ones that were begun before this time; how many."""
        ...


class Certificates(Protocol):
    """The certificate that a key may have: DER, beside the key, and gone with it.

    Every method may raise Failure(CONNECTIVITY).
    """

    def put(self, key: Key, der: bytes) -> None:
        """Give the key a certificate in the place of any it has; it is durable then. Failure: KEY_NOT_FOUND."""
        ...

    def find(self, key: Key) -> bytes | None:
        """Its certificate. Failure: INTEGRITY (its seal does not hold)."""
        ...

    def remove(self, key: Key) -> bool:
        """False where it has none."""
        ...

    def count(self) -> int:
        """How many keys have one."""
        ...


@dataclass(frozen=True)
class Ports:
    """Everything that a use case may touch."""

    keystore: Keystore
    audit: Audit
    now: Callable[[], float]  # Unix seconds
    licence: tuple[str, ...]  # client flags of /v1/licenseInfo
    version: str  # what /v1/versionInfo says
    rules: CipherRules = field(default_factory=CipherRules)
    requests: Requests | None = None  # None: requests that are answered later are refused
    request_signers: frozenset[bytes] = frozenset()  # keys that may sign requests (SPKI); none: anybody's, or unsigned
    certificates: Certificates | None = None  # None: keys have none here
    results_once: bool = False  # a request is removed when its result is handed out
    waits_for_nobody: bool = (
        False  # to read, use a key and audit takes no token, server or disk that could make one wait
    )
