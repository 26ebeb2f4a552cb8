"""Overrides from environment variables: SERVER_SSL_CLIENT_AUTH=want, or the dotted name itself."""

import re
from collections.abc import Mapping

from hsmgate.config import keys
from hsmgate.config.entries import Entry, invalid, shown
from hsmgate.config.names import environment_spellings, index, segments, uniform
from hsmgate.errors import Failure, Reason

_OWN = re.compile(r"HSMGATE[_.]", re.IGNORECASE)
_NUMBERED = re.compile(r"(.+?)_([0-9]{1,4})_?")
# Kubernetes gives every container variables about the services of its namespace, one may be called hsmgate
_KUBERNETES = re.compile(
    r"HSMGATE(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
_OTHERS = frozenset(
    {
        "HSMGATE_API_KEY",
        "HSMGATE_BEARER",
        "HSMGATE_BUNDLE_PASSWORD",
        "HSMGATE_CA",
        "HSMGATE_CLIENT_CERT",
        "HSMGATE_CLIENT_KEY",
        "HSMGATE_CLIENT_P12",
        "HSMGATE_CLIENT_PASSPHRASE",
        "HSMGATE_CONFIG",
        "HSMGATE_KEY_PASSPHRASE",
        "HSMGATE_KEY_PASSWORD",
        "HSMGATE_NEW_KEY_PASSPHRASE",
        "HSMGATE_PKI",
        "HSMGATE_SIGNER_PASSWORD",
        "HSMGATE_STORE_PASSWORD",
        "HSMGATE_TRACE",
        "HSMGATE_URL",
    }
)
_SPELLINGS = {
    spelling: name
    for setting in keys.SETTINGS
    for name in (setting.name, *setting.aliases)
    for spelling in environment_spellings(name)
}
_NAMED = [  # NAME may hold underscores: it is found between the two
    (start + "_", spelling.removeprefix(start + "_NAME"), setting.name)
    for setting in keys.NAMED
    for start in [environment_spellings(setting.name.partition(".NAME.")[0])[0]]
    for spelling in environment_spellings(setting.name)
]
_SUGGESTED = {
    environment_spellings(setting.name)[0]: setting.name
    for setting in (*keys.SETTINGS, *keys.NAMED)
    if setting.name.startswith("hsmgate.")
}


def entries(environ: Mapping[str, str]) -> list[Entry]:
    """The settings that the environment gives. Failure: CONFIG_INVALID (an unknown HSMGATE_ name, a contradiction)."""
    given: dict[tuple[str, ...], tuple[str, Entry]] = {}
    for name in sorted(environ):
        path = _path(name)
        if path is None:
            _refuse_own(name)
            continue
        entry = Entry(path, _checked(name, environ[name]), f"environment variable {shown(name)}")
        other, first = given.setdefault(path, (name, entry))
        if first.text != entry.text:
            raise Failure(
                Reason.CONFIG_INVALID, f"the environment variables {other} and {name} give the same setting two values"
            )
    return [entry for _, entry in given.values()]


def variable(name: str, environ: Mapping[str, str]) -> str | None:
    """What a placeholder finds: the variable itself, or for a.b-c the variable A_B_C."""
    for spelling in (name, re.sub(r"[.-]", "_", name).upper()):
        if spelling in environ:
            return _checked(spelling, environ[spelling])
    return None


def _path(name: str) -> tuple[str, ...] | None:
    """The path of the setting that a variable gives, with a list index where it has one."""
    if "." in name:
        parts = segments(name)
        tail = parts[-1:] if index(parts[-1]) is not None else ()
        known = uniform(parts[:-1] if tail else parts)
        found = keys.find(known)
        if found is None:
            return None
        return (*keys.CANONICAL.get(known, found.name).split("."), *tail)
    upper = name.upper()
    if upper in _SPELLINGS:
        return tuple(_SPELLINGS[upper].split("."))
    for start, leaf, named in _NAMED:
        name_of_group = upper.removeprefix(start).removesuffix(leaf)
        if upper == start + name_of_group + leaf and keys.find(uniform(named.replace("NAME", name_of_group))):
            return tuple(named.replace("NAME", name_of_group.lower()).split("."))
    numbered = _NUMBERED.fullmatch(upper)
    if numbered and numbered.group(1) in _SPELLINGS:
        return (*_SPELLINGS[numbered.group(1)].split("."), f"[{int(numbered.group(2))}]")
    return None


def _checked(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(f"environment variable {shown(name)}", "its value is not UTF-8 text") from None
    return text


def _refuse_own(name: str) -> None:
    if not _OWN.match(name) or name in _OTHERS or _KUBERNETES.fullmatch(name):
        return
    near = keys.nearest_of(name.upper(), _SUGGESTED)
    raise Failure(Reason.CONFIG_INVALID, f"unknown environment variable {shown(name)}; the nearest known one is {near}")
