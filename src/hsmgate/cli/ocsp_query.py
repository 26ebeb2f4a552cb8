"""`hsmgate ocsp query`: one question to a responder, judged in strict mode."""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from hsmgate.adapters import store_files
from hsmgate.adapters.ocsp_http import Responders
from hsmgate.cli import tables
from hsmgate.errors import Failure, Reason
from hsmgate.pki import ocsp, truststore
from hsmgate.pki import path as paths
from hsmgate.pki.ocsp import Evidence
from hsmgate.pki.ocsp_signer import Signers
from hsmgate.record import Record

_VERDICTS = {Reason.REVOKED: "revoked", Reason.STATUS_UNKNOWN: "unknown"}


class Asked(Record):
    """What came out. `status`: good | revoked | unknown | failed; times in RFC 3339, empty where there are none."""

    status: str
    detail: str
    url: str
    certificate: str
    serial: str
    this_update: str = ""
    next_update: str = ""
    produced_at: str = ""
    signer: str = ""
    nonce: str = ""
    milliseconds: float = 0.0


def ask(
    certificate: Path,
    issuer: Path,
    url: str | None,
    digest: str,
    trusted: tuple[Path, ...],
    timeout: float,
    *,
    nonce: bool,
) -> Asked:
    """Ask and judge. Failure: files that cannot be read, nobody to ask, a hash that does not exist."""
    if digest not in ("sha1", "sha256"):
        raise Failure(Reason.INVALID_INPUT, "--hash is sha1 or sha256")
    cert, by = (paths.parse(_certificates(path)[0]) for path in (certificate, issuer))
    rules = ocsp.Rules(
        nonce="require" if nonce else "off",
        trusted_responders=tuple(der for path in trusted for der in _certificates(path)),
    )
    where = url or next(iter(ocsp.responder_urls(cert) or ()), None)
    if where is None:
        raise Failure(Reason.OCSP_NO_RESPONDER, "the certificate names no responder: give one with --url")
    return asyncio.run(_asked(cert, by, where, digest, rules, timeout))


def _certificates(path: Path) -> list[bytes]:
    return [entry.der for entry in truststore.read(store_files.read_file(path), None, str(path)).entries]


async def _asked(
    cert: x509.Certificate,
    issuer: x509.Certificate,
    url: str,
    digest: str,
    rules: ocsp.Rules,
    timeout: float,  # noqa: ASYNC109
) -> Asked:
    responders = Responders()
    begun = time.monotonic()
    evidence: Evidence | None = None
    try:
        evidence = await _judged(responders, cert, issuer, url, digest, rules, timeout)
        status, detail = "good", ""
    except Failure as failure:
        status, detail = _VERDICTS.get(failure.reason, "failed"), str(failure)
        evidence = failure.evidence if isinstance(failure.evidence, Evidence) else None
    finally:
        await responders.close()
    return Asked(
        status=status,
        detail=detail,
        url=url,
        certificate=paths.name_of(cert),
        serial=f"{cert.serial_number:x}",
        this_update=_time(evidence.this_update if evidence else None),
        next_update=_time(evidence.next_update if evidence else None),
        produced_at=_time(evidence.produced_at if evidence else None),
        signer=evidence.responder if evidence else "",
        nonce="" if evidence is None or rules.nonce == "off" else "echoed" if evidence.nonce_echoed else "not echoed",
        milliseconds=round((time.monotonic() - begun) * 1000, 1),
    )


async def _judged(
    responders: Responders,
    cert: x509.Certificate,
    issuer: x509.Certificate,
    url: str,
    digest: str,
    rules: ocsp.Rules,
    timeout: float,  # noqa: ASYNC109
) -> Evidence:
    """The verdict, and that of a delegate that must itself be proven good. Failure: as pki.ocsp.judge."""
    nonce = os.urandom(ocsp.NONCE_OCTETS) if rules.nonce != "off" else None
    response = await responders.ask(url, ocsp.make_request(cert, issuer, digest, nonce), timeout)
    failure: Failure | None = None
    try:
        evidence = ocsp.judge(response, cert, issuer, nonce, time.time(), rules, Signers(rules.trusted_responders))
    except Failure as verdict:
        if not isinstance(verdict.evidence, Evidence):
            raise
        failure, evidence = verdict, verdict.evidence
    if evidence.unchecked_delegate is not None:
        await _check_delegate(responders, paths.parse(evidence.unchecked_delegate), issuer, url, digest, rules, timeout)
    if failure is not None:
        raise failure
    return evidence


async def _check_delegate(
    responders: Responders,
    delegate: x509.Certificate,
    issuer: x509.Certificate,
    url: str,
    digest: str,
    rules: ocsp.Rules,
    timeout: float,  # noqa: ASYNC109
) -> None:
    """RFC 6960 4.2.2.2.1: without ocsp-nocheck its own status counts, by another's word than its own."""
    where = next(iter(ocsp.responder_urls(delegate) or ()), url)
    nonce = os.urandom(ocsp.NONCE_OCTETS) if rules.nonce != "off" else None
    response = await responders.ask(where, ocsp.make_request(delegate, issuer, digest, nonce), timeout)
    name = f"the responder's certificate {paths.name_of(delegate)} carries no ocsp-nocheck and"
    try:
        found = ocsp.judge(response, delegate, issuer, nonce, time.time(), rules, Signers(rules.trusted_responders))
    except Failure as failure:
        raise Failure(Reason.OCSP_RESPONDER, f"{name} is not proven good: {failure}") from None
    if found.unchecked_delegate is not None:
        raise Failure(Reason.OCSP_RESPONDER, f"{name} is vouched for by one that nobody vouches for")


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def show(asked: Asked, *, as_json: bool) -> None:
    """A line for each thing known, or JSON."""
    if as_json:
        tables.print_json(asked)
        return
    for name in asked.__struct_fields__:
        if value := getattr(asked, name):
            print(f"{name.replace('_', ' ')}: {tables.plain(value)}")
