"""Name constraints (RFC 5280 4.2.1.10) for the forms that we implement; any other form refuses the path."""

from collections.abc import Callable, Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

from hsmgate.errors import Failure, Reason


def _refuse(detail: str) -> Failure:
    return Failure(Reason.UNSUPPORTED_CERTIFICATE, detail)


def _host_within(host: str, constraint: str, *, allow_exact: bool = True) -> bool:
    host, constraint = host.lower().rstrip("."), constraint.lower().rstrip(".")
    if constraint.startswith("."):
        return host.endswith(constraint)
    if not constraint:
        return True
    return (allow_exact and host == constraint) or host.endswith("." + constraint)


def _dns_within(name: x509.GeneralName, constraint: x509.GeneralName) -> bool:
    return _host_within(str(name.value), str(constraint.value))


def _dns_touches(name: x509.GeneralName, constraint: x509.GeneralName) -> bool:
    # A wildcard stands for every name below it, so an exclusion inside its range hits it too.
    value = str(name.value).lower()
    if value.startswith("*.") and ("." + str(constraint.value).lower().lstrip(".")).endswith(value[1:]):
        return True
    return _dns_within(name, constraint)


def _mail_within(name: x509.GeneralName, constraint: x509.GeneralName) -> bool:
    local, _, host = str(name.value).rpartition("@")
    wanted = str(constraint.value)
    if "@" in wanted:
        wanted_local, _, wanted_host = wanted.rpartition("@")
        return local == wanted_local and host.lower() == wanted_host.lower()
    if wanted.startswith("."):
        return host.lower().endswith(wanted.lower())
    return host.lower() == wanted.lower()


def _address_within(name: x509.GeneralName, constraint: x509.GeneralName) -> bool:
    address, network = name.value, constraint.value
    return getattr(network, "version", 0) == getattr(address, "version", 1) and address in network


def _rdns(name: x509.Name) -> list[frozenset[tuple[str, str]]]:
    def fold(value: str | bytes) -> str:
        return " ".join(value.casefold().split()) if isinstance(value, str) else value.hex()

    return [frozenset((a.oid.dotted_string, fold(a.value)) for a in rdn) for rdn in name.rdns]


def _directory_within(name: x509.GeneralName, constraint: x509.GeneralName) -> bool:
    prefix = _rdns(constraint.value)
    return _rdns(name.value)[: len(prefix)] == prefix


_Match = Callable[[x509.GeneralName, x509.GeneralName], bool]
# form -> (inside a permitted subtree, touched by an excluded subtree)
_FORMS: dict[type[x509.GeneralName], tuple[_Match, _Match]] = {
    x509.DNSName: (_dns_within, _dns_touches),
    x509.RFC822Name: (_mail_within, _mail_within),
    x509.IPAddress: (_address_within, _address_within),
    x509.DirectoryName: (_directory_within, _directory_within),
}


def _names(cert: x509.Certificate) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    if cert.subject.rdns:
        names.append(x509.DirectoryName(cert.subject))
    for attribute in cert.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        names.append(x509.RFC822Name(str(attribute.value)))  # noqa: PERF401 - RFC 5280: constraints bind it too
    try:
        san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return names
    return names + list(san.value)


def _check_one(name: x509.GeneralName, constraints: x509.NameConstraints) -> None:
    form = _FORMS.get(type(name))
    if form is None:
        return  # the constraint itself has only implemented forms, so this form is unconstrained
    within, touches = form
    permitted = [c for c in constraints.permitted_subtrees or () if type(c) is type(name)]
    if permitted and not any(within(name, c) for c in permitted):
        raise _refuse("a name lies outside the permitted subtrees of its issuer's name constraints")
    if any(touches(name, c) for c in constraints.excluded_subtrees or () if type(c) is type(name)):
        raise _refuse("a name lies in an excluded subtree of its issuer's name constraints")


def check(constraints: x509.NameConstraints, below: Iterable[x509.Certificate]) -> None:
    """Hold the certificates below a constrained issuer against its constraints.

    `below`: leaf and intermediates that the constraints bind (self-issued intermediates left out).
    Failure: UNSUPPORTED_CERTIFICATE, for a form that we do not implement as well.
    """
    for subtree in [*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())]:
        if type(subtree) not in _FORMS:
            raise _refuse(f"name constraints of the form {type(subtree).__name__} are not implemented")
    for cert in below:
        for name in _names(cert):
            _check_one(name, constraints)
