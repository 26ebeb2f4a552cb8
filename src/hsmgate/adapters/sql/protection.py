"""How the connection to a database server is protected, from the words that JDBC and SQLAlchemy have for it."""

from pathlib import Path
from typing import Literal

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

Product = Literal["mariadb", "postgresql"]
Level = Literal["off", "trust", "verify-ca", "verify-full"]

_LEVELS: dict[str, Level] = {
    **dict.fromkeys(("disable", "disabled", "false", "0"), "off"),
    **dict.fromkeys(("trust", "require", "required"), "trust"),
    **dict.fromkeys(("verify-ca", "verify_ca"), "verify-ca"),
    **dict.fromkeys(("verify-full", "verify_identity", "true", "1"), "verify-full"),
}
_BY_CHANCE = frozenset({"allow", "prefer", "preferred"})
_SWITCHES = {"true": True, "1": True, "false": False, "0": False}
_NAMES = {
    "mariadb": (
        "sslMode, serverSslCert, useSSL, requireSSL, trustServerCertificate, verifyServerCertificate,"
        " disableSslHostnameVerification, user, password"
    ),
    "postgresql": "sslmode, sslrootcert, ssl, currentSchema, user, password",
}


class Protected(Record):
    """`off`: in the clear. `trust`: encrypted, with whomever. The others: with who is proven by `authorities`, a file
    of certificates, or without it by the system's; `verify-full`: for this host.
    """

    level: Level
    authorities: Path | None = None


def names(product: Product) -> str:
    """The parameters of a URL that have a meaning."""
    return _NAMES[product]


def taken(product: Product, given: dict[str, str], *, is_here: bool) -> Protected:
    """Take what speaks of it out of the parameters of a URL, their names in lower case. `is_here`: the server is this
    machine. Failure: CONFIG_INVALID (contradictions, a level that is none, nothing said of another machine).
    """
    mode, switch = given.pop("sslmode", None), _switch(given, "usessl", "ssl")
    required = _switch(given, "requiressl")
    unproven = {_switch(given, "trustservercertificate"), _opposite(_switch(given, "verifyservercertificate"))}
    of_any_host = _switch(given, "disablesslhostnameverification")
    authorities = _authorities(given)
    level = _level(mode, switch if switch is not None else (True if required else None))
    if level is None:
        if not is_here:
            raise _refused(
                "the server is another machine, so say how its connection is protected: sslMode=verify-full,"
                " or sslMode=disable if nobody can listen between"
            )
        level = "off"
    if level == "verify-full" and mode is None:
        level = "trust" if True in unproven else ("verify-ca" if of_any_host else level)
    if level == "off" and (required or authorities is not None):
        raise _refused("it switches TLS off and asks for TLS at once: keep one")
    if level == "trust" and authorities is not None:
        if product == "mariadb":
            raise _refused("it names whom to trust, and asks to trust everybody: keep one")
        level = "verify-ca"  # as libpq has it
    if product == "postgresql" and level.startswith("verify") and authorities is None:
        raise _refused(f"{level} needs sslrootcert=FILE beside it, the authorities in PEM")
    return Protected(level=level, authorities=authorities)


def _level(mode: str | None, switch: bool | None) -> Level | None:
    if mode is not None and switch is not None:
        raise _refused("it has sslMode and another switch of TLS: keep one")
    if mode is None:
        return None if switch is None else ("verify-full" if switch else "off")
    if mode.lower() in _BY_CHANCE:
        raise _refused("TLS by chance is not offered: write sslMode=verify-full, trust or disable")
    if mode.lower() not in _LEVELS:
        raise _refused("sslMode is one of verify-full, verify-ca, trust, disable")
    return _LEVELS[mode.lower()]


def _switch(given: dict[str, str], *names: str) -> bool | None:
    found = {given.pop(name).lower() for name in names if name in given}
    if not found:
        return None
    if len(found) > 1 or not found <= _SWITCHES.keys():
        raise _refused("a switch of TLS in it is neither true nor false")
    return _SWITCHES[found.pop()]


def _opposite(switch: bool | None) -> bool | None:
    return None if switch is None else not switch


def _authorities(given: dict[str, str]) -> Path | None:
    found = [given.pop(name) for name in ("serversslcert", "sslrootcert", "ssl_ca") if name in given]
    if not found:
        return None
    path = Path(found[0].removeprefix("file:"))
    if len(found) > 1 or not path.is_absolute() or "\0" in found[0]:
        raise _refused("the file of authorities is named once, from the root: serverSslCert=/PATH/FILE.pem")
    return path


def _refused(why: str) -> Failure:
    return Failure(Reason.CONFIG_INVALID, f"spring.datasource.url: {why}")
