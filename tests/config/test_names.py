"""Spring's relaxed names."""

import pytest

from hsmgate.config.names import environment_spellings, index, segments, uniform


@pytest.mark.parametrize(
    "written",
    [
        "server.ssl.trust-store",
        "server.ssl.trustStore",
        "server.ssl.trust_store",
        "SERVER.SSL.TRUSTSTORE",
        "Server.ssl.trust-STORE",
    ],
)
def test_spellings_of_one_name_are_equal(written: str) -> None:
    assert uniform(written) == "server.ssl.truststore"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a", ("a",)),
        ("a.b-c", ("a", "b-c")),
        ("a[0]", ("a", "[0]")),
        ("a[0].b[12]", ("a", "[0]", "b", "[12]")),
        ("[a.b]", ("[a.b]",)),
        ("a..b", ("a", ".", "b")),
        ("a.", ("a", ".")),
        (".", (".",)),
        ("", ("",)),
        ("a[", ("a", "[")),
    ],
)
def test_segments(name: str, parts: tuple[str, ...]) -> None:
    assert segments(name) == parts


@pytest.mark.parametrize(
    ("part", "number"), [("[0]", 0), ("[42]", 42), ("0", None), ("[x]", None), ("[-1]", None), ("[99999]", None)]
)
def test_index(part: str, number: int | None) -> None:
    assert index(part) == number


def test_environment_spellings_keep_or_drop_each_dash() -> None:
    assert environment_spellings("server.ssl.client-auth") == ["SERVER_SSL_CLIENT_AUTH", "SERVER_SSL_CLIENTAUTH"]
    assert environment_spellings("hsmgate.ocsp.check") == ["HSMGATE_OCSP_CHECK"]
    assert set(environment_spellings("a-b.c-d")) == {"A_B_C_D", "AB_C_D", "A_B_CD", "AB_CD"}
