"""Roles of truststore entries, and the verdict on a chain as OpenSSL built it."""

import time
from datetime import timedelta

import pytest

from hsmgate.errors import Failure, Reason
from hsmgate.pki import trust
from hsmgate.pki.trust import Role, TrustSet
from support import cast, certs, der_text
from support.certs import NOW, Made, client, constraints, purposes, usage, version1

_NOBODY = "0" * 64


def _set(*names: str, issuers: tuple[str, ...] = (), pins: tuple[str, ...] = ()) -> TrustSet:
    def digests(wanted: tuple[str, ...]) -> frozenset[str]:
        return frozenset(cast.get(name).sha256 for name in wanted)

    return trust.build([(name, cast.get(name).der) for name in names], digests(issuers), digests(pins))


def _judge(trusted: TrustSet, *chain: str, openssl: tuple[tuple[int, int], ...] = (), now: float = 0) -> trust.Verdict:
    return trust.judge(trusted, [cast.get(name).der for name in chain], openssl, now or time.time())


def _refusal(trusted: TrustSet, *chain: str, openssl: tuple[tuple[int, int], ...] = ()) -> Failure:
    with pytest.raises(Failure) as failure:
        _judge(trusted, *chain, openssl=openssl)
    return failure.value


# roles
@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("root", Role.ISSUER),
        ("plain-root", Role.ISSUER),  # CA:TRUE without keyUsage
        ("expired-root", Role.ISSUER),
        ("alice", Role.PIN),
        ("ca-false", Role.PIN),
        ("no-cert-sign", Role.PIN),
        ("guide-mid", Role.PIN),  # v1
        ("new-mid", Role.PIN),  # v3 without basicConstraints
        ("pin-v1", Role.PIN),
    ],
)
def test_role_by_content(name: str, role: Role) -> None:
    (entry,) = _set(name).entries
    assert entry.role is role
    assert (entry.alias, entry.der, entry.sha256) == (name, cast.get(name).der, cast.get(name).sha256)


@pytest.mark.parametrize(
    ("name", "role"), [("guide-mid", Role.LEGACY_ISSUER), ("new-mid", Role.LEGACY_ISSUER), ("root", Role.ISSUER)]
)
def test_role_of_named_issuers(name: str, role: Role) -> None:
    (entry,) = _set(name, issuers=(name,)).entries
    assert entry.role is role


@pytest.mark.parametrize("name", ["root", "alice", "guide-mid"])
def test_named_pins(name: str) -> None:
    trusted = _set(name, pins=(name,))
    assert [entry.role for entry in trusted.entries] == [Role.PIN]
    assert not trusted.issuers
    assert list(trusted.pins) == [cast.get(name).der]


@pytest.mark.parametrize("name", ["ca-false", "no-cert-sign", "alice"])
def test_what_says_it_is_no_ca_cannot_be_named(name: str) -> None:
    with pytest.raises(Failure, match="the certificate itself says that it is no CA") as failure:
        _set(name, issuers=(name,))
    assert failure.value.reason is Reason.CONFIG_INVALID
    assert cast.get(name).sha256 in str(failure.value)


def test_nothing_is_named_twice() -> None:
    with pytest.raises(Failure, match="an entry is one or the other") as failure:
        _set("root", issuers=("root",), pins=("root",))
    assert failure.value.reason is Reason.CONFIG_INVALID


def test_doubles_count_once_and_the_first_alias_stays() -> None:
    root = cast.get("root").der
    trusted = trust.build([("one", root), ("two", root)])
    assert [entry.alias for entry in trusted.entries] == ["one"]


def test_fingerprints_that_no_entry_has() -> None:
    trusted = trust.build([("root", cast.get("root").der)], frozenset({_NOBODY}), frozenset({"f" * 64}))
    assert trusted.warnings == (
        f"hsmgate.trust.issuers: no entry of the truststore has the SHA-256 {_NOBODY}",
        f"hsmgate.trust.pins: no entry of the truststore has the SHA-256 {'f' * 64}",
    )


@pytest.mark.parametrize("der", [b"", b"junk", certs.make("v2", version=2).der, certs.make("v4", version=4).der])
def test_entries_that_do_not_parse(der: bytes) -> None:
    with pytest.raises(Failure) as failure:
        trust.build([("odd", der)])
    assert failure.value.reason is Reason.BAD_CERTIFICATE


