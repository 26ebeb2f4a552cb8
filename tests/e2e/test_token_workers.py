"""Four processes over one token: a minute of everything from eight clients, and a token that goes and comes back."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, hmac, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsmgate.cli.quickstart import quickstart
from hsmgate.client import P12, Attributes, Client, RequestFailed
from support.hsm_tokens import SOFTHSM, Place, softhsm
from support.service import Quick, Service

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
WORKERS, CLIENTS, SECONDS = 4, 8, 60.0
HEALS_WITHIN = 5.0
SIGNERS = {
    "p256": ("EC", "1.2.840.10045.3.1.7", None),
    "p384": ("EC", "1.3.132.0.34", None),
    "rsa": ("RSA", None, 2048),
    "ed": ("ED", None, None),
}
SIGNS = Attributes(sign=True, destroyable=True)
CIPHERS = Attributes(encrypt=True, decrypt=True, destroyable=True)
LEAVES = Attributes(extractable=True, destroyable=True, encrypt=True, decrypt=True)
WRAPS = Attributes(wrap=True, unwrap=True, destroyable=True)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    quickstart(tmp_path / "quickstart", datetime.now(UTC), "localhost")
    return softhsm(tmp_path / "token")


@pytest.fixture
def service(place: Place, tmp_path: Path) -> Iterator[Service]:
    token = {"HSM_PKCS11_MODULE": str(SOFTHSM), "HSM_PKCS11_TOKEN": place.label, "HSM_PKCS11_PIN": place.pin or ""}
    settings = {"HSM_BACKEND": "pkcs11", "SERVER_WORKERS": str(WORKERS), **token, **place.environment}
    with Quick(tmp_path / "quickstart").serve(**settings) as served:
        yield served


def connect(service: Service, folder: Path) -> Client:
    passphrase = (folder / "quickstart/client.p12.password").read_text().strip()
    identity = P12(folder / "quickstart/client.p12", passphrase)
    return Client(f"https://localhost:{service.port}", ca=folder / "quickstart/ca.crt", identity=identity, retries=0)


@dataclass(frozen=True)
class Keys:
    """What every client uses: public halves of the keys that sign, octets of those that came from outside."""

    public: Mapping[str, object]
    aes: bytes
    mac: bytes
    wrapping: bytes


def make_keys(client: Client) -> Keys:
    public = {}
    for label, (algorithm, oid, size) in SIGNERS.items():
        made = client.create(label, algorithm, attributes=SIGNS, curve_oid=oid, key_size=size)
        public[label] = load_der_public_key(made.json.public_key or b"")
    keys = Keys(public, os.urandom(32), os.urandom(32), os.urandom(32))
    client.import_key("aes", "AES", attributes=CIPHERS, secret_key=keys.aes)
    client.import_key("mac", "HMACSHA256", attributes=SIGNS, secret_key=keys.mac)
    client.import_key("wrapping", "AES", attributes=WRAPS, secret_key=keys.wrapping)
    return keys


class Customer(threading.Thread):
    """Does everything in any order; each answer is judged by another library. What is wrong is kept."""

    def __init__(self, service: Service, folder: Path, keys: Keys, seed: int, stop: threading.Event) -> None:
        super().__init__(name=f"customer-{seed}")
        self._service, self._folder, self._keys, self._stop_asked = service, folder, keys, stop
        self._chance = random.Random(seed)
        self._serial = 0
        self.wrong: list[str] = []
        self.unavailable = 0
        self.done: Counter[str] = Counter()
        self.last_good = 0.0

    def run(self) -> None:
        operations = [self._sign] * 8 + [self._encrypt, self._decrypt, self._mac, self._wrap] * 2
        operations += [self._unwrap, self._make, self._list]
        while not self._stop_asked.is_set():
            # a connection stays with one worker: each client meets several
            with connect(self._service, self._folder) as client:
                for _ in range(20):
                    self._turn(client, self._chance.choice(operations))
                    if self._stop_asked.is_set():
                        return

    def _turn(self, client: Client, operation: Callable[[Client], None]) -> None:
        name = operation.__name__.strip("_")
        try:
            operation(client)
        except RequestFailed as failure:
            if failure.status == 503:
                self.unavailable += 1
                time.sleep(0.05)
            else:
                self.wrong.append(f"{name}: {failure!r}")
        except Exception as error:
            self.wrong.append(f"{name}: {error!r}")
        else:
            self.done[name] += 1
            self.last_good = time.monotonic()

    def _sign(self, client: Client) -> None:
        label = self._chance.choice(list(SIGNERS))
        payload = os.urandom(self._chance.randrange(1, 2000))
        public = self._keys.public[label]
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(
                client.sign(label, payload, "SHA256_WITH_ECDSA").signature, payload, ec.ECDSA(hashes.SHA256())
            )
        elif isinstance(public, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            signature = client.sign(label, payload, "SHA256_WITH_RSA_PSS").signature
            public.verify(signature, payload, pss, hashes.SHA256())
        else:
            assert isinstance(public, ed25519.Ed25519PublicKey)
            public.verify(client.sign(label, payload, "EDDSA").signature, payload)

    def _encrypt(self, client: Client) -> None:
        payload, aad = os.urandom(200), os.urandom(8)
        made = client.encrypt("aes", payload, "AES_GCM", aad=aad)
        assert AESGCM(self._keys.aes).decrypt(made.initialization_vector or b"", made.encrypted_payload, aad) == payload

    def _decrypt(self, client: Client) -> None:
        payload, iv = os.urandom(200), os.urandom(12)
        encrypted = AESGCM(self._keys.aes).encrypt(iv, payload, b"more")
        assert client.decrypt("aes", encrypted, "AES_GCM", iv=iv, aad=b"more").payload == payload

    def _mac(self, client: Client) -> None:
        payload = os.urandom(100)
        judge = hmac.HMAC(self._keys.mac, hashes.SHA256())
        judge.update(payload)
        judge.verify(client.hmac("mac", payload).keyed_hash)

    def _wrap(self, client: Client) -> None:
        """An imported key leaves wrapped, as itself."""
        octets, label = os.urandom(32), self._label()
        client.import_key(label, "AES", attributes=LEAVES, secret_key=octets)
        wrapped = client.wrap(label, "wrapping", "AES_WRAP").wrapped_key
        assert keywrap.aes_key_unwrap(self._keys.wrapping, wrapped) == octets
        assert client.export(label).secret_key == octets
        client.delete(label)

    def _unwrap(self, client: Client) -> None:
        octets, label = os.urandom(16), self._label()
        wrapped = keywrap.aes_key_wrap(self._keys.wrapping, octets)
        client.unwrap(label, wrapped, "wrapping", "AES_WRAP", attributes=CIPHERS)
        made = client.encrypt(label, b"payload", "AES_GCM")
        assert AESGCM(octets).decrypt(made.initialization_vector or b"", made.encrypted_payload, None) == b"payload"
        client.delete(label)

    def _make(self, client: Client) -> None:
        label = self._label()
        made = client.create(label, "EC", attributes=SIGNS, curve_oid="1.2.840.10045.3.1.7")
        public = load_der_public_key(made.json.public_key or b"")
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(client.sign(label, b"m", "SHA256_WITH_ECDSA").signature, b"m", ec.ECDSA(hashes.SHA256()))
        client.delete(label)

    def _list(self, client: Client) -> None:
        assert {*SIGNERS, "aes", "mac", "wrapping"} <= set(client.keys())
        assert len(client.random(16).random) == 16

    def _label(self) -> str:
        self._serial += 1
        return f"{self.name}-{self._serial}"


class Traffic:
    """All customers together."""

    def __init__(self, service: Service, folder: Path) -> None:
        with connect(service, folder) as client:
            keys = make_keys(client)
        self._stop = threading.Event()
        self.customers = [Customer(service, folder, keys, seed, self._stop) for seed in range(CLIENTS)]
        for customer in self.customers:
            customer.start()

    def stop(self) -> None:
        self._stop.set()
        for customer in self.customers:
            customer.join(60)
            assert not customer.is_alive()

    @property
    def wrong(self) -> list[str]:
        return [line for customer in self.customers for line in customer.wrong]

    @property
    def done(self) -> Counter[str]:
        return sum((customer.done for customer in self.customers), Counter[str]())


def workers(service: Service) -> list[int]:
    below = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text()
    return [int(pid) for pid in below.split()]


def test_a_minute_of_everything(service: Service, tmp_path: Path) -> None:
    before = workers(service)
    assert len(before) == WORKERS
    traffic = Traffic(service, tmp_path)
    time.sleep(SECONDS)
    traffic.stop()
    assert traffic.wrong == [], traffic.done
    assert sum(customer.unavailable for customer in traffic.customers) == 0
    assert min(traffic.done.values()) > 10
    assert len(traffic.done) == 8
    assert workers(service) == before
    assert service.stop() == 0
    assert "Traceback" not in service.text()
    assert "token.lost" not in service.text()


def test_a_token_that_goes_and_comes_back(service: Service, place: Place, tmp_path: Path) -> None:
    before = workers(service)
    tokens = Path(place.environment["SOFTHSM2_CONF"]).with_name("tokens")
    traffic = Traffic(service, tmp_path)
    took = []
    try:
        for _ in range(3):
            time.sleep(4.0)
            tokens.rename(tokens.with_name("away"))
            time.sleep(4.0)
            tokens.with_name("away").rename(tokens)
            back = time.monotonic()
            while not all(customer.last_good > back for customer in traffic.customers):
                assert time.monotonic() - back < 60
                time.sleep(0.01)
            took.append(time.monotonic() - back)
    finally:
        traffic.stop()
    assert sum(customer.unavailable for customer in traffic.customers) > 0
    assert traffic.wrong == [], traffic.done
    assert max(took) < HEALS_WITHIN
    assert workers(service) == before
    assert service.stop() == 0
    assert "Traceback" not in service.text()
