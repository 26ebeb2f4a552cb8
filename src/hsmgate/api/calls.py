"""From a decoded request to its plan, and from a result to its answer: one small function for each row."""

import hashlib

from hsmgate.api.plan import Answer, Document, Fact, Plan
from hsmgate.api.wire.fields import encoded, natural, password
from hsmgate.api.wire.keys import CreateKeyBody, KeyAddress, KeyBody, signed_attributes
from hsmgate.api.wire.operations import SignBody, VerifyAnswer, VerifyBody, sign_answer
from hsmgate.api.wire.service import (
    AttestationKey,
    Health,
    LicenseInfo,
    RandomOctets,
    VersionInfo,
    keystore_statistics,
)
from hsmgate.errors import Failure, Reason
from hsmgate.usecases import keys, service
from hsmgate.usecases.mac import CheckMac, is_mac
from hsmgate.usecases.ports import Ports
from hsmgate.usecases.sign import sign as sign_payload
from hsmgate.usecases.verify import verify as verify_signature

Params = tuple[str, ...]
_LOG_TYPE = "text/plain; charset=utf-8"
_AS_FILE = ((b"content-disposition", b'attachment; filename="hsm.log"'),)
_NOTHING: dict[str, str] = {}  # an empty object: clients parse the body of every answer


def create_key(_: Params, body: CreateKeyBody) -> Plan:
    """POST /v1/key."""
    command = body.command()
    facts: dict[str, Fact] = {
        "key": command.label,
        "algorithm": command.algorithm or command.algorithm_oid,
    }

    def run(ports: Ports) -> Answer:
        created = keys.create(ports, command)
        return Answer(signed_attributes(created.signed), created.remark)

    return Plan(facts, run)


def list_keys(_: Params, _body: None) -> Plan:
    """GET /v1/key."""
    return Plan({}, lambda ports: Answer(keys.labels(ports)))


def key_attributes(_: Params, body: KeyBody) -> Plan:
    """POST /v1/key/attributes."""
    return _attributes(body.label, password(body.password))


def named_key_attributes(params: Params, _body: None) -> Plan:
    """GET /v1/key/{keyName}/attributes."""
    return _attributes(params[0], None)


def key_address(_: Params, body: KeyBody) -> Plan:
    """POST /v1/key/address."""
    return _address(body.label, password(body.password))


def named_key_address(params: Params, _body: None) -> Plan:
    """GET /v1/key/{keyName}/address."""
    return _address(params[0], None)


def delete_key(_: Params, body: KeyBody) -> Plan:
    """POST /v1/key/deleteKey."""
    return _delete(body.label, password(body.password))


def delete_named_key(params: Params, _body: None) -> Plan:
    """DELETE /v1/key/{keyName}."""
    return _delete(params[0], None)


def sign(_: Params, body: SignBody) -> Plan:
    """POST /v1/synchronousSign."""
    command = body.command()
    facts = _used(command.label, command.algorithm, command.payload)
    return Plan(
        facts,
        lambda ports: Answer(sign_answer(sign_payload(ports, command))),
        guesses=guesses_of(command.label, command.password),
    )


def verify(_: Params, body: VerifyBody) -> Plan:
    """POST /v1/verify."""
    command = body.command()
    if isinstance(command, CheckMac):
        return _check_mac(command)
    facts = _used(command.label, command.algorithm, command.payload)
    return Plan(facts, lambda ports: Answer(VerifyAnswer(verify_signature(ports, command))))


def version_info(_: Params, _body: None) -> Plan:
    """GET /v1/versionInfo."""
    return Plan({}, lambda ports: Answer(VersionInfo(service.version(ports))))


def license_info(_: Params, _body: None) -> Plan:
    """GET /v1/licenseInfo."""
    return Plan({}, lambda ports: Answer(LicenseInfo(service.licence(ports))))


def statistics(_: Params, _body: None) -> Plan:
    """GET /v1/keystore/statistics."""

    def run(ports: Ports) -> Answer:
        return Answer(keystore_statistics(service.statistics(ports), service.certificate_count(ports)))

    return Plan({}, run)


def hsm_log(_: Params, _body: None) -> Plan:
    """GET /v1/hsm/log."""
    return Plan({}, lambda ports: Answer(Document(_LOG_TYPE, service.log(ports, service.RECENT_LOG))))


def hsm_log_download(_: Params, _body: None) -> Plan:
    """GET /v1/hsm/log/download."""

    def run(ports: Ports) -> Answer:
        return Answer(Document(_LOG_TYPE, service.log(ports, service.DOWNLOADED_LOG), _AS_FILE))

    return Plan({}, run)


def generate_random(params: Params, _body: None) -> Plan:
    """GET /v1/generateRandom/{length}."""
    length = natural(params[0])

    def run(ports: Ports) -> Answer:
        return Answer(RandomOctets(encoded(service.random(ports, length))))

    return Plan({"length": length}, run)


def attestation_key(params: Params, _body: None) -> Plan:
    """GET /v1/attestation/{keyName}."""
    name = params[0]

    def run(ports: Ports) -> Answer:
        public_key = service.attestation_public_key(ports, name)
        return Answer(AttestationKey(label=name, certificate=None, public_key=encoded(public_key)))

    return Plan({"key": name}, run)


def not_implemented(_: Params, _body: None) -> Plan:
    """What the contract names and does not specify: POST /v1/rotate, GET /v1/xpub/{keyName}."""

    def run(_ports: Ports) -> Answer:
        raise Failure(Reason.NOT_IMPLEMENTED, "The contract only names this: it is not implemented.")

    return Plan({}, run)


def health(_: Params, _body: None) -> Plan:
    """GET /actuator/health."""

    def run(ports: Ports) -> Answer:
        service.check_health(ports)
        return Answer(Health())

    return Plan({}, run)


def guesses_of(label: str, key_password: str | None) -> tuple[str, ...]:
    """The key, where a password was given for it."""
    return (label,) if key_password else ()


def _check_mac(command: CheckMac) -> Plan:
    facts = _used(command.label, "HMAC", command.payload)
    return Plan(
        facts,
        lambda ports: Answer(VerifyAnswer(is_mac(ports, command))),
        guesses=guesses_of(command.label, command.password),
        touches_key=True,
    )


def _attributes(label: str, key_password: str | None) -> Plan:
    return Plan(
        {"key": label},
        lambda ports: Answer(signed_attributes(keys.attributes(ports, label, key_password))),
        guesses=guesses_of(label, key_password),
    )


def _address(label: str, key_password: str | None) -> Plan:
    return Plan(
        {"key": label},
        lambda ports: Answer(KeyAddress(encoded(keys.address(ports, label, key_password)))),
        guesses=guesses_of(label, key_password),
    )


def _delete(label: str, key_password: str | None) -> Plan:
    def run(ports: Ports) -> Answer:
        keys.delete(ports, label, key_password)
        return Answer(_NOTHING)

    return Plan({"key": label}, run, guesses=guesses_of(label, key_password))


def _used(label: str, algorithm: str, payload: bytes) -> dict[str, Fact]:
    return {
        "key": label,
        "algorithm": algorithm,
        "payloadBytes": len(payload),
        "payloadSha256": hashlib.sha256(payload).hexdigest(),
    }
