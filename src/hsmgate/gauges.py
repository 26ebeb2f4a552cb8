"""What the parts know about themselves, as numbers for metrics; read at the moment they are asked for."""

from hsmgate.adapters.metrics import Distribution, Metrics, Readings
from hsmgate.config import Config
from hsmgate.gate.protocol import Gatehouse
from hsmgate.opening import Parts, not_checked
from hsmgate.pki import path as paths
from hsmgate.pki.trust import Role
from hsmgate.responding import Responder
from hsmgate.usecases.ports import Keystore
from hsmgate.usecases.revocation import BUCKETS, Counts

_OPENED = "1 where a protection is switched off on purpose"


def metrics_of(
    config: Config, parts: Parts, house: Gatehouse | None, worker: int, responder: Responder | None
) -> Metrics:
    """Metrics, served where hsmgate.metrics.listen says, worker n on port + n. Failure: CONFIG_INVALID."""
    metrics = Metrics(lambda: readings(config, parts, house, responder))
    if config.hsmgate.metrics.listen:
        host, _, port = config.hsmgate.metrics.listen.rpartition(":")
        metrics.serve(f"{host}:{int(port) + worker if int(port) else 0}")
        parts.log.info("metrics", detail=f"served on port {metrics.port}")
    return metrics


def readings(config: Config, parts: Parts, house: Gatehouse | None, responder: Responder | None = None) -> Readings:
    """All numbers. Names of keys, peers and certificates are not among them."""
    found = Readings()
    _opened(config, found)
    if config.hsm.backend == "pkcs11":
        _token(parts.keystore, found)
    if house is not None:
        found.number("hsmgate_connections", "Open TCP connections", house.census.total)
        found.number(
            "hsmgate_handshakes_unfinished", "Connections without a complete handshake", house.census.unfinished
        )
        for reason, count in dict(house.refused).items():
            found.number("hsmgate_handshakes_refused_total", "Refused handshakes", count, "reason", reason.name)
    if parts.keeper is not None:
        _trust(parts, found)
        text = "Pins whose revocation nobody can be asked about"
        found.number("hsmgate_trust_not_checked", text, len(not_checked(config, parts.keeper.current.trust)))
    if parts.revocation is not None:
        _revocation(parts.revocation.counts, found)
        down = len(parts.breaker.open_origins)
        found.number("hsmgate_ocsp_responders_down", "Responders whose circuit breaker is open", down)
    if responder is not None:
        responder_readings(responder, found)
    return found


def responder_readings(responder: Responder, found: Readings) -> None:
    """What the built-in responder said, and for how long it can go on."""
    answers = responder.answers
    for status, count in dict(answers.counts).items():
        found.number("hsmgate_responder_answers_total", "OCSP answers given, by status", count, "status", status)
    found.number("hsmgate_responder_hits_total", "Answers to a GET that were kept from before", answers.hits)
    found.number("hsmgate_responder_kept", "Answers that are kept", answers.cached)
    found.number("hsmgate_responder_connections", "Open connections", len(responder.listener.crowd))
    for name, ends in responder.signer_ends().items():
        text = "When a signer expires, in Unix seconds"
        found.number("hsmgate_responder_signer_expiry_seconds", text, ends, "authority", name)
    for name, age in responder.source_ages().items():
        text = "Seconds since an index was seen in order, or since the thisUpdate of a CRL"
        found.number("hsmgate_responder_source_age_seconds", text, age, "authority", name)
    what = "responder-unlisted-good"
    found.number("hsmgate_opened", _OPENED, responder.opened.open, "what", what)
    found.number("hsmgate_responder_ailing", "Authorities without signer or source", len(responder.ill.known))
    text = "Time to an answer, waiting for a thread included"
    spread = answers.latency
    found.distributions.append(
        Distribution("hsmgate_responder_seconds", text, BUCKETS, tuple(spread.counts), spread.total)
    )


def _opened(config: Config, found: Readings) -> None:
    opened = {
        "insecure": config.hsmgate.insecure,
        "ocsp-off": config.hsmgate.ocsp.check == "off",
        "ocsp-on-failure-allow": config.hsmgate.ocsp.on_failure == "allow",
    }
    for what, on in opened.items():
        found.number("hsmgate_opened", _OPENED, on, "what", what)


def _token(keystore: Keystore, found: Readings) -> None:
    from hsmgate.adapters.pkcs11.keystore import TokenKeystore  # here: who has no token starts without

    if isinstance(keystore, TokenKeystore):
        found.number("hsmgate_token_up", "1 while the PKCS#11 token is in use", keystore.token.is_up)
        found.number("hsmgate_token_hung", "Calls that hang inside the PKCS#11 module", keystore.token.hung)


def _trust(parts: Parts, found: Readings) -> None:
    assert parts.keeper is not None
    snapshot = parts.keeper.current
    found.number("hsmgate_trust_snapshot", "Number of the snapshot of trust that is in force", snapshot.number)
    ends = [paths.parse(entry.der).not_valid_after_utc.timestamp() for entry in snapshot.trust.entries]
    for role in Role:
        count = sum(entry.role is role for entry in snapshot.trust.entries)
        found.number("hsmgate_trust_entries", "Entries of the truststore", count, "role", role.name.lower())
    if ends:
        text = "When the first entry of the truststore expires, in Unix seconds"
        found.number("hsmgate_trust_first_expiry_seconds", text, min(ends))


def _revocation(counts: Counts, found: Readings) -> None:
    totals = {
        "hsmgate_ocsp_queries_total": ("Queries sent", counts.queries),
        "hsmgate_ocsp_shared_total": ("Judgements that shared a query with others", counts.shared),
        "hsmgate_ocsp_hits_total": ("Judgements on evidence that was still fresh", counts.hits),
        "hsmgate_ocsp_allowed_total": ("Let in without an answer, by hsmgate.ocsp.on-failure", counts.allowed),
        "hsmgate_ocsp_remembered_total": ("Refused by a remembered REVOKED", counts.remembered),
        "hsmgate_ocsp_own_total": ("Judgements by our own PKI, without a query", counts.own),
        "hsmgate_ocsp_unsaved_total": ("REVOKED that could not be written to the database", counts.unsaved),
    }
    for name, (text, value) in totals.items():
        found.number(name, text, value)
    for reason, value in dict(counts.failures).items():
        found.number("hsmgate_ocsp_failures_total", "Judgements without a GOOD, by reason", value, "reason", reason)
    for name, text, histogram in (
        ("hsmgate_ocsp_query_seconds", "Time of a query", counts.latency),
        ("hsmgate_ocsp_evidence_age_seconds", "Age of the evidence that let a request pass", counts.age),
    ):
        found.distributions.append(Distribution(name, text, BUCKETS, tuple(histogram.counts), histogram.total))
