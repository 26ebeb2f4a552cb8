"""For all tests: names that are the same in every process that collects them, and databases of each product."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.database_servers import PRODUCTS, DatabasePlace, Servers

LONGEST = 60  # characters of a value in a name


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A long value, which may be made of random octets, is called by its argument; pytest numbers them."""
    return argname if isinstance(val, str | bytes) and len(val) > LONGEST else None


@pytest.fixture(scope="session")
def database_servers() -> Iterator[Servers]:
    """One of each for all tests of a process."""
    with ExitStack() as ends:
        yield Servers(ends)


@pytest.fixture(params=["sqlite", *PRODUCTS])
def place(request: pytest.FixtureRequest, tmp_path: Path, database_servers: Servers) -> Iterator[DatabasePlace]:
    """An empty database, of each product in turn; those of servers have their tables already."""
    made = DatabasePlace(tmp_path, None if request.param == "sqlite" else database_servers[request.param])
    yield made
    made.close()


@pytest.fixture(params=PRODUCTS)
def fresh_place(request: pytest.FixtureRequest, tmp_path: Path, database_servers: Servers) -> Iterator[DatabasePlace]:
    """A new database on a server, without tables."""
    made = DatabasePlace(tmp_path, database_servers[request.param], fresh=True)
    yield made
    made.close()
