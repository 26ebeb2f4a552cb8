"""Whatever the bytes, only Failure; whatever the spelling, the same Config."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsmgate.config import Config, keys, load
from hsmgate.config.kinds import Kind
from hsmgate.config.names import environment_spellings
from hsmgate.errors import Failure, Reason

HEX = "0123456789abcdef" * 4
NAMES = [name for setting in keys.SETTINGS for name in (setting.name, *setting.aliases)]
EXAMPLES = {  # of each kind, by the word of the docs
    "text": "a text",
    "secret": "hunter2",
    "list of secrets": "one,two",
    "URL": "http://r.example/x",
    "path": "some/path",
    "list of paths": "a.pem,b.pem",
    "bool": "true",
    "host": "127.0.0.1",
    "list of host patterns": "a.example,*.b.example",
    "list of SHA-256": HEX,
    "list": "A,B",
    "list of TLSv1.2": "TLSv1.3",
    "every-request or duration": "30s",
    "size": "16KB",
    "int": "7",
    "host:port": "127.0.0.1:8888",
    "list of JWT algorithms": "ES256,EdDSA",
}


def example(kind: Kind) -> str:
    """One that is allowed: the usual one of its kind, else the upper bound or the last word that the docs name."""
    usual = EXAMPLES.get(kind.word.partition(", ")[0])
    last = kind.word.rpartition(", ")[2].rpartition(" to ")[2]
    if usual is None or kind.gather is not None:
        return usual or last
    try:
        kind.read(usual)
    except ValueError:
        return last
    return usual


PIECES = st.sampled_from(
    [
        "a",
        ":",
        " ",
        "\n",
        "  ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "&x ",
        "*x",
        "!",
        "'",
        '"',
        "\\",
        "|",
        ">",
        "#",
        "%",
        "@",
        "---\n",
        "...\n",
        "? ",
        "${",
        "}",
        ":default",
        "file:",
        "\t",
        "\0",
        "~",
        "null",
        "<<",
        "\\uD800",
        "é",
        "[0]",
        ".",
        *(f"\n{name}: " for name in (*NAMES, "hsm.host", "logging.level", "spring.config.import")),
        *EXAMPLES.values(),
        "server:\n  ",
        "hsmgate:\n  trust:\n    ",
        "${server.port}",
        "${NONE:}",
    ]
)
CONTENT = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(PIECES, max_size=25).map(lambda pieces: "".join(pieces).encode()),
)


def check_only_failure(content: bytes) -> None:
    lines, reason = outcome(content, {})
    assert reason in {None, Reason.CONFIG_INVALID}
    assert all(line.isprintable() for line in lines)


def outcome(content: bytes, environ: dict[str, str]) -> tuple[tuple[str, ...], Reason | None]:
    """What an operator reads: the warnings of a configuration, or its refusal and the reason."""
    with TemporaryDirectory() as place:
        file = Path(place, "application.yml")
        file.write_bytes(content)
        try:
            return load(file, None, environ, Path(place)).warnings, None
        except Failure as failure:
            return (str(failure),), failure.reason


@settings(max_examples=400, deadline=None)
@given(CONTENT)
def test_any_content_is_a_config_or_a_failure(content: bytes) -> None:
    check_only_failure(content)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(max_examples=50_000, deadline=None)
@given(CONTENT)
def test_any_content_is_a_config_or_a_failure_at_length(content: bytes) -> None:
    check_only_failure(content)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.one_of(
            st.sampled_from([f"{s}{n}" for name in NAMES for s in environment_spellings(name) for n in ("", "_0")]),
            st.text(max_size=20).map("HSMGATE_".__add__),
        ),
        st.one_of(st.text(max_size=30), st.sampled_from([*EXAMPLES.values(), "${X}", "file:%00", "\udcff"])),
        max_size=6,
    )
)
def test_any_environment_gives_a_config_or_a_failure(environ: dict[str, str]) -> None:
    lines, reason = outcome(b"", environ)
    assert reason in {None, Reason.CONFIG_INVALID}
    assert all(line.isprintable() for line in lines)


def camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(part.capitalize() for part in rest)


SPELLERS: list[Callable[[str], str]] = [
    str,
    str.upper,
    lambda name: ".".join(map(camel, name.split("."))),
    lambda name: name.replace("-", "_"),
    lambda name: name.replace("-", ""),
]


def nested(name: str, text: str) -> str:
    parts = name.split(".")
    lines = [f"{'  ' * depth}{part}:" for depth, part in enumerate(parts)]
    return "\n".join(lines) + f" '{text}'\n"


TOKENS = "hsmgate.jwt.keys: k\nhsmgate.jwt.audience: a\n"


def company(setting: keys.Setting) -> str:
    """What must stand beside a setting so that it makes sense."""
    return {
        "server.ssl.client-auth": "server.ssl.trust-store: t\n",
        "server.ssl.certificate-private-key": "server.ssl.certificate: c\n",
        "hsm.backend": "hsm.pkcs11: {module: m, token: t}\n",
        "hsmgate.limits.connections-per-peer": "",
        "hsmgate.jwt.keys": "hsmgate.jwt.audience: a\n",
        "hsmgate.jwt.issuer": TOKENS,
        "hsmgate.jwt.algorithms": TOKENS,
        "hsmgate.jwt.leeway": TOKENS,
        "hsmgate.jwt.audience": "hsmgate.jwt.keys: k\n",
    }.get(setting.name, "")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_spelling_gives_the_same_config(data: st.DataObject) -> None:
    setting = data.draw(st.sampled_from(keys.SETTINGS))
    text = example(setting.kind)
    if setting.name == "server.ssl.client-auth":
        text = data.draw(st.sampled_from(["need", "WANT", "None"]))
    name = data.draw(st.sampled_from([setting.name, *setting.aliases]))
    way = data.draw(st.sampled_from(["flat", "nested", "list", "variable", "dotted variable"]))
    spelled = data.draw(st.sampled_from(SPELLERS))(name)
    content, environ = company(setting), {}
    if way == "flat":
        content += f"{spelled}: '{text}'\n"
    elif way == "nested":
        content = nested(spelled, text) + ("" if spelled.startswith("server") else content)
    elif way == "list" and setting.kind.gather is not None:
        content += "".join(f"{spelled}[{n}]: '{item}'\n" for n, item in enumerate(text.split(",")))
    elif way == "variable":
        environ = {data.draw(st.sampled_from(environment_spellings(name))): text}
    else:
        environ = {spelled: text}
    expected = loaded(f"{company(setting)}{setting.name}: '{text}'\n", {})
    if "server" in spelled and way == "nested" and company(setting):
        content = f"{spelled}: '{text}'\n{company(setting)}"
    assert loaded(content, environ) == expected
    assert setting.name in expected.set_names


def loaded(content: str, environ: dict[str, str]) -> Config:
    """The config, without the folder in its paths."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        Path(folder, "application.yml").write_text(content)
        config = load(folder, None, environ, folder)
    return msgspec.convert(
        msgspec.to_builtins(config, enc_hook=lambda path: str(path).replace(place, "/PLACE")),
        Config,
        dec_hook=lambda _, text: Path(text),
    )
