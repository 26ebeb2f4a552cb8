"""Somebody who may call every endpoint, in any order, and wants the octets of a sensitive key.

What it sees, and what it can compute from that, it knows. It opens wrapped keys by hand: with octets that it knows, or
by asking the service to decrypt the single blocks of which a wrapping by AES is made (RFC 3394 section 2.2.2).
"""

import itertools
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from Crypto.Cipher import AES, PKCS1_OAEP, PKCS1_v1_5
from Crypto.PublicKey import RSA
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.domain.key import KeyAttributes
from hsmgate.errors import Failure
from hsmgate.usecases import bring_in, change_key, keys
from hsmgate.usecases.encrypt import Decrypt, decrypt
from hsmgate.usecases.keys import CreateKey
from hsmgate.usecases.ports import AuditEvent, Ports
from hsmgate.usecases.wrap import Unwrap, Wrap, unwrap, wrap

_NEWEST = 5  # keys that are wrapped with each other
_INTEGRITY = b"\xa6" * 8
_serial = itertools.count(1)
_MINE = RSA.generate(2048)  # the thief's own pair
_MY_OCTETS = _MINE.export_key("DER", pkcs=8)


class Blob(NamedTuple):
    """A wrapped key, and what wrapped it."""

    octets: bytes
    by: str
    method: str


class NoAudit:
    def append(self, event: AuditEvent) -> None:
        """Nobody reads it here."""

    def recent(self, most: int) -> bytes:
        """There is nothing."""
        del most
        return b""


def flags(extractable: bool, sensitive: bool, opens: bool, wraps: bool | None) -> KeyAttributes:
    """Flags as the application makes them of a wish."""
    return KeyAttributes(
        decrypt=opens,
        unwrap=True,
        wrap=wraps,
        extractable=extractable,
        sensitive=sensitive,
        destroyable=True,
        always_sensitive=sensitive,
        never_extractable=not extractable,
    )


GUARD = flags(False, True, False, True)
GUARDED = flags(True, True, True, None)  # what a guard is for

any_flags = st.builds(flags, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([True, None, False]))
# those that single requests ask for stand in front, so that long ways are walked often
every_flags = (
    st.sampled_from(
        [
            GUARD,
            GUARDED,
            flags(True, False, True, True),  # what the Go client makes
            flags(False, True, True, True),  # it wraps and decrypts
        ]
    )
    | any_flags
)


