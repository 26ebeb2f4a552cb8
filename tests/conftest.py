"""For all tests: names that are the same in every process that collects them."""

LONGEST = 60  # characters of a value in a name


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A long value, which may be made of random octets, is called by its argument; pytest numbers them."""
    return argname if isinstance(val, str | bytes) and len(val) > LONGEST else None
