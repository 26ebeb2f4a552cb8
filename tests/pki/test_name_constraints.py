"""Name constraints against models: labels for hosts, the ipaddress module for networks, RDN lists for subjects."""

import string
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from hsmgate.errors import Failure, Reason
from hsmgate.pki import name_constraints
from hsmgate.pki.path import parse
from support import cast, certs

Names = list[x509.GeneralName]
_label = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=3)
_labels = st.lists(_label, min_size=1, max_size=4)
_few = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4)  # collisions are likely


def _passes(names: Names, permitted: Names | None = None, excluded: Names | None = None, subject: bytes = b"") -> bool:
    extensions = [certs.alternative_names(*names)] if names else []
    leaf = certs.make(subject or certs.name(""), cast.get("mid"), extensions)
    try:
        name_constraints.check(x509.NameConstraints(permitted, excluded), [parse(leaf.der)])
    except Failure as failure:
        return failure.reason is not Reason.UNSUPPORTED_CERTIFICATE
    return True


def _dns(labels: list[str]) -> x509.DNSName:
    return x509.DNSName(".".join(labels))


@settings(deadline=None)  # the machine may be busy
@given(_few, _few)
def test_hosts_by_labels(host: list[str], constraint: list[str]) -> None:
    within = host[-len(constraint) :] == constraint
    assert _passes([_dns(host)], permitted=[_dns(constraint)]) == within
    assert _passes([_dns(host)], excluded=[_dns(constraint)]) != within


@settings(deadline=None)  # the machine may be busy
@given(_few, _few)
def test_leading_dot_wants_more_labels(host: list[str], constraint: list[str]) -> None:
    below = host[-len(constraint) :] == constraint and len(host) > len(constraint)
    assert _passes([_dns(host)], permitted=[x509.DNSName("." + ".".join(constraint))]) == below


@settings(deadline=None)  # the machine may be busy
@given(_labels, _labels)
def test_case_and_a_last_dot_do_not_count(prefix: list[str], constraint: list[str]) -> None:
    host = [*prefix, *constraint]
    for written in (_dns(host).value.upper(), _dns(host).value + "."):
        assert _passes([x509.DNSName(written)], permitted=[_dns(constraint)])
        assert not _passes([x509.DNSName(written)], excluded=[_dns(constraint)])


@settings(deadline=None)  # the machine may be busy
@given(_few, _few, _few)
def test_wildcards_stand_for_every_name_that_they_cover(base: list[str], label: list[str], excluded: list[str]) -> None:
    """If one host that a wildcard covers is excluded, so is the wildcard; and permitted only if all are."""
    wildcard, covered = _dns(["*", *base]), _dns([label[0], *base])
    if not _passes([covered], excluded=[_dns(excluded)]):
        assert not _passes([wildcard], excluded=[_dns(excluded)])
    if _passes([wildcard], permitted=[_dns(excluded)]):
        assert _passes([covered], permitted=[_dns(excluded)])


@settings(deadline=None)  # the machine may be busy
@given(_labels)
def test_the_empty_constraint_is_every_host(host: list[str]) -> None:
    assert _passes([_dns(host)], permitted=[x509.DNSName("")])
    assert not _passes([_dns(host)], excluded=[x509.DNSName("")])


@settings(deadline=None)  # the machine may be busy
@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 128))
def test_addresses_by_networks(address: object, base: object, bits: int) -> None:
    host = ip_address(str(address))
    network = ip_network(f"{base}/{bits % (ip_address(str(base)).max_prefixlen + 1)}", strict=False)
    within = host.version == network.version and host in network
    assert _passes([x509.IPAddress(host)], permitted=[x509.IPAddress(network)]) == within
    assert _passes([x509.IPAddress(host)], excluded=[x509.IPAddress(network)]) != within


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from(["a", "A", "b"]), _few, st.sampled_from(["a@", ""]), st.sampled_from(["", "."]), _few)
def test_mail_by_mailbox_host_and_domain(local: str, host: list[str], box: str, dot: str, wanted: list[str]) -> None:
    name = x509.RFC822Name(f"{local}@{'.'.join(host)}")
    constraint = x509.RFC822Name(box + ("" if box else dot) + ".".join(wanted))
    if box:
        within = local == "a" and host == wanted
    elif dot:
        within = host[-len(wanted) :] == wanted and len(host) > len(wanted)
    else:
        within = host == wanted
    assert _passes([name], permitted=[constraint]) == within
    assert _passes([name], excluded=[constraint]) != within