class Thief(RuleBasedStateMachine):
    """`store` is set by the test; labels are new in each run, so one store serves them all."""

    store: SoftwareKeystore
    with_rsa = False  # keys of RSA are made too, which takes its time

    labels = Bundle("labels")
    blobs = Bundle("blobs")

    @initialize(target=labels)
    def begin(self) -> object:
        """A service that is in use: it has a guard and a key that may leave wrapped by it."""
        self.ports = Ports(self.store, NoAudit(), lambda: 0.0, (), "")
        self.known: dict[bytes, str] = {}  # octets, and how they were learnt
        self.protected: dict[bytes, str] = {}  # octets of keys that were made sensitive, and their label
        self.alive: list[str] = []
        self.wrapped: list[Blob] = []
        self.tried: set[tuple[object, Blob]] = set()
        return multiple(*(self._create("AES", 128, wish) for wish in (GUARD, GUARDED)))

    # what may be asked

    @rule(target=labels, wish=every_flags)
    def create(self, wish: KeyAttributes) -> object:
        return self._create("AES", 128, wish)

    @precondition(lambda self: self.with_rsa)
    @rule(target=labels, wish=every_flags)
    def create_rsa(self, wish: KeyAttributes) -> object:
        return self._create("RSA", 2048, wish)

    @rule(target=labels, wish=every_flags)
    def import_known(self, wish: KeyAttributes) -> object:
        octets = next(_serial).to_bytes(16, "big")
        return self._import(bring_in.ImportKey(self._label(), "AES", wish, secret=octets), octets)

    @rule(target=labels)
    def import_a_public_key_of_mine(self) -> object:
        public = bytes(_MINE.public_key().export_key("DER"))
        return self._import(bring_in.ImportKey(self._label(), "RSA", public=public), _MY_OCTETS)

    @precondition(lambda self: self.with_rsa)
    @rule(target=labels, wish=every_flags)
    def import_a_private_key_of_mine(self, wish: KeyAttributes) -> object:
        return self._import(bring_in.ImportKey(self._label(), "RSA", wish, private=_MY_OCTETS), _MY_OCTETS)

    @rule(target=blobs, pad=st.booleans())
    def wrap_all(self, pad: bool) -> object:
        """Each key with each."""
        made = []
        for by, label in itertools.product(self.alive[-_NEWEST:], repeat=2):
            with_rsa = self.store.find(by).algorithm == "RSA"
            plain = ("RSA_WRAP_PAD" if pad else "RSA_WRAP_OAEP") if with_rsa else f"AES_WRAP{'_PAD' if pad else ''}"
            method = plain if with_rsa or self.store.find(label).algorithm == "AES" else f"{plain}_RSA"
            with suppress(Failure):
                made.append(Blob(wrap(self.ports, Wrap(label, by, method)), by, method))
        self.wrapped += made
        return multiple(*made)

    @rule(target=labels, blob=blobs, wish=every_flags, said=st.booleans())
    def unwrap(self, blob: Blob, wish: KeyAttributes, said: bool) -> object:
        label = self._label()
        try:
            unwrap(self.ports, Unwrap(blob.octets, blob.by, blob.method, label, wish, sensitive_said=said))
        except Failure:
            return multiple()
        return self._note(label)

    @rule(label=consumes(labels))
    def modify_and_delete(self, label: str) -> None:
        with suppress(Failure):
            change_key.modify(self.ports, change_key.ModifyKey(label, None, {"rule_use": None}))
        with suppress(Failure):
            change_key.change_password(self.ports, label, None, None)
        keys.delete(self.ports, label, None)
        self.alive.remove(label)

    # what it learns, and what must never come of it

    @invariant()
    def nothing_sensitive_is_known(self) -> None:
        if not hasattr(self, "known"):
            return
        count = -1
        while count != len(self.known):  # what was learnt may open more
            count = len(self.known)
            self._open_what_it_can()
        for octets, how in self.known.items():
            assert octets not in self.protected, f"{self.protected[octets]}: {how}"

    def _open_what_it_can(self) -> None:
        for blob in self.wrapped:
            for octets in [one for one in self.known if self._is_new(one, blob)]:
                self._learn(opened(octets, blob), f"{blob.method} by {blob.by}, whose octets were known")
            for label in [one for one in self.alive if self._is_new(one, blob)]:
                with suppress(Failure):
                    self._learn(self._asked(blob, label), f"decryptions of {blob.method} with {label}")

    def _is_new(self, with_what: object, blob: Blob) -> bool:
        known = (with_what, blob) in self.tried
        self.tried.add((with_what, blob))
        return not known

    def _create(self, algorithm: str, size: int, wish: KeyAttributes) -> str:
        label = self._label()
        keys.create(self.ports, CreateKey(label, wish, algorithm=algorithm, key_size=size))
        if wish.sensitive:
            material = self.store.take_out(self.store.find(label), None)  # the thief does not look here
            self.protected[material.secret or material.private or b""] = label
        return self._note(label)

    def _import(self, wish: bring_in.ImportKey, octets: bytes) -> str:
        bring_in.bring_in(self.ports, wish)
        self._learn(octets, "my own")
        return self._note(wish.label)

    def _note(self, label: str) -> str:
        """A key is there: it says the truth about where it comes from, and is exported if it may be."""
        key = self.store.find(label)
        assert key.origin == "generated" or not (key.attributes.always_sensitive or key.attributes.never_extractable)
        self.alive.append(label)
        with suppress(Failure):
            material = bring_in.take_out(self.ports, label, None).material
            self._learn(material.secret or material.private, f"export of {label}")
        return label

    def _learn(self, octets: bytes | None, how: str) -> None:
        if octets:
            self.known.setdefault(octets, how)

    def _label(self) -> str:
        return f"thief-{next(_serial)}"

    def _asked(self, blob: Blob, label: str) -> bytes | None:
        """What comes of the wrapped key if `label` decrypts what `blob.by` encrypted. Failure: it may not."""
        if blob.method.startswith("RSA"):
            cipher = "RSA" if blob.method == "RSA_WRAP_PAD" else "RSA_PADDING_OAEP"
            return decrypt(self.ports, Decrypt(label, cipher, blob.octets)).payload
        return unwrapped_by_blocks(
            blob.octets, lambda block: decrypt(self.ports, Decrypt(label, "AES_ECB", block)).payload
        )


def opened(octets: bytes, blob: Blob) -> bytes | None:
    """The wrapped key, opened without the service."""
    if blob.method.startswith("AES"):
        if len(octets) != 16:
            return None
        machine = AES.new(octets, AES.MODE_ECB)
        return unwrapped_by_blocks(blob.octets, lambda block: bytes(machine.decrypt(block)))
    if len(octets) < 100:
        return None
    try:
        private = _MINE if octets == _MY_OCTETS else RSA.import_key(octets)
        if blob.method == "RSA_WRAP_OAEP":
            return bytes(PKCS1_OAEP.new(private).decrypt(blob.octets))
        return PKCS1_v1_5.new(private).decrypt(blob.octets, None) or None
    except ValueError:
        return None


def unwrapped_by_blocks(wrapped: bytes, decrypt_block: Callable[[bytes], bytes]) -> bytes | None:
    """RFC 3394 section 2.2.2 and RFC 5649, from nothing but single blocks."""
    parts = [wrapped[at : at + 8] for at in range(0, len(wrapped), 8)]
    count, check, rest = len(parts) - 1, parts[0], parts[1:]
    if count > 8:  # a private key: thousands of blocks; that the check opens is enough to know
        return None
    for step in range(6 * count, 0, -1):
        at = (step - 1) % count
        mixed = bytes(a ^ b for a, b in zip(check, struct.pack(">Q", step), strict=True))
        block = decrypt_block(mixed + rest[at])
        check, rest[at] = block[:8], block[8:]
    octets = b"".join(rest)
    if check == _INTEGRITY:
        return octets
    if check[:4] == b"\xa6\x59\x59\xa6":
        return octets[: int.from_bytes(check[4:], "big")]
    return None
