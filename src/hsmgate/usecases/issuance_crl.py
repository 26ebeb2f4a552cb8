"""CRLs: full, numbered in the order of what they know, signed outside of any transaction, and on schedule."""

from datetime import UTC, datetime

from hsmgate.errors import Failure
from hsmgate.pki import crl
from hsmgate.usecases import issuance_audit as audit
from hsmgate.usecases import issuance_chain as chains
from hsmgate.usecases.issuance_ports import AuthorityEntry, IssuancePorts, StoredCrl


def make(ports: IssuancePorts, name: str) -> StoredCrl:
    """A new CRL, stored. What was revoked before the call is in it. Failure: INVALID_INPUT, as SigningKeys.open.

    A CRL of 100,000 entries takes a second or two of one thread; nobody who issues or revokes waits meanwhile, for
    number and entries are taken in one transaction and the result is stored in another.
    """
    entry = chains.known(ports.register, name)
    with audit.audited(ports, audit.CRL, authority=name) as said:
        signer = chains.signer(ports, entry)
        with ports.register.writing() as book:
            before = book.crl(name)
            number = book.take_crl_number(name)
            now = float(int(ports.now()))
            # RFC 5280 3.3: an expired certificate leaves the list once it stood on one made after its expiry
            entries = book.revoked(name, before.this_update if before else 0.0)
        until = now + entry.settings.crl_lifetime
        times = datetime.fromtimestamp(now, UTC), datetime.fromtimestamp(until, UTC)
        made = StoredCrl(
            number=number, this_update=now, next_update=until, der=crl.build(signer, number, *times, entries)
        )
        with ports.register.writing() as book:
            stored = book.put_crl(name, made)
        said.update(number=number, entries=len(entries), stored=stored)
    return made


def is_due(entry: AuthorityEntry, newest: StoredCrl | None, now: float) -> bool:
    """Whether the schedule of the authority asks for a new CRL."""
    return newest is None or now >= newest.this_update + entry.settings.crl_every or now < newest.this_update


def make_due(ports: IssuancePorts) -> dict[str, Failure]:
    """Make the CRLs that are due, of all authorities whose key is here; what failed and why, by authority.

    To be called again and again, by anybody who likes; two at once make one more CRL than was needed.
    """
    failed: dict[str, Failure] = {}
    for entry in ports.register.authorities():
        if entry.signing_key and is_due(entry, ports.register.crl(entry.name), ports.now()):
            try:
                make(ports, entry.name)
            except Failure as failure:
                failed[entry.name] = failure
    return failed
