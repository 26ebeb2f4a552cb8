"""docs/reference/settings.md has one row for each setting, and says the truth about it."""

import re
from pathlib import Path

import pytest

from hsmgate.config import Source, keys
from hsmgate.config.names import uniform
from support.config_folder import Folder

PAGE = Path(__file__).parents[2] / "docs/reference/settings.md"
TEXT = PAGE.read_text()
ROW = re.compile(r"^\| `([A-Za-z0-9.-]+\.[A-Za-z0-9.-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
ROWS = {uniform(name): (kind, default, meaning) for name, kind, default, meaning in ROW.findall(TEXT)}
TREE = re.compile(r"^\| `([A-Za-z.]+)` \| ([^|]+) \|$", re.MULTILINE)
COMPANY = {
    "hsm.backend": "hsm.pkcs11: {module: m, token: t}\n",
    "hsmgate.jwt.leeway": "hsmgate.jwt: {keys: k, audience: a}\n",
}


def field_of(config: object, field: str) -> object:
    for name in field.split("."):
        config = getattr(config, name)
    return config


def test_every_setting_has_its_row_and_every_row_its_setting() -> None:
    assert set(ROWS) == set(keys.BY_NAME) | {uniform(setting.name) for setting in keys.NAMED}
    assert len(ROW.findall(TEXT)) == len(ROWS)


@pytest.mark.parametrize("setting", [*keys.SETTINGS, *keys.NAMED], ids=lambda setting: setting.name)
def test_a_row_says_type_and_other_spellings(setting: keys.Setting) -> None:
    kind, _, meaning = ROWS[uniform(setting.name)]
    assert kind == setting.kind.word
    assert len(meaning) > 10
    assert {uniform(name) for name in re.findall(r"`([A-Za-z.]+)`", meaning)} >= {uniform(a) for a in setting.aliases}


@pytest.mark.parametrize("setting", keys.SETTINGS, ids=lambda setting: setting.name)
def test_the_default_of_a_row_is_the_default(folder: Folder, setting: keys.Setting) -> None:
    _, default, _ = ROWS[uniform(setting.name)]
    value = field_of(folder.load(""), setting.field)
    if default == "-":
        assert value in (None, "", (), frozenset())
        return
    written = default.removeprefix("`").removesuffix("`")
    config = folder.load(f"{COMPANY.get(setting.name, '')}{setting.name}: '{written}'\n")
    assert config.is_set(setting.name)
    assert field_of(config, setting.field) == value


@pytest.mark.parametrize("setting", keys.NAMED, ids=lambda setting: setting.name)
def test_the_default_of_a_row_about_named_groups_is_the_default(setting: keys.Setting) -> None:
    _, default, _ = ROWS[uniform(setting.name)]
    value = getattr(Source(), setting.field.rpartition(".")[2])
    assert (default == "-" and value is None) or default == f"`{value}`"


def test_the_page_names_no_setting_that_does_not_exist() -> None:
    below = re.compile(r"(server|api|tls|hsm|hsmgate|spring|swaggerUI|apiAuthentication)\.[A-Za-z0-9.-]+")
    for name in re.findall(r"`([^`\n]+)`", TEXT):
        if below.fullmatch(name) and name != "spring.profiles.active":
            spelled = uniform(name)
            assert keys.find(spelled) or keys.is_group(spelled) or keys.tree_of(spelled) or keys.refusal(spelled), name


def test_the_page_lists_the_keys_known_elsewhere() -> None:
    rows = {uniform(tree): set(map(uniform, re.findall(r"`(\w+)`", leaves))) for tree, leaves in TREE.findall(TEXT)}
    assert rows == {uniform(tree.name): set(map(uniform, tree.leaves)) for tree in keys.TREES}
    for tree in keys.REFUSED:
        assert f"`{tree}`" in TEXT


def test_the_example_of_the_page_loads(folder: Folder) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    config = folder.load(example)
    assert config.server.ssl.client_auth == "need"
    assert config.server.ssl.trust_store == folder.path / "tls/clients.jks"
