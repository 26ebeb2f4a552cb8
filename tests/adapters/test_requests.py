"""The store of requests: claimed once, settled once, sealed, and honest about rows that were changed."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hsmgate.adapters.requests import SealedRequests
from hsmgate.adapters.resealing import reseal
from hsmgate.adapters.sealed_keys import TENANT
from hsmgate.adapters.sealing_key import SealingKey
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql import Database
from hsmgate.adapters.sql.requests import RequestRows
from hsmgate.domain.request import CANCELLED, EXECUTED, FAILED, PENDING, STATUSES, Details, Request
from hsmgate.errors import Failure, Reason
from support.database_servers import DatabasePlace

NOW = 1706007283.5
SEALING_KEY = SealingKey(os.urandom(32))


class Store:
    """A database and two processes over it."""

    def __init__(self, place: DatabasePlace) -> None:
        self.place = place
        self.database = place.connect()
        self.keystore = SoftwareKeystore(self.database, SEALING_KEY, lambda: NOW)
        self.one, self.two = self.process("one"), self.process("two")

    def process(self, node: str, tenant: str = TENANT) -> SealedRequests:
        return SealedRequests(RequestRows(self.database, tenant, node), self.keystore.own_secret)

    def octets(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.place.folder.glob("hsmgate.db*"))


@pytest.fixture
def store(place: DatabasePlace) -> Iterator[Store]:
    made = Store(place)
    yield made
    made.keystore.close()


def begun(store: SealedRequests, request_id: str, created: float = NOW, label: str = "orders") -> Request:
    request = Request(request_id, "sign", label, PENDING, created, created)
    store.begin(request, Details(b"meta of " + request_id.encode(), b"signature"), created + 10)
    return request


def given_up(process: SealedRequests, now: float) -> list[tuple[str, str]]:
    noted: list[tuple[str, str]] = []
    assert process.give_up(now, lambda request_id, label: noted.append((request_id, label))) == len(noted)
    return noted


def test_what_was_settled_is_found_again(store: Store) -> None:
    request = begun(store.one, "a")
    assert store.one.find("a") == request
    assert store.one.settle("a", EXECUTED, "c2lnbmVk")
    again = Store(store.place)
    found = again.one.find("a")
    assert found == Request("a", "sign", "orders", EXECUTED, NOW, NOW, "c2lnbmVk")
    assert again.one.details("a") == Details(b"meta of a", b"signature")
    again.keystore.close()
    assert store.one.find("b") is None
    assert store.one.details("b") is None


def test_it_is_settled_once_and_by_its_process_alone(store: Store) -> None:
    begun(store.one, "a")
    assert not store.two.settle("a", EXECUTED, "stolen")
    assert store.one.settle("a", EXECUTED, "first")
    assert not store.one.settle("a", EXECUTED, "second")
    assert not store.one.cancel("a")
    assert store.two.find("a") == store.one.find("a")
    found = store.one.find("a")
    assert found is not None
    assert found.result == "first"
    assert not store.one.settle("unknown", EXECUTED, "x")


def test_what_was_cancelled_gets_no_result(store: Store) -> None:
    begun(store.one, "a")
    assert store.two.cancel("a")
    assert not store.two.cancel("a")
    assert not store.one.settle("a", EXECUTED, "late")
    found = store.one.find("a")
    assert found is not None
    assert (found.status, found.result) == (CANCELLED, None)


def test_a_deleted_key_cancels_its_open_requests_alone(store: Store) -> None:
    for request_id, label in (("a", "orders"), ("b", "orders"), ("c", "other")):
        begun(store.one, request_id, label=label)
    store.one.settle("b", EXECUTED, "done")
    store.two.cancel_of("orders")
    assert [one.status for one in store.one.page((), newest_first=False, offset=0, most=9)] == [
        CANCELLED,
        EXECUTED,
        PENDING,
    ]


def test_requests_of_a_dead_process_are_given_up_once(store: Store) -> None:
    begun(store.one, "a", NOW)
    begun(store.one, "b", NOW + 5)
    assert given_up(store.two, NOW + 10) == []
    assert given_up(store.two, NOW + 10.5) == [("a", "orders")]
    assert given_up(store.one, NOW + 10.5) == []
    assert not store.one.settle("a", EXECUTED, "too late")
    found = store.one.find("a")
    assert found is not None
    assert found.status == FAILED
    assert store.one.settle("b", EXECUTED, "in time")
    assert given_up(store.two, NOW + 1000) == []


def test_none_is_given_up_without_a_note(store: Store) -> None:
    begun(store.one, "a")

    def fails(_request_id: str, _label: str) -> None:
        raise Failure(Reason.AUDIT_UNAVAILABLE)

    with pytest.raises(Failure) as caught:
        store.two.give_up(NOW + 60, fails)
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    found = store.one.find("a")
    assert found is not None
    assert found.status == PENDING
    assert given_up(store.two, NOW + 60) == [("a", "orders")]


def test_many_processes_give_up_each_request_once(store: Store) -> None:
    for number in range(20):
        begun(store.one, f"r{number}")
    processes = [store.process(f"node {number}") for number in range(4)]
    start = threading.Barrier(4)

    def give_up(process: SealedRequests) -> list[tuple[str, str]]:
        start.wait(20)
        return given_up(process, NOW + 60)

    with ThreadPoolExecutor(4) as pool:
        found = [one for some in pool.map(give_up, processes) for one in some]
    assert sorted(found) == sorted((f"r{number}", "orders") for number in range(20))


def test_pages_by_state_and_time(store: Store) -> None:
    for number in range(7):
        begun(store.one, f"r{number}", NOW + number % 3)
        if number % 2:
            store.one.settle(f"r{number}", FAILED, None)

    def ids(statuses: tuple[str, ...], offset: int = 0, most: int = 9, *, newest_first: bool = False) -> list[str]:
        found = store.one.page(statuses, newest_first=newest_first, offset=offset, most=most)
        return [one.id for one in found]

    assert ids(()) == ["r0", "r3", "r6", "r1", "r4", "r2", "r5"]
    assert ids((), newest_first=True) == ["r5", "r2", "r4", "r1", "r6", "r3", "r0"]
    assert ids((FAILED,)) == ["r3", "r1", "r5"]
    assert ids((PENDING, FAILED), offset=2, most=3) == ["r6", "r1", "r4"]
    assert ids(STATUSES, offset=7) == []
    assert ids((EXECUTED,)) == []


def test_old_ones_are_removed_but_for_open_ones(store: Store) -> None:
    for request_id, created in (("old", NOW - 100), ("open", NOW - 100), ("new", NOW)):
        begun(store.one, request_id, created)
    store.one.settle("old", EXECUTED, "x")
    store.one.settle("new", EXECUTED, "x")
    assert store.one.remove_older(NOW - 50) == 1
    assert store.one.remove_older(NOW - 50) == 0
    assert [one.id for one in store.one.page((), newest_first=False, offset=0, most=9)] == ["open", "new"]
    assert store.one.remove("new")
    assert not store.one.remove("new")


def test_tenants_do_not_see_each_other(store: Store) -> None:
    begun(store.one, "a")
    other = store.process("one", tenant="other")
    assert other.find("a") is None
    assert not other.cancel("a")
    assert not other.remove("a")
    assert not other.settle("a", EXECUTED, "x")
    assert given_up(other, NOW + 1000) == []
    assert other.page((), newest_first=False, offset=0, most=9) == []


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_reader_of_the_database_learns_no_result_and_no_metadata(store: Store) -> None:
    begun(store.one, "a")
    store.one.settle("a", EXECUTED, "the-payload-that-was-decrypted")
    assert b"orders" in store.octets()
    assert b"the-payload-that-was-decrypted" not in store.octets()
    assert b"meta of a" not in store.octets()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE request SET label = 'other' WHERE id = 'a'",
        "UPDATE request SET kind = 'decrypt' WHERE id = 'a'",
        "UPDATE request SET created = created + 1 WHERE id = 'a'",
        "UPDATE request SET result = (SELECT result FROM request WHERE id = 'b') WHERE id = 'a'",
        "UPDATE request SET result = details WHERE id = 'a'",
        "UPDATE request SET result = NULL WHERE id = 'a'",
        "UPDATE request SET result = x'01' WHERE id = 'a'",
        "UPDATE request SET result = 'text' WHERE id = 'a'",
        "UPDATE request SET result = substr(result, 1, length(result) - 1) WHERE id = 'a'",
        "UPDATE request SET created = 'then' WHERE id = 'a'",
        "UPDATE request SET label = 7 || x'ff' WHERE id = 'a'",
        "UPDATE request SET status = 'EXECUTED' WHERE id = 'c'",
    ],
)
def test_a_writer_of_the_database_forges_no_result(store: Store, statement: str) -> None:
    for request_id in ("a", "b", "c"):
        begun(store.one, request_id)
    store.one.settle("a", EXECUTED, "result of a")
    store.one.settle("b", EXECUTED, "result of b")
    store.place.execute(statement)
    with pytest.raises(Failure) as caught:
        store.one.page((), newest_first=False, offset=0, most=9)
    assert caught.value.reason is Reason.INTEGRITY


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_the_secret_is_one_and_stays_the_same(store: Store) -> None:
    begun(store.one, "a")
    first = store.keystore.own_secret()
    assert len(first) == 32
    assert Store(store.place).keystore.own_secret() == first
    assert store.keystore.labels() == []
    with pytest.raises(Failure):
        store.keystore.find("hsmgate/requests")
    assert first not in store.octets()


def test_many_first_users_agree_on_the_secret(store: Store) -> None:
    database: Database = store.database
    keystores = [SoftwareKeystore(database, SEALING_KEY, lambda: NOW) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        secrets = list(pool.map(lambda keystore: keystore.own_secret(), keystores))
    assert len(set(secrets)) == 1


def test_a_secret_that_was_changed_is_noticed(store: Store) -> None:
    store.keystore.own_secret()
    store.place.execute("UPDATE stored_key SET purpose = 'client' WHERE label = 'hsmgate/requests'")
    with pytest.raises(Failure) as caught:
        Store(store.place).keystore.own_secret()
    assert caught.value.reason is Reason.INTEGRITY


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("status", ["x'00'", "'NEW'", "7"])
def test_a_state_that_is_none(store: Store, status: str) -> None:
    begun(store.one, "a")
    store.place.execute(f"UPDATE request SET status = {status}")
    with pytest.raises(Failure) as caught:
        store.one.find("a")
    assert caught.value.reason is Reason.INTEGRITY


def test_results_outlive_a_change_of_the_sealing_key(store: Store) -> None:
    begun(store.one, "a")
    store.one.settle("a", EXECUTED, "result of a")
    new = SealingKey(os.urandom(32))
    reseal(store.database, store.keystore._keys.seal, new, lambda _done, _whole: None)
    keystore = SoftwareKeystore(store.database, new, lambda: NOW)
    found = SealedRequests(RequestRows(store.database, TENANT, "later"), keystore.own_secret).find("a")
    assert found is not None
    assert found.result == "result of a"