def test_a_trust_set_cannot_be_changed() -> None:
    trusted = _set("root", "alice")
    with pytest.raises(TypeError):
        trusted.issuers[b"x"] = trusted.entries[0]  # type: ignore[index]
    with pytest.raises(AttributeError):
        trusted.entries = ()  # type: ignore[misc]


# the verdict
def test_verdict_of_a_path() -> None:
    verdict = _judge(_set("root"), "alice", "mid", "root")
    assert verdict.trusted_by == "issuer:root"
    assert verdict.path == tuple(cast.get(name).der for name in ("alice", "mid", "root"))
    assert verdict.not_before == (NOW - timedelta(days=1)).timestamp()
    assert verdict.not_after == (NOW + timedelta(days=365)).timestamp()


def test_the_window_is_what_all_certificates_share() -> None:
    root = cast.get("root")
    late = client("late", root, start=NOW - timedelta(hours=1), end=NOW + timedelta(days=900))
    verdict = trust.judge(_set("root"), [late.der, root.der], (), time.time())
    assert verdict.not_before == (NOW - timedelta(hours=1)).timestamp()
    assert verdict.not_after == (NOW + timedelta(days=365)).timestamp()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_verdict_has_its_time(moment: str) -> None:
    shift = timedelta(days=-2) if moment == "before" else timedelta(days=366)
    for chain in (("alice", "mid", "root"), ("guide-client",)):
        with pytest.raises(Failure) as failure:
            _judge(_set("root", "guide-client"), *chain, now=(NOW + shift).timestamp())
        assert failure.value.reason is Reason.EXPIRED


def test_the_path_ends_at_the_first_issuer_entry() -> None:
    verdict = _judge(_set("root", "mid"), "alice", "mid", "root")
    assert verdict.trusted_by == "issuer:mid"
    assert len(verdict.path) == 2


def test_pins_come_before_paths_and_openssl() -> None:
    trusted = _set("root", "guide-client")
    verdict = _judge(trusted, "guide-client", "guide-mid", openssl=((1, 79), (0, 20)))
    assert verdict.trusted_by == "pin:guide-client"
    assert verdict.path == (cast.get("guide-client").der,)


def test_a_pin_above_the_leaf_is_nothing() -> None:
    assert _refusal(_set("alice"), "below-alice", "alice").reason is Reason.UNTRUSTED
    assert _refusal(_set("self-ca", pins=("self-ca",)), "below-self-ca", "self-ca").reason is Reason.UNTRUSTED


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (20, Reason.UNTRUSTED),
        (79, Reason.UNTRUSTED),
        (25, Reason.UNTRUSTED),
        (9, Reason.EXPIRED),
        (10, Reason.EXPIRED),
        (26, Reason.UNSUPPORTED_CERTIFICATE),
        (34, Reason.UNSUPPORTED_CERTIFICATE),
        (47, Reason.UNSUPPORTED_CERTIFICATE),
        (66, Reason.WEAK_CERTIFICATE),
        (68, Reason.WEAK_CERTIFICATE),
        (7, Reason.BAD_CERTIFICATE),
        (1, Reason.BAD_CERTIFICATE),
        (999, Reason.BAD_CERTIFICATE),
    ],
)
def test_openssl_refuses_what_we_would_accept(number: int, reason: Reason) -> None:
    failure = _refusal(_set("root"), "alice", "mid", "root", openssl=((1, number),))
    assert failure.reason is reason
    assert str(failure) == f"OpenSSL refuses the path: error {number} at depth 1"


