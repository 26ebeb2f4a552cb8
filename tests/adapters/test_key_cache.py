import pytest

from hsmgate.adapters import key_cache
from hsmgate.adapters.key_cache import KeyCache, Known
from hsmgate.adapters.sql.keys import KeyRow
from hsmgate.domain.key import Key, KeyAttributes

ROW = KeyRow("u", "t", "a", "client", None, "EC", None, None, "{}", None, "generated", 1, b"p", None, b"s", 0)
KEY = Key("u", "a", "EC", KeyAttributes(), 1)


@pytest.fixture
def cache() -> KeyCache:
    made = KeyCache()
    made.put(Known(ROW, KEY))
    return made


def test_the_very_row_is_known_whatever_its_use_count(cache: KeyCache) -> None:
    assert cache.get(ROW) == cache.get(ROW._replace(use_count=9)) == Known(ROW, KEY)


@pytest.mark.parametrize("column", [name for name in KeyRow._fields if name != "use_count"])
def test_a_row_that_differs_in_any_column_is_not_known(cache: KeyCache, column: str) -> None:
    other = KeyRow._make("other" if name == column else value for name, value in zip(KeyRow._fields, ROW, strict=True))
    assert cache.get(other) is None


def test_a_dropped_row_is_not_known(cache: KeyCache) -> None:
    cache.drop("u")
    cache.drop("u")
    assert cache.get(ROW) is None


def test_only_the_keys_used_last_are_known(cache: KeyCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "SIZE", 3)
    rows = [ROW._replace(uuid=str(number)) for number in range(4)]
    for row in rows[:2]:
        cache.put(Known(row, KEY))
    assert cache.get(ROW)
    for row in rows[2:]:
        cache.put(Known(row, KEY))
    assert cache.get(ROW)
    assert [cache.get(row) is not None for row in rows] == [False, False, True, True]


def test_large_policies_do_not_fill_memory(cache: KeyCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "POLICIES", 10)
    rows = [ROW._replace(uuid=str(number), policy="x" * 4) for number in range(4)]

    def known() -> list[bool]:
        return [cache.get(row) is not None for row in rows]

    for row in rows:
        cache.put(Known(row, KEY))
        cache.put(Known(row, KEY))  # again: it counts once
    assert known() == [False, False, True, True]
    cache.drop("3")
    cache.put(Known(rows[0], KEY))
    assert known() == [True, False, True, False]
    cache.put(Known(rows[1]._replace(policy="x" * 11), KEY))
    assert known() == [False] * 4
    cache.put(Known(rows[1], KEY))
    assert known() == [False, True, False, False]