def _subject(units: list[str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units])


@settings(deadline=None)  # the machine may be busy
@given(_few, _few)
def test_subjects_by_leading_rdns(subject: list[str], constraint: list[str]) -> None:
    within = subject[: len(constraint)] == constraint
    form = x509.DirectoryName(_subject(constraint))
    assert _passes([], permitted=[form], subject=_subject(subject).public_bytes()) == within
    assert _passes([], excluded=[form], subject=_subject(subject).public_bytes()) != within
    assert _passes([x509.DirectoryName(_subject(subject))], permitted=[form]) == within


@settings(deadline=None)  # the machine may be busy
@given(_few, _few)
def test_the_order_within_an_rdn_and_its_case_do_not_count(first: list[str], second: list[str]) -> None:
    one = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "".join(first))
    two = x509.NameAttribute(NameOID.COMMON_NAME, "".join(second))
    upper = x509.NameAttribute(NameOID.COMMON_NAME, "  " + "".join(second).upper())
    subject = x509.Name([x509.RelativeDistinguishedName([one, two])])
    constraint = x509.Name([x509.RelativeDistinguishedName([upper, one])])
    assert _passes([], permitted=[x509.DirectoryName(constraint)], subject=subject.public_bytes())


def test_another_kind_of_attribute_is_another_name() -> None:
    wanted = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "a")])
    assert not _passes([], permitted=[x509.DirectoryName(wanted)], subject=_subject(["a"]).public_bytes())


@pytest.mark.parametrize(
    "form",
    [
        x509.UniformResourceIdentifier("a.example"),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"),
    ],
)
def test_forms_that_are_not_implemented(form: x509.GeneralName) -> None:
    """Whether or not the certificate has such a name, and beside any form that is implemented."""
    assert not _passes([], permitted=[form])
    assert not _passes([], excluded=[form])
    assert not _passes([x509.DNSName("a.example")], permitted=[x509.DNSName("a.example"), form])
    with pytest.raises(Failure, match=f"of the form {type(form).__name__} are not implemented"):
        name_constraints.check(x509.NameConstraints([form], None), [])


def test_names_of_other_forms_are_free() -> None:
    assert _passes([x509.UniformResourceIdentifier("http://x")], permitted=[x509.DNSName("a.example")])
    assert _passes([x509.RFC822Name("a@b")], excluded=[x509.DNSName("")])


def test_every_name_counts() -> None:
    good, bad = x509.DNSName("a.ok"), x509.DNSName("a.bad")
    assert not _passes([good, bad], permitted=[x509.DNSName("ok")])
    assert _passes([good, bad], permitted=[x509.DNSName("ok"), x509.DNSName("bad")])
    assert not _passes([good, bad], excluded=[x509.DNSName("bad")])


def test_every_certificate_counts() -> None:
    inside = certs.make("x", None, [certs.alternative_names(x509.DNSName("a.ok"))])
    outside = certs.make("y", None, [certs.alternative_names(x509.DNSName("a.bad"))])
    constraints = x509.NameConstraints([x509.DNSName("ok")], None)
    name_constraints.check(constraints, [parse(inside.der)])
    for order in ((inside, outside), (outside, inside)):
        with pytest.raises(Failure, match="outside the permitted subtrees"):
            name_constraints.check(constraints, [parse(made.der) for made in order])


def test_mail_in_the_subject() -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@bad.example")]).public_bytes()
    assert not _passes([], permitted=[x509.RFC822Name("ok.example")], subject=subject)
    assert not _passes([], excluded=[x509.RFC822Name("bad.example")], subject=subject)