@pytest.mark.parametrize("number", [24, 79])
def test_only_no_ca_at_a_named_anchor_is_excused(number: int) -> None:
    named = _set("guide-mid", issuers=("guide-mid",))
    chain = "guide-client", "guide-mid"
    assert _judge(named, *chain, openssl=((1, number),)).trusted_by == "issuer:guide-mid"
    assert _refusal(named, *chain, openssl=((0, number),)).reason is Reason.UNTRUSTED
    assert _refusal(named, *chain, openssl=((2, number),)).reason is Reason.UNTRUSTED
    assert _refusal(named, *chain, openssl=((1, 7), (1, number))).reason is Reason.BAD_CERTIFICATE
    assert _refusal(_set("root"), "alice", "mid", "root", openssl=((2, number),)).reason is Reason.UNTRUSTED


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ((), Reason.UNTRUSTED),
        (((0, 20),), Reason.UNTRUSTED),
        (((0, 10),), Reason.EXPIRED),
        (((0, 20), (0, 10)), Reason.UNTRUSTED),
    ],
)
def test_reason_without_an_anchor(errors: tuple[tuple[int, int], ...], reason: Reason) -> None:
    assert _refusal(_set("root"), "stranger", openssl=errors).reason is reason


# the lines to add
def test_line_for_an_issuer_that_came_as_client() -> None:
    failure = _refusal(_set("self-ca"), "self-ca")
    assert failure.reason is Reason.UNTRUSTED
    assert f"add to the configuration: hsmgate.trust.pins: [{cast.get('self-ca').sha256}] " in str(failure)


@pytest.mark.parametrize(("entry", "leaf"), [("guide-mid", "guide-client"), ("new-mid", "new-client")])
def test_line_for_an_entry_that_could_issue(entry: str, leaf: str) -> None:
    failure = _refusal(_set("root", entry), leaf)
    assert failure.reason is Reason.UNTRUSTED
    assert str(failure).endswith(f"hsmgate.trust.issuers: [{cast.get(entry).sha256}]")


def _below_guide(**rest: object) -> Made:
    return version1("x", cast.get("guide-mid"), **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "leaf",
    [
        _below_guide(end=NOW - timedelta(hours=1)),
        _below_guide(digest="sha1"),
        _below_guide(signer=certs.key("p256", "thief")),
        certs.make("x", cast.get("guide-mid"), [purposes(certs.SERVER_AUTH)]),
        certs.make("x", cast.get("guide-mid"), [constraints(ca=True), usage("digital_signature")]),
    ],
    ids=["expired", "sha1", "forged", "for servers", "CA"],
)
def test_no_line_where_more_is_wrong(leaf: Made) -> None:
    """An operator must not be told to open up for a client that would still be refused, or was forged."""
    with pytest.raises(Failure) as failure:
        trust.judge(_set("guide-mid"), [leaf.der], (), time.time())
    assert failure.value.reason is Reason.UNTRUSTED
    assert "hsmgate.trust" not in str(failure.value)


def test_no_line_for_pins_that_say_they_are_no_ca() -> None:
    assert "hsmgate.trust" not in str(_refusal(_set("alice"), "below-alice"))
    assert "hsmgate.trust" not in str(_refusal(_set("ca-false"), "below-ca-false"))


def test_legacy_chains() -> None:
    named = _set("guide-mid", "guide-root", "alice", issuers=("guide-mid",))
    leaf, anchor = cast.get("guide-client").der, cast.get("guide-mid").der
    assert trust.legacy_chains(named, leaf) == [[leaf, anchor]]
    assert trust.legacy_chains(named, cast.get("alice").der) == []
    assert trust.legacy_chains(_set("guide-mid"), leaf) == []


def test_fingerprint_is_of_the_der() -> None:
    made = cast.get("alice")
    assert trust.fingerprint(made.der) == made.sha256
    assert len(made.sha256) == 64
    assert made.sha256 == made.sha256.lower()


# what strangers write into their certificates goes into the log
@pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")
@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("a\nlevel=info event=trust.active", "CN=a\\000Alevel=info event=trust.active"),
        ("\x1b[2J", "CN=\\001B[2J"),
        ("\u202egnp", "CN=\\202Egnp"),
        ("x" * 5000, "CN=" + "x" * 197 + "..."),
        ("Bäckerei, Süd", "CN=Bäckerei\\, Süd"),
    ],
)
def test_names_can_neither_forge_nor_flood_the_log(subject: str, shown: str) -> None:
    name = der_text.name(("2.5.4.3", 0x0C, subject.encode()))
    with pytest.raises(Failure) as failure:
        trust.judge(_set("root"), [client(name, cast.get("other-root")).der], (), time.time())
    assert str(failure.value) == f"{shown}: no path to an issuer of the truststore, and no pin"
