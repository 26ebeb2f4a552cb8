"""One decision knocked out of the code: what is edited, and the row of the decision table that must notice.

Many decisions are made twice, by our code and by OpenSSL, or by two of our checks. A mutation takes away all of
them: only then the decision is really gone. `deaf` makes ours deaf to what OpenSSL says.
"""

from hsmgate.record import Record
from support.mutation import Edit

TRUST, PATH, NAMES, TLS = "pki.trust", "pki.path", "pki.name_constraints", "gate.tls"


class Mutation(Record):
    """`decision`: its number in docs/reference/trust.md (0: the alert table). `row`: one that must fail.

    `only_told`: who gets in stays the same; the alert or the log line changes.
    """

    decision: int
    name: str
    edits: tuple[Edit, ...]
    row: str
    only_told: bool = False


def deaf(*numbers: int) -> Edit:
    """Ours no longer hears these X509_V_ERR_* of OpenSSL."""
    return Edit(
        module=TRUST,
        function="_check_openssl",
        old="for depth, number in errors:",
        new=f"for depth, number in [e for e in errors if e[1] not in {set(numbers)}]:",
    )


def in_trust(function: str, old: str, new: str) -> Edit:
    return Edit(module=TRUST, function=function, old=old, new=new)


def in_path(function: str, old: str, new: str) -> Edit:
    return Edit(module=PATH, function=function, old=old, new=new)


def in_context(old: str, new: str) -> Edit:
    return Edit(module=TLS, function="build_context", old=old, new=new)


def mutation(decision: int, name: str, row: str, *edits: Edit, only_told: bool = False) -> Mutation:
    return Mutation(decision=decision, name=name, edits=edits, row=row, only_told=only_told)


NO_CA = (20, 24, 26, 32, 79)  # what OpenSSL calls a certificate that may not issue
ADMITTED = (  # in trust.judge: everybody gets in
    "Verdict(trusted_by='issuer:' + next(iter(trust.issuers.values())).alias, not_before=0, not_after=9e9, path=())"
)
