"""Secrets stay out of everything that is printed."""

import io
import pickle

import rich.console

from hsmgate.config import keys
from hsmgate.config.kinds import Kind
from support.config_folder import Folder


def secrets() -> dict[str, Kind]:
    return {setting.name: setting.kind for setting in keys.SETTINGS if setting.kind.secret}


def test_the_secret_settings_are_those_that_one_expects() -> None:
    words = ("password", "pin", "token", "software.key", "datasource.url")
    expected = {setting.name for setting in keys.SETTINGS if setting.name.endswith(words)} - {"hsm.pkcs11.token"}
    assert set(secrets()) == expected


def test_no_secret_is_printed(folder: Folder) -> None:
    values = {name: f"postgresql://u:hunter2-{n}@h/x" for n, name in enumerate(secrets())}
    config = folder.load("".join(f"{name}: '{value}'\n" for name, value in values.items()))
    assert config.set_names == set(values)
    screen = io.StringIO()
    rich.console.Console(file=screen, width=200).print(config)
    for text in (repr(config), str(config), f"{config}", screen.getvalue(), repr(config.server.ssl)):
        assert "hunter2" not in text
    assert "key_store_password='***'" in repr(config)
    assert "key_alias=None" in repr(config)


def test_a_config_travels_to_another_process_whole(folder: Folder) -> None:
    config = folder.load("server.ssl.key-store-password: hunter2\nserver.ssl.key-store: a.p12\n")
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.server.ssl.key_store_password == "hunter2"


def test_a_conflict_between_passwords_does_not_show_them(folder: Folder) -> None:
    (line,) = folder.load("tls.keyStorePassword: hunter2\nserver.ssl.key-store-password: hunter3\n").warnings
    assert "hunter" not in line
