"""Overrides from the environment."""

import pytest

from hsmgate.config.environment import variable
from hsmgate.errors import Failure, Reason
from support.config_folder import Folder

FILE = "server: {port: 1111, ssl: {trust-store: t.pem, client-auth: need}}\nhsmgate.hosts: [a.example, b.example]\n"


@pytest.mark.parametrize(
    "name",
    [
        "SERVER_SSL_CLIENT_AUTH",
        "SERVER_SSL_CLIENTAUTH",
        "server_ssl_client_auth",
        "server.ssl.client-auth",
        "server.ssl.clientAuth",
        "SERVER.SSL.CLIENT_AUTH",
    ],
)
def test_a_variable_overrides_the_file(folder: Folder, name: str) -> None:
    assert folder.load(FILE, {name: "want"}).server.ssl.client_auth == "want"


@pytest.mark.parametrize(
    ("environ", "hosts"),
    [
        ({}, ("a.example", "b.example")),
        ({"HSMGATE_HOSTS": "c.example"}, ("c.example",)),
        ({"HSMGATE_HOSTS": "c.example, d.example"}, ("c.example", "d.example")),
        ({"HSMGATE_HOSTS_0": "c.example"}, ("c.example",)),
        ({"HSMGATE_HOSTS_1": "d.example", "HSMGATE_HOSTS_0_": "c.example"}, ("c.example", "d.example")),
        ({"hsmgate.hosts[0]": "c.example", "hsmgate.hosts[1]": "d.example"}, ("c.example", "d.example")),
        ({"HSMGATE_HOSTS": ""}, ()),
    ],
)
def test_a_list_is_replaced_whole(folder: Folder, environ: dict[str, str], hosts: tuple[str, ...]) -> None:
    assert folder.load(FILE, environ).hsmgate.hosts == hosts


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"HSMGATE_HOSTS_1": "x.example"}, "environment variable HSMGATE_HOSTS_1: hsmgate.hosts has gaps in its list"),
        (
            {"HSMGATE_HOSTS": "x", "HSMGATE_HOSTS_0": "y"},
            "environment variable HSMGATE_HOSTS_0: hsmgate.hosts[0] is given twice",
        ),
        ({"SERVER_PORT_0": "1"}, "environment variable SERVER_PORT_0: server.port takes one value"),
        (
            {"SERVER_PORT": "80a"},
            "environment variable SERVER_PORT: server.port must be a whole number from 0 to 65535",
        ),
        (
            {"SERVER_SSL_CLIENT_AUTH": "must"},
            "environment variable SERVER_SSL_CLIENT_AUTH: server.ssl.client-auth must be one of need, want, none",
        ),
        (
            {"SERVER_PORT": "1", "server.port": "2"},
            "the environment variables SERVER_PORT and server.port give the same setting two values",
        ),
        (
            {"HSMGATE_DATADIRR": "x"},
            "unknown environment variable HSMGATE_DATADIRR; the nearest known one is HSMGATE_DATA_DIR",
        ),
        (
            {"hsmgate.data-dri": "x"},
            "unknown environment variable hsmgate.data-dri; the nearest known one is HSMGATE_DATA_DIR",
        ),
        (
            {"HSMGATE_TRUST_PIN": "x"},
            "unknown environment variable HSMGATE_TRUST_PIN; the nearest known one is HSMGATE_TRUST_PINS",
        ),
        ({"HSMGATE_INSECURE_0": "true"}, "environment variable HSMGATE_INSECURE_0: hsmgate.insecure takes one value"),
        ({"HSMGATE_HOSTS": "\udcff"}, "environment variable HSMGATE_HOSTS: its value is not UTF-8 text"),
    ],
)
def test_a_variable_is_refused(folder: Folder, environ: dict[str, str], line: str) -> None:
    assert folder.refused("", environ).startswith(line)


def test_equal_values_in_two_spellings_are_no_contradiction(folder: Folder) -> None:
    assert folder.load("", {"SERVER_PORT": "81", "server.port": "81"}).server.port == 81


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "SERVERPORT",
        "SERVER_PROT",
        "HSM_HOST",
        "HSM_USER",
        "server.servlet.context-path",
        "spring.profiles.active",
        "LOGGING_CONFIG",
        "HSMGATE_CONFIG",
        "HSMGATE_SERVICE_HOST",
        "HSMGATE_SERVICE_PORT",
        "HSMGATE_SERVICE_PORT_HTTPS",
        "HSMGATE_PORT",
        "HSMGATE_PORT_8080_TCP",
        "HSMGATE_PORT_8080_TCP_ADDR",
        "HSMGATE_BLUE_PORT_8080_TCP_PROTO",
    ],
)
def test_other_variables_are_passed_over(folder: Folder, name: str) -> None:
    folder.write("")
    config = folder.load("", {name: "local" if "profiles" in name else str(folder.path)})
    assert config.warnings == ()
    assert config.set_names == frozenset()


@pytest.mark.parametrize(
    ("name", "value"),
    [("PIN", "1"), ("pin", "1"), ("my.hsm-pin", "2"), ("MY_HSM_PIN", "2"), ("a.b", "3"), ("none", None)],
)
def test_what_a_placeholder_finds(name: str, value: str | None) -> None:
    assert variable(name, {"PIN": "1", "MY_HSM_PIN": "2", "a.b": "3"}) == value


def test_a_value_that_is_no_text_is_refused() -> None:
    with pytest.raises(Failure, match="not UTF-8 text") as caught:
        variable("X", {"X": "\udcff"})
    assert caught.value.reason is Reason.CONFIG_INVALID
